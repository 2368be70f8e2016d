/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/writer.h"

#include <string.h>

#include "base/sys.h"
#include "wire/cbor.h"
#include "wire/double.h"
#include "wire/head.h"
#include "wire/pairs.h"
#include "wire/utf8.h"

#define FIRST_CAPACITY 256

enum kind {
	LIST, /* ended by writer_end, like a map */
	MAP,
	SIZED_LIST, /* ends itself */
};

static void fail(struct mitogen_writer *w, int error)
{
	if (!w->error)
		w->error = error;
}

/* ---- The buffer ---- */

static void drop_data(struct mitogen_writer *w)
{
	if (w->has_secret && w->data)
		explicit_bzero(w->data, w->size);
	sys.free(w->data);
}

static int grow(struct mitogen_writer *w, size_t needed)
{
	size_t capacity = w->capacity ? 2 * w->capacity : FIRST_CAPACITY;
	uint8_t *data;

	if (needed > SIZE_MAX / 2)
		return CBOR_ERR_TOO_BIG;
	if (capacity < needed) /* one large string: little is likely to come behind it */
		capacity = needed + FIRST_CAPACITY;
	data = w->has_secret ? sys.malloc(capacity) : sys.realloc(w->data, capacity);
	if (!data)
		return CBOR_ERR_MEMORY;
	if (w->has_secret && w->data) { /* realloc would leave a copy behind */
		memcpy(data, w->data, w->size);
		drop_data(w);
	}
	w->data = data;
	w->capacity = capacity;
	return 0;
}

/* Room for size bytes at the end, which count as written; NULL after an error. */
static uint8_t *extend(struct mitogen_writer *w, size_t size)
{
	size_t used = w->size ? w->size : w->headroom;
	int r = 0;

	if (w->error)
		return NULL;
	if (size > SIZE_MAX - used || (w->limit && size > w->limit - (used - w->headroom)))
		r = CBOR_ERR_TOO_BIG;
	else if (used + size > w->capacity)
		r = grow(w, used + size);
	if (r < 0) {
		fail(w, r);
		return NULL;
	}
	w->size = used + size;
	return w->data + used;
}

/* ---- Levels ---- */

static struct writer_level *level(struct mitogen_writer *w, unsigned i)
{
	return i < WRITER_LEVELS_HERE ? &w->open[i] : &w->open_deeper[i - WRITER_LEVELS_HERE];
}

/* Notes items as written where we are, and what that completes. */
static void count(struct mitogen_writer *w, uint64_t items)
{
	while (w->depth > 0) {
		struct writer_level *top = level(w, w->depth - 1);

		if (top->kind != SIZED_LIST) {
			top->items += items;
			return;
		}
		if (items < top->items) {
			top->items -= items;
			return;
		}
		/* The list is one item of what it is in; what is over comes behind it. */
		items -= top->items - 1;
		w->depth--;
	}
	w->items += items;
}

/* Whether so many levels fit in here; if so, they count as reached. */
static bool descend(struct mitogen_writer *w, unsigned levels)
{
	if (w->error)
		return false;
	if (levels > CBOR_DEPTH_MAX - w->depth) {
		fail(w, CBOR_ERR_NESTING);
		return false;
	}
	if (w->depth + levels > w->deepest)
		w->deepest = w->depth + levels;
	return true;
}

static void push(struct mitogen_writer *w, enum kind kind, size_t head, uint64_t items)
{
	if (w->depth == WRITER_LEVELS_HERE && !w->open_deeper) {
		w->open_deeper =
			sys.malloc((CBOR_DEPTH_MAX - WRITER_LEVELS_HERE) * sizeof(*w->open_deeper));
		if (!w->open_deeper) {
			fail(w, CBOR_ERR_MEMORY);
			return;
		}
	}
	*level(w, w->depth++) = (struct writer_level){kind, head, items};
}

/* ---- Items ---- */

void writer_init(struct mitogen_writer *w, size_t headroom, size_t limit)
{
	*w = (struct mitogen_writer){.headroom = headroom, .limit = limit};
}

void writer_clear(struct mitogen_writer *w)
{
	if (!w)
		return;
	drop_data(w);
	sys.free(w->open_deeper);
	writer_init(w, w->headroom, w->limit);
}

static void write_head(struct mitogen_writer *w, enum head_major major, uint64_t value)
{
	uint8_t *to = extend(w, head_info_size(head_info_of(value)));

	if (to)
		head_write(to, major, value);
}

static void write_number(struct mitogen_writer *w, enum head_major major, uint64_t value)
{
	write_head(w, major, value);
	count(w, 1);
}

static void write_string(struct mitogen_writer *w, enum head_major major, const void *data,
			 size_t size)
{
	size_t head_size = head_info_size(head_info_of(size));
	uint8_t *to;

	if (size > SIZE_MAX - head_size) {
		fail(w, CBOR_ERR_TOO_BIG);
		return;
	}
	to = extend(w, head_size + size);
	if (!to)
		return;
	to = head_write(to, major, size);
	if (size > 0)
		memcpy(to, data, size);
	count(w, 1);
}

void writer_nil(struct mitogen_writer *w)
{
	write_number(w, HEAD_SIMPLE, HEAD_NIL);
}

void writer_bool(struct mitogen_writer *w, bool value)
{
	write_number(w, HEAD_SIMPLE, value ? HEAD_TRUE : HEAD_FALSE);
}

