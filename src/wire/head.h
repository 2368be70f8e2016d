/* SPDX-License-Identifier: BSD-3-Clause */
/* The head of an item: its first bytes, which say what it is and how much of it follows. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/big_endian.h"
#include "wire/cbor.h"

enum head_major {
	HEAD_UINT,
	HEAD_NEGATIVE, /* -1 - value */
	HEAD_BYTES,
	HEAD_TEXT,
	HEAD_LIST,
	HEAD_MAP,
	HEAD_TAG,
	HEAD_SIMPLE,
};

enum head_info { /* the low five bits of the first byte, where they are not the value */
	HEAD_FALSE = 20,
	HEAD_TRUE = 21,
	HEAD_NIL = 22,
	HEAD_8_BITS = 24,
	HEAD_16_BITS = 25, /* the last three are the doubles of HEAD_SIMPLE, too */
	HEAD_32_BITS = 26,
	HEAD_64_BITS = 27,
};

#define HEAD_SIZE_MAX 9

struct head {
	enum head_major major;
	unsigned info;
	uint64_t value;
};

static inline uint64_t head_load(const uint8_t *from, unsigned info)
{
	switch (info) {
	case HEAD_8_BITS:
		return *from;
	case HEAD_16_BITS:
		return big_endian_load16(from);
	case HEAD_32_BITS:
		return big_endian_load32(from);
	default:
		return big_endian_load64(from);
	}
}

static inline unsigned head_info_of(uint64_t value)
{
	if (value < HEAD_8_BITS)
		return (unsigned)value;
	if (value <= UINT8_MAX)
		return HEAD_8_BITS;
	if (value <= UINT16_MAX)
		return HEAD_16_BITS;
	return value <= UINT32_MAX ? HEAD_32_BITS : HEAD_64_BITS;
}

static inline size_t head_info_size(unsigned info)
{
	return info < HEAD_8_BITS ? 1 : 1 + (size_t)(1 << (info - HEAD_8_BITS));
}

/* What no head of our CBOR may say, whatever comes behind it. Strings, and items at a byte each,
 * must fit in what is left: nobody allocates or counts for what cannot be there. */
static inline int head_check(const struct head *head, size_t left)
{
	switch (head->major) {
	case HEAD_BYTES:
	case HEAD_TEXT:
	case HEAD_LIST:
		return head->value > left ? CBOR_ERR_TRUNCATED : 0;
	case HEAD_MAP:
		return head->value > left / 2 ? CBOR_ERR_TRUNCATED : 0;
	case HEAD_TAG:
		return head->value >= CBOR_TAG_CONTEXT && head->value <= CBOR_TAG_CALL_ERROR
			       ? 0
			       : CBOR_ERR_MALFORMED;
	default:
		return 0;
	}
}

/* Reads a head and moves *at behind it. 0; or an enum cbor_error, and nothing is changed. */
static inline int head_read(const uint8_t **at, const uint8_t *end, struct head *ret)
{
	const uint8_t *from = *at;
	struct head head;
	size_t size;
	int r;

	if (from == end)
		return CBOR_ERR_TRUNCATED;
	head.major = (enum head_major)(*from >> 5);
	head.info = *from & 31;
	head.value = head.info;
	if (head.info > HEAD_64_BITS)
		return CBOR_ERR_MALFORMED;
	if (head.major == HEAD_SIMPLE &&
	    (head.info < HEAD_FALSE || head.info == HEAD_NIL + 1 || head.info == HEAD_8_BITS))
		return CBOR_ERR_MALFORMED;
	size = head_info_size(head.info);
	if ((size_t)(end - from) < size)
		return CBOR_ERR_TRUNCATED;
	if (size > 1) {
		head.value = head_load(from + 1, head.info);
		if (head.major != HEAD_SIMPLE && head_info_of(head.value) != head.info)
			return CBOR_ERR_MALFORMED; /* would fit in fewer bytes */
	}
	r = head_check(&head, (size_t)(end - from) - size);
	if (r < 0)
		return r;
	*at = from + size;
	*ret = head;
	return 0;
}

/* Writes a head of head_info_size(head_info_of(value)) bytes. */
static inline uint8_t *head_write(uint8_t *to, enum head_major major, uint64_t value)
{
	unsigned info = head_info_of(value);

	*to = (uint8_t)((unsigned)major << 5 | info);
	switch (info) {
	case HEAD_8_BITS:
		to[1] = (uint8_t)value;
		break;
	case HEAD_16_BITS:
		big_endian_store16(to + 1, (uint16_t)value);
		break;
	case HEAD_32_BITS:
		big_endian_store32(to + 1, (uint32_t)value);
		break;
	case HEAD_64_BITS:
		big_endian_store64(to + 1, value);
		break;
	}
	return to + head_info_size(info);
}
