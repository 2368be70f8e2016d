/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/join.h"

#include <string.h>

#include "wire/cursor.h"
#include "wire/handles.h"
#include "wire/writer.h"

size_t join_write_request(uint8_t out[JOIN_REQUEST_MAX], const char *name)
{
	struct frame_header header = {.kind = FRAME_CBOR, .handle = HANDLE_JOIN};
	struct mitogen_writer w;
	size_t size = 0;

	if (name && strlen(name) > JOIN_NAME_MAX)
		return 0;
	writer_init(&w, 0, JOIN_REQUEST_MAX - FRAME_HEADER_SIZE);
	writer_list_head(&w, 2);
	writer_uint(&w, JOIN_VERSION);
	writer_string(&w, name ? name : "");
	if (writer_finish(&w) == 0) {
		header.length = (uint32_t)w.size;
		frame_encode(out, &header);
		memcpy(out + FRAME_HEADER_SIZE, w.data, w.size);
		size = FRAME_HEADER_SIZE + w.size;
	}
	writer_clear(&w);
	return size;
}

static int read_payload(const uint8_t *data, size_t size, struct join_request *ret)
{
	struct cursor c = {data, data + size};
	struct join_request read = {0};
	const uint8_t *name;
	uint64_t count;
	size_t length;

	if (cbor_check(data, size) < 0 || cursor_list(&c, &count) < 0 || count == 0 ||
	    cursor_u32(&c, &read.version) < 0)
		return -1;
	if (read.version == JOIN_VERSION) {
		if (count != 2 || cursor_string(&c, CBOR_TEXT, &name, &length) < 0 ||
		    length > JOIN_NAME_MAX || memchr(name, '\0', length))
			return -1;
		memcpy(read.name, name, length);
	}
	*ret = read;
	return 1;
}

int join_read_request(const uint8_t *data, size_t size, struct join_request *ret)
{
	struct frame_header header;
	enum frame_result result = frame_decode(data, size, &header);

	if (result == FRAME_INCOMPLETE)
		return 0;
	if (result < 0 || header.handle != HANDLE_JOIN || header.kind != FRAME_CBOR ||
	    header.flags != 0 || header.length > JOIN_REQUEST_MAX - FRAME_HEADER_SIZE ||
	    size - FRAME_HEADER_SIZE > header.length)
		return -1;
	if (size - FRAME_HEADER_SIZE < header.length)
		return 0;
	return read_payload(data + FRAME_HEADER_SIZE, header.length, ret);
}
