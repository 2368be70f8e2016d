/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream of frames: what decodes encodes to the same bytes; corruption shows early and stays. */
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* The result for each part of the header from its start on. */
static enum frame_result decode_prefixes(const uint8_t *data, size_t size, struct frame_header *ret)
{
	struct frame_header untouched;
	enum frame_result result = FRAME_INCOMPLETE;

	memset(&untouched, 0x55, sizeof(untouched));
	*ret = untouched;
	for (size_t part = 0; part <= size && part <= FRAME_HEADER_SIZE; part++) {
		enum frame_result last = result;

		result = frame_decode(data, part, ret);
		REQUIRE(last == FRAME_INCOMPLETE || result == last);
		REQUIRE(result == FRAME_OK || memcmp(ret, &untouched, sizeof(untouched)) == 0);
		REQUIRE((result == FRAME_OK) ==
			(part == FRAME_HEADER_SIZE && result >= FRAME_INCOMPLETE));
	}
	REQUIRE(frame_decode(data, size, ret) == result);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (;;) {
		struct frame_header header;
		uint8_t out[FRAME_HEADER_SIZE];
		enum frame_result result = decode_prefixes(data, size, &header);

		REQUIRE(frame_result_text(result)[0]);
		if (result != FRAME_OK)
			return 0;
		REQUIRE(header.length <= FRAME_PAYLOAD_MAX);
		frame_encode(out, &header);
		REQUIRE(memcmp(out, data, sizeof(out)) == 0);
		data += FRAME_HEADER_SIZE;
		size -= FRAME_HEADER_SIZE;
		if (header.length > size)
			return 0;
		data += header.length;
		size -= header.length;
	}
}
