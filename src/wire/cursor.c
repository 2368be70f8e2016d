/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/cursor.h"

#include "wire/double.h"
#include "wire/head.h"

/*
 * Getters work on a copy of the cursor and assign it last, so a failure changes nothing. What is
 * read stays in the buffer: a value takes no memory beyond its bytes on the wire.
 */

static enum cbor_type simple_type(unsigned info)
{
	switch (info) {
	case HEAD_FALSE:
	case HEAD_TRUE:
		return CBOR_BOOL;
	case HEAD_NIL:
		return CBOR_NIL;
	default:
		return CBOR_DOUBLE;
	}
}

static enum cbor_type tag_type(uint64_t tag)
{
	switch (tag) {
	case CBOR_TAG_CONTEXT:
		return CBOR_CONTEXT;
	case CBOR_TAG_SENDER:
		return CBOR_SENDER;
	case CBOR_TAG_BLOB:
		return CBOR_BLOB;
	case CBOR_TAG_SECRET:
		return CBOR_SECRET;
	default:
		return CBOR_CALL_ERROR;
	}
}

static enum cbor_type head_type(const struct head *head)
{
	switch (head->major) {
	case HEAD_UINT:
	case HEAD_NEGATIVE:
		return CBOR_INT;
	case HEAD_BYTES:
		return CBOR_BYTES;
	case HEAD_TEXT:
		return CBOR_TEXT;
	case HEAD_LIST:
		return CBOR_LIST;
	case HEAD_MAP:
		return CBOR_MAP;
	case HEAD_TAG:
		return tag_type(head->value);
	default:
		return simple_type(head->info);
	}
}

/* Reads a head of that type; for a tag, the tag alone. */
static int read_type(struct cursor *c, enum cbor_type type, struct head *ret)
{
	struct cursor ahead = *c;
	int r = head_read(&ahead.at, ahead.end, ret);

	if (r < 0)
		return r;
	if (head_type(ret) != type)
		return CBOR_ERR_TYPE;
	*c = ahead;
	return 0;
}

static int read_u32(struct cursor *c, uint32_t *ret)
{
	struct head head;
	int r = head_read(&c->at, c->end, &head);

	if (r < 0)
		return r;
	if (head.major != HEAD_UINT || head.value > UINT32_MAX)
		return CBOR_ERR_TYPE;
	*ret = (uint32_t)head.value;
	return 0;
}

enum cbor_type cursor_type(const struct cursor *c)
{
	struct cursor ahead = *c;
	struct head head;

	return head_read(&ahead.at, ahead.end, &head) < 0 ? CBOR_NONE : head_type(&head);
}

int cursor_nil(struct cursor *c)
{
	struct head head;

	return read_type(c, CBOR_NIL, &head);
}

int cursor_bool(struct cursor *c, bool *ret)
{
	struct head head;
	int r = read_type(c, CBOR_BOOL, &head);

	if (r < 0)
		return r;
	*ret = head.info == HEAD_TRUE;
	return 0;
}

int cursor_int(struct cursor *c, bool *ret_negative, uint64_t *ret_magnitude)
{
	struct head head;
	int r = read_type(c, CBOR_INT, &head);

	if (r < 0)
		return r;
	*ret_negative = head.major == HEAD_NEGATIVE;
	*ret_magnitude = head.value;
	return 0;
}

int cursor_u32(struct cursor *c, uint32_t *ret)
{
	struct cursor ahead = *c;
	int r = read_u32(&ahead, ret);

	if (r == 0)
		*c = ahead;
	return r;
}

int cursor_u64(struct cursor *c, uint64_t *ret)
{
	struct cursor ahead = *c;
	struct head head;
	int r = read_type(&ahead, CBOR_INT, &head);

	if (r < 0)
		return r;
	if (head.major == HEAD_NEGATIVE)
		return CBOR_ERR_TYPE;
	*ret = head.value;
	*c = ahead;
	return 0;
}

