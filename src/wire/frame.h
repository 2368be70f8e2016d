/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frame: a fixed header of 28 bytes, big-endian, and a payload. docs/PROTOCOL.md is the
 * reference. Pure: no fd, no allocation.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAGIC       0x4d49u /* "MI" */
#define FRAME_HEADER_SIZE 28u
#define FRAME_PAYLOAD_MAX 65536u

enum frame_kind {
	FRAME_CBOR = 1,
	FRAME_RAW = 2,  /* bytes of a stream */
	FRAME_DEAD = 3, /* a failure: CBOR [code, text], or empty: an orderly end */
	FRAME_KINDS,
};

enum frame_flag {
	FRAME_BULK = 1 << 0,   /* may wait behind normal traffic */
	FRAME_MORE = 1 << 1,   /* the message goes on in the next frame of (src, dst, handle) */
	FRAME_WAITED = 1 << 2, /* for credit; so the receiver knows that more would be used */
	FRAME_FLAGS = FRAME_BULK | FRAME_MORE | FRAME_WAITED,
};

struct frame_header {
	uint8_t kind;
	uint8_t flags;
	uint32_t dst_id, src_id, auth_id;
	uint32_t handle, reply_to; /* reply_to 0: no reply wanted */
	uint32_t length;           /* of the payload of this frame */
};

enum frame_result {
	FRAME_OK = 1,
	FRAME_INCOMPLETE = 0, /* needs more bytes */
	FRAME_BAD_MAGIC = -1, /* the negative ones are corruption */
	FRAME_BAD_KIND = -2,
	FRAME_BAD_FLAGS = -3,
	FRAME_BAD_LENGTH = -4, /* above FRAME_PAYLOAD_MAX */
};

void frame_encode(uint8_t out[FRAME_HEADER_SIZE], const struct frame_header *header);

/* Decodes a header from the first bytes of data. Corruption is reported as early as it shows, from
 * an incomplete header too. *ret is written on FRAME_OK only, which does not say that the payload
 * is there. */
enum frame_result frame_decode(const uint8_t *data, size_t size, struct frame_header *ret);
const char *frame_result_text(enum frame_result result);
