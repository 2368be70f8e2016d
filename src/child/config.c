/* SPDX-License-Identifier: BSD-3-Clause */
#include "child/config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "wire/cursor.h"
#include "wire/frame.h"
#include "wire/handles.h"

/* of a parent that does not say */
#define MAX_MESSAGE (128u << 20)
#define PATIENCE_MS 5000

static int read_all(int fd, void *data, size_t size)
{
	uint8_t *at = data;

	while (size > 0) {
		ssize_t n = sys.read(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

static int read_path(struct cursor *c, char **ret)
{
	const uint8_t *data;
	size_t length;

	if (cursor_string(c, CBOR_TEXT, &data, &length) < 0 || length >= CONFIG_PATH_MAX)
		return -1;
	*ret = sys.malloc(length + 1);
	if (!*ret)
		return -1;
	memcpy(*ret, data, length);
	(*ret)[length] = '\0';
	return 0;
}

static int read_parents(struct cursor *c, struct config *config)
{
	uint64_t count;

	if (cursor_list(c, &count) < 0 || count > DEPTH_MAX)
		return -1;
	for (; config->parent_count < count; config->parent_count++)
		if (cursor_u32(c, &config->parents[config->parent_count]) < 0)
			return -1;
	return 0;
}

static int parse(const uint8_t *data, size_t size, struct config *config)
{
	static const struct {
		const char *name;
		size_t offset;
	} numbers[] = {
		{"id", offsetof(struct config, id)},
		{"ids", offsetof(struct config, ids)},
		{"dump", offsetof(struct config, diagnosis.dump_seconds)},
		{"dump_on_signal", offsetof(struct config, diagnosis.dumps_on_signal)},
		{"forks", offsetof(struct config, forks)},
		{"log", offsetof(struct config, log_level)},
		{"max", offsetof(struct config, max_message)},
		{"patience", offsetof(struct config, patience_ms)},
		{"trace", offsetof(struct config, diagnosis.traces_crashes)},
		{"unidirectional", offsetof(struct config, is_unidirectional)},
	};
	struct cursor c = {data, data + size};
	uint64_t count;

	if (cbor_check(data, size) < 0 || cursor_map(&c, &count) < 0)
		return -1;
	while (count-- > 0) {
		const uint8_t *key;
		size_t length, i;

		if (cursor_string(&c, CBOR_TEXT, &key, &length) < 0)
			return -1;
		for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			if (length == strlen(numbers[i].name) &&
			    !memcmp(key, numbers[i].name, length))
				break;
		if (i < sizeof(numbers) / sizeof(numbers[0])) {
			if (cursor_u32(&c, (uint32_t *)(void *)((char *)config +
								numbers[i].offset)) < 0)
				return -1;
		} else if (length == 4 && memcmp(key, "path", 4) == 0) {
			if (read_path(&c, &config->path) < 0)
				return -1;
		} else if (length == 7 && memcmp(key, "parents", 7) == 0) {
			if (read_parents(&c, config) < 0)
				return -1;
		} else if (cursor_skip(&c) < 0) { /* of a newer parent */
			return -1;
		}
	}
	return config->id > 0 && config->ids > 0 && config->parent_count > 0 && config->path ? 0
											     : -1;
}

int config_parse(const void *payload, size_t size, struct config *ret)
{
	*ret = (struct config){.max_message = MAX_MESSAGE, .patience_ms = PATIENCE_MS};
	if (parse(payload, size, ret) == 0)
		return 0;
	sys.free(TAKE_PTR(ret->path));
	return -1;
}

int config_read(int fd, struct config *ret)
{
	uint8_t header_bytes[FRAME_HEADER_SIZE];
	CLEANUP_FREE uint8_t *payload =
		NULL; /* on the stack it would stay there as touched memory */
	struct frame_header header;

	*ret = (struct config){0};
	if (read_all(fd, header_bytes, sizeof(header_bytes)) < 0 ||
	    frame_decode(header_bytes, sizeof(header_bytes), &header) != FRAME_OK ||
	    header.handle != HANDLE_CONFIG || header.kind != FRAME_CBOR || header.flags != 0 ||
	    header.length > CONFIG_SIZE_MAX)
		return -1;
	payload = sys.malloc(header.length + 1);
	if (!payload || read_all(fd, payload, header.length) < 0)
		return -1;
	return config_parse(payload, header.length, ret);
}
