/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/frame.h"

#include "wire/big_endian.h"

enum offset { /* of the fields; docs/PROTOCOL.md has the same table */
	MAGIC = 0,
	KIND = 2,
	FLAGS = 3,
	DST_ID = 4,
	SRC_ID = 8,
	AUTH_ID = 12,
	HANDLE = 16,
	REPLY_TO = 20,
	LENGTH = 24,
};

void frame_encode(uint8_t out[FRAME_HEADER_SIZE], const struct frame_header *header)
{
	big_endian_store16(out + MAGIC, FRAME_MAGIC);
	out[KIND] = header->kind;
	out[FLAGS] = header->flags;
	big_endian_store32(out + DST_ID, header->dst_id);
	big_endian_store32(out + SRC_ID, header->src_id);
	big_endian_store32(out + AUTH_ID, header->auth_id);
	big_endian_store32(out + HANDLE, header->handle);
	big_endian_store32(out + REPLY_TO, header->reply_to);
	big_endian_store32(out + LENGTH, header->length);
}

/* The smallest length that a header can have whose first bytes these are. */
static uint32_t least_length(const uint8_t *data, size_t size)
{
	uint32_t length = 0;

	for (size_t i = LENGTH; i < FRAME_HEADER_SIZE; i++)
		length = length << 8 | (i < size ? data[i] : 0);
	return length;
}

static enum frame_result check(const uint8_t *data, size_t size)
{
	if (size > MAGIC && data[MAGIC] != FRAME_MAGIC >> 8)
		return FRAME_BAD_MAGIC;
	if (size > MAGIC + 1 && data[MAGIC + 1] != (FRAME_MAGIC & 0xff))
		return FRAME_BAD_MAGIC;
	if (size > KIND && (data[KIND] < FRAME_CBOR || data[KIND] >= FRAME_KINDS))
		return FRAME_BAD_KIND;
	if (size > FLAGS && (data[FLAGS] & ~FRAME_FLAGS))
		return FRAME_BAD_FLAGS;
	if (size > LENGTH && least_length(data, size) > FRAME_PAYLOAD_MAX)
		return FRAME_BAD_LENGTH;
	return size < FRAME_HEADER_SIZE ? FRAME_INCOMPLETE : FRAME_OK;
}

enum frame_result frame_decode(const uint8_t *data, size_t size, struct frame_header *ret)
{
	enum frame_result result = check(data, size);

	if (result != FRAME_OK)
		return result;
	*ret = (struct frame_header){
		.kind = data[KIND],
		.flags = data[FLAGS],
		.dst_id = big_endian_load32(data + DST_ID),
		.src_id = big_endian_load32(data + SRC_ID),
		.auth_id = big_endian_load32(data + AUTH_ID),
		.handle = big_endian_load32(data + HANDLE),
		.reply_to = big_endian_load32(data + REPLY_TO),
		.length = big_endian_load32(data + LENGTH),
	};
	return FRAME_OK;
}

const char *frame_result_text(enum frame_result result)
{
	switch (result) {
	case FRAME_OK:
		return "a frame header";
	case FRAME_INCOMPLETE:
		return "an incomplete frame header";
	case FRAME_BAD_MAGIC:
		return "not a frame: wrong magic";
	case FRAME_BAD_KIND:
		return "unknown kind of frame";
	case FRAME_BAD_FLAGS:
		return "unknown frame flags";
	case FRAME_BAD_LENGTH:
		return "frame payload too long";
	}
	return "unknown frame result";
}