void writer_int(struct mitogen_writer *w, int64_t value)
{
	if (value < 0)
		write_number(w, HEAD_NEGATIVE, ~(uint64_t)value);
	else
		write_number(w, HEAD_UINT, (uint64_t)value);
}

void writer_uint(struct mitogen_writer *w, uint64_t value)
{
	write_number(w, HEAD_UINT, value);
}

void writer_double(struct mitogen_writer *w, double value)
{
	uint64_t bits = double_bits(value);
	uint32_t narrow = DOUBLE_NAN;
	unsigned info = HEAD_64_BITS;
	uint8_t *to;

	if (double_is_nan(bits) || double_narrow(bits, &double_half, &narrow))
		info = HEAD_16_BITS;
	else if (double_narrow(bits, &double_single, &narrow))
		info = HEAD_32_BITS;
	to = extend(w, head_info_size(info));
	if (!to)
		return;
	*to++ = (uint8_t)(HEAD_SIMPLE << 5 | info);
	if (info == HEAD_16_BITS)
		big_endian_store16(to, (uint16_t)narrow);
	else if (info == HEAD_32_BITS)
		big_endian_store32(to, narrow);
	else
		big_endian_store64(to, bits);
	count(w, 1);
}

void writer_text(struct mitogen_writer *w, const char *text, size_t size)
{
	if (w->error)
		return;
	if (!utf8_valid(text, size))
		fail(w, CBOR_ERR_UTF8);
	else
		write_string(w, HEAD_TEXT, text, size);
}

void writer_string(struct mitogen_writer *w, const char *text)
{
	writer_text(w, text, strlen(text));
}

void writer_bytes(struct mitogen_writer *w, const void *data, size_t size)
{
	write_string(w, HEAD_BYTES, data, size);
}

void writer_blob(struct mitogen_writer *w, const void *data, size_t size)
{
	write_head(w, HEAD_TAG, CBOR_TAG_BLOB);
	write_string(w, HEAD_BYTES, data, size);
}

void writer_secret(struct mitogen_writer *w, const void *data, size_t size)
{
	w->has_secret = true;
	write_head(w, HEAD_TAG, CBOR_TAG_SECRET);
	write_string(w, HEAD_BYTES, data, size);
}

void writer_context(struct mitogen_writer *w, uint32_t id)
{
	write_head(w, HEAD_TAG, CBOR_TAG_CONTEXT);
	write_number(w, HEAD_UINT, id);
}

void writer_sender(struct mitogen_writer *w, uint32_t id, uint32_t handle)
{
	if (!descend(w, 1)) /* its list counts */
		return;
	write_head(w, HEAD_TAG, CBOR_TAG_SENDER);
	write_head(w, HEAD_LIST, 2);
	write_head(w, HEAD_UINT, id);
	write_number(w, HEAD_UINT, handle);
}

void writer_call_error_tag(struct mitogen_writer *w)
{
	write_head(w, HEAD_TAG, CBOR_TAG_CALL_ERROR);
}

/* ---- Lists and maps ---- */

/* Leaves one byte for the head, which is what most need. */
static void begin(struct mitogen_writer *w, enum kind kind)
{
	if (!descend(w, 1))
		return;
	if (extend(w, 1))
		push(w, kind, w->size - 1, 0);
}

void writer_begin_list(struct mitogen_writer *w)
{
	begin(w, LIST);
}

void writer_begin_map(struct mitogen_writer *w)
{
	begin(w, MAP);
}

void writer_end(struct mitogen_writer *w)
{
	struct writer_level top = {0};
	uint64_t number;
	size_t content, more;

	if (w->error)
		return;
	if (w->depth > 0)
		top = *level(w, w->depth - 1);
	if (w->depth == 0 || top.kind == SIZED_LIST) {
		fail(w, CBOR_ERR_NESTING);
		return;
	}
	content = w->size - top.head - 1;
	if (top.kind == MAP) {
		int r = pairs_sort(w->data + top.head + 1, content, top.items);

		if (r < 0) {
			fail(w, r);
			return;
		}
	}
	number = top.kind == MAP ? top.items / 2 : top.items;
	more = head_info_size(head_info_of(number)) - 1;
	if (!extend(w, more))
		return;
	if (more > 0)
		memmove(w->data + top.head + 1 + more, w->data + top.head + 1, content);
	head_write(w->data + top.head, top.kind == MAP ? HEAD_MAP : HEAD_LIST, number);
	w->depth--;
	count(w, 1);
}

void writer_list_head(struct mitogen_writer *w, uint64_t items)
{
	if (!descend(w, 1))
		return;
	write_head(w, HEAD_LIST, items);
	if (items == 0)
		count(w, 1);
	else if (!w->error)
		push(w, SIZED_LIST, 0, items);
}

void writer_append(struct mitogen_writer *w, const struct mitogen_writer *items)
{
	size_t size = items->size ? items->size - items->headroom : 0;
	uint8_t *to;

	if (items->error || items->depth > 0)
		fail(w, items->error ? items->error : CBOR_ERR_NESTING);
	if (size == 0 || !descend(w, items->deepest))
		return;
	w->has_secret |= items->has_secret;
	to = extend(w, size);
	if (!to)
		return;
	memcpy(to, items->data + items->headroom, size);
	count(w, items->items);
}

int writer_finish(struct mitogen_writer *w)
{
	if (w->depth > 0)
		fail(w, CBOR_ERR_NESTING);
	return w->error;
}