int cursor_i64(struct cursor *c, int64_t *ret)
{
	struct cursor ahead = *c;
	struct head head;
	int r = read_type(&ahead, CBOR_INT, &head);

	if (r < 0)
		return r;
	if (head.value > INT64_MAX)
		return CBOR_ERR_TYPE;
	*ret = head.major == HEAD_NEGATIVE ? -1 - (int64_t)head.value : (int64_t)head.value;
	*c = ahead;
	return 0;
}

int cursor_double(struct cursor *c, double *ret)
{
	struct head head;
	uint64_t bits;
	int r = read_type(c, CBOR_DOUBLE, &head);

	if (r < 0)
		return r;
	bits = head.value;
	if (head.info == HEAD_16_BITS)
		bits = double_widen((uint32_t)bits, &double_half);
	else if (head.info == HEAD_32_BITS)
		bits = double_widen((uint32_t)bits, &double_single);
	*ret = double_of_bits(bits);
	return 0;
}

int cursor_string(struct cursor *c, enum cbor_type type, const uint8_t **ret_data, size_t *ret_size)
{
	bool tagged = type == CBOR_BLOB || type == CBOR_SECRET;
	struct cursor ahead = *c;
	struct head head;
	int r = read_type(&ahead, type, &head);

	if (r == 0 && tagged)
		r = read_type(&ahead, CBOR_BYTES, &head);
	if (r < 0)
		return r;
	if (head.major != HEAD_TEXT && head.major != HEAD_BYTES)
		return CBOR_ERR_TYPE; /* a type that is no string was asked for */
	*ret_data = ahead.at;
	*ret_size = (size_t)head.value;
	ahead.at += head.value;
	*c = ahead;
	return 0;
}

int cursor_context(struct cursor *c, uint32_t *ret_id)
{
	struct cursor ahead = *c;
	struct head head;
	int r;

	if ((r = read_type(&ahead, CBOR_CONTEXT, &head)) < 0 || (r = read_u32(&ahead, ret_id)) < 0)
		return r;
	*c = ahead;
	return 0;
}

int cursor_sender(struct cursor *c, uint32_t *ret_id, uint32_t *ret_handle)
{
	struct cursor ahead = *c;
	uint32_t id, handle;
	struct head head;
	int r;

	if ((r = read_type(&ahead, CBOR_SENDER, &head)) < 0 ||
	    (r = read_type(&ahead, CBOR_LIST, &head)) < 0)
		return r;
	if (head.value != 2)
		return CBOR_ERR_TYPE;
	if ((r = read_u32(&ahead, &id)) < 0 || (r = read_u32(&ahead, &handle)) < 0)
		return r;
	*ret_id = id;
	*ret_handle = handle;
	*c = ahead;
	return 0;
}

int cursor_call_error_tag(struct cursor *c)
{
	struct head head;

	return read_type(c, CBOR_CALL_ERROR, &head);
}

static int enter(struct cursor *c, enum cbor_type type, uint64_t *ret_count)
{
	struct head head;
	int r = read_type(c, type, &head);

	if (r < 0)
		return r;
	*ret_count = head.value;
	return 0;
}

int cursor_list(struct cursor *c, uint64_t *ret_count)
{
	return enter(c, CBOR_LIST, ret_count);
}

int cursor_map(struct cursor *c, uint64_t *ret_count)
{
	return enter(c, CBOR_MAP, ret_count);
}

int cursor_skip(struct cursor *c)
{
	struct cursor ahead = *c;
	uint64_t items = 1; /* still to come; never more than there are bytes left */

	while (items > 0) {
		struct head head;
		int r = head_read(&ahead.at, ahead.end, &head);

		if (r < 0)
			return r;
		items--;
		if (head.major == HEAD_TEXT || head.major == HEAD_BYTES)
			ahead.at += head.value;
		else if (head.major == HEAD_LIST)
			items += head.value;
		else if (head.major == HEAD_MAP)
			items += head.value * 2;
		else if (head.major == HEAD_TAG)
			items++;
		if (items > (uint64_t)(ahead.end - ahead.at))
			return CBOR_ERR_TRUNCATED;
	}
	*c = ahead;
	return 0;
}
