/* SPDX-License-Identifier: BSD-3-Clause */
/* The two messages of joining. The request: what is read is written the same way; a part of it is
 * incomplete; nothing is read of what is none. The answer, which is a configuration, from a process of
 * ours, but of any version. */
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "child/config.h"
#include "wire/join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_request(const uint8_t *data, size_t size)
{
	struct join_request request = {.version = 4711}, part;
	uint8_t out[JOIN_REQUEST_MAX];
	int result = join_read_request(data, size, &request);

	REQUIRE(result == 1 || request.version == 4711);
	if (result != 1)
		return;
	REQUIRE(size <= JOIN_REQUEST_MAX);
	for (size_t cut = 0; cut < size; cut++)
		REQUIRE(join_read_request(data, cut, &part) == 0);
	if (request.version != JOIN_VERSION)
		return;
	REQUIRE(join_write_request(out, request.name) == size);
	/* who fills in IDs in vain is not refused */
	REQUIRE(memcmp(out + FRAME_HEADER_SIZE, data + FRAME_HEADER_SIZE,
		       size - FRAME_HEADER_SIZE) == 0);
}

static void check_answer(const uint8_t *data, size_t size)
{
	struct config config;

	if (config_parse(data, size, &config) < 0) {
		REQUIRE(!config.path);
		return;
	}
	REQUIRE(config.id > 0 && config.ids > 0);
	REQUIRE(config.parent_count > 0 && config.parent_count <= DEPTH_MAX);
	REQUIRE(config.path && strlen(config.path) < CONFIG_PATH_MAX);
	sys.free(config.path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_request(data, size);
	check_answer(data, size);
	return 0;
}
