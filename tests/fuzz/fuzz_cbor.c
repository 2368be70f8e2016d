/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Check, cursor and writer against each other: what cbor_check takes, cursors can read, and written
 * again it is the same bytes, for canonical encodings are unique. Pairs of maps are written last to
 * first, which the writer has to put right. What cbor_check refuses, cursors must survive.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/cursor.h"
#include "wire/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* How lists are written: begun and ended, with a head, or each item appended from its writer. */
enum way {
	BEGIN,
	HEAD,
	APPEND,
	WAYS
};

static void copy(struct cursor *c, struct mitogen_writer *w, enum way way);

static void copy_list(struct cursor *c, struct mitogen_writer *w, enum way way)
{
	struct mitogen_writer item;
	uint64_t count;

	REQUIRE(cursor_list(c, &count) == 0);
	if (way == HEAD)
		writer_list_head(w, count);
	else
		writer_begin_list(w);
	for (; count > 0; count--) {
		if (way != APPEND) {
			copy(c, w, way);
			continue;
		}
		writer_init(&item, 3, 0);
		copy(c, &item, way);
		writer_append(w, &item);
		writer_clear(&item);
	}
	if (way != HEAD)
		writer_end(w);
}

static void copy_map(struct cursor *c, struct mitogen_writer *w, enum way way)
{
	struct cursor *pairs;
	uint64_t count;

	REQUIRE(cursor_map(c, &count) == 0);
	pairs = malloc((size_t)count * sizeof(*pairs) + 1);
	REQUIRE(pairs);
	for (uint64_t i = 0; i < count; i++) {
		pairs[i] = *c;
		REQUIRE(cursor_type(c) == CBOR_TEXT);
		REQUIRE(cursor_skip(c) == 0);
		REQUIRE(cursor_skip(c) == 0);
	}
	writer_begin_map(w);
	for (uint64_t i = count; i-- > 0;) {
		copy(&pairs[i], w, way);
		copy(&pairs[i], w, way);
	}
	writer_end(w);
	free(pairs);
}

static void copy_int(struct cursor *c, struct mitogen_writer *w)
{
	bool negative;
	uint64_t magnitude;
	int64_t value;

	if (cursor_i64(c, &value) == 0) {
		writer_int(w, value);
		return;
	}
	REQUIRE(cursor_int(c, &negative, &magnitude) == 0);
	if (!negative) {
		writer_uint(w, magnitude);
		return;
	}
	/* CBOR has integers that no C type has, and no writer. They are read as magnitudes. */
	REQUIRE(magnitude > INT64_MAX);
	w->error = CBOR_ERR_TYPE;
}

static void copy_string(struct cursor *c, struct mitogen_writer *w, enum cbor_type type)
{
	const uint8_t *data;
	size_t size;

	REQUIRE(cursor_string(c, type, &data, &size) == 0);
	if (type == CBOR_TEXT)
		writer_text(w, (const char *)data, size);
	else if (type == CBOR_BYTES)
		writer_bytes(w, data, size);
	else if (type == CBOR_BLOB)
		writer_blob(w, data, size);
	else
		writer_secret(w, data, size);
}

static void copy_scalar(struct cursor *c, struct mitogen_writer *w, enum cbor_type type)
{
	uint32_t id, handle;
	bool boolean;
	double real;

	switch (type) {
	case CBOR_NIL:
		REQUIRE(cursor_nil(c) == 0);
		writer_nil(w);
		break;
	case CBOR_BOOL:
		REQUIRE(cursor_bool(c, &boolean) == 0);
		writer_bool(w, boolean);
		break;
	case CBOR_INT:
		copy_int(c, w);
		break;
	case CBOR_DOUBLE:
		REQUIRE(cursor_double(c, &real) == 0);
		writer_double(w, real);
		break;
	case CBOR_CONTEXT:
		REQUIRE(cursor_context(c, &id) == 0);
		writer_context(w, id);
		break;
	case CBOR_SENDER:
		REQUIRE(cursor_sender(c, &id, &handle) == 0);
		writer_sender(w, id, handle);
		break;
	default:
		copy_string(c, w, type);
	}
}

/* Recursion is bounded: what is checked is at most CBOR_DEPTH_MAX deep. */
static void copy(struct cursor *c, struct mitogen_writer *w, enum way way)
{
	enum cbor_type type = cursor_type(c);
	struct cursor skipped = *c;

	REQUIRE(type != CBOR_NONE);
	REQUIRE(cursor_skip(&skipped) == 0);
	if (type == CBOR_CALL_ERROR) {
		REQUIRE(cursor_call_error_tag(c) == 0);
		writer_call_error_tag(w);
		type = CBOR_LIST;
		if (way == APPEND)
			way = HEAD; /* the tag and its list stay together */
	}
	if (type == CBOR_LIST)
		copy_list(c, w, way);
	else if (type == CBOR_MAP)
		copy_map(c, w, way);
	else
		copy_scalar(c, w, type);
	REQUIRE(c->at == skipped.at);
}

static void rewrite(const uint8_t *data, size_t size)
{
	for (enum way way = BEGIN; way < WAYS; way++) {
		struct cursor c = {data, data + size};
		struct mitogen_writer w;

		writer_init(&w, (size_t)way * 28, size);
		copy(&c, &w, way);
		REQUIRE(c.at == c.end);
		if (w.error != CBOR_ERR_TYPE) {
			REQUIRE(writer_finish(&w) == 0);
			REQUIRE(w.items == 1);
			REQUIRE(w.size - w.headroom == size);
			REQUIRE(memcmp(w.data + w.headroom, data, size) == 0);
		}
		writer_clear(&w);
	}
}

static bool consumed_or_failed(const struct cursor *before, const struct cursor *after, int r)
{
	REQUIRE(r <= 0 && after->end == before->end);
	if (r < 0)
		REQUIRE(after->at == before->at);
	else
		REQUIRE(after->at > before->at && after->at <= after->end);
	return r == 0;
}

/* All getters at one place: each consumes or fails without a trace. */
static void probe(struct cursor at)
{
	enum cbor_type type = cursor_type(&at);
	unsigned consumers = 0;
	const uint8_t *string;
	uint32_t u32[2];
	uint64_t u64;
	size_t size;
	double real;
	bool boolean;

#define PROBE(call)                                                                                \
	do {                                                                                       \
		struct cursor c = at;                                                              \
		int r = (call);                                                                    \
                                                                                                   \
		consumers += consumed_or_failed(&at, &c, r);                                       \
	} while (0)
	PROBE(cursor_nil(&c));
	PROBE(cursor_bool(&c, &boolean));
	PROBE(cursor_int(&c, &boolean, &u64));
	PROBE(cursor_double(&c, &real));
	PROBE(cursor_context(&c, &u32[0]));
	PROBE(cursor_sender(&c, &u32[0], &u32[1]));
	PROBE(cursor_call_error_tag(&c));
	PROBE(cursor_list(&c, &u64));
	PROBE(cursor_map(&c, &u64));
	for (enum cbor_type t = CBOR_NONE; t <= CBOR_CALL_ERROR; t++)
		PROBE(cursor_string(&c, t, &string, &size));
	REQUIRE(consumers <= 1 && (consumers == 0 || type != CBOR_NONE)); /* an item has one type */
	PROBE(cursor_u32(&c, &u32[0]));
	PROBE(cursor_u64(&c, &u64));
	PROBE(cursor_i64(&c, (int64_t *)&u64));
	PROBE(cursor_skip(&c));
#undef PROBE
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int r = cbor_check(data, size);

	REQUIRE(cbor_error_text(r)[0]);
	REQUIRE(r <= 0);
	if (r == 0) {
		struct cursor whole = {data, data + size};

		rewrite(data, size);
		REQUIRE(cursor_skip(&whole) == 0 && whole.at == whole.end);
		REQUIRE(cbor_check(data, size - 1) == CBOR_ERR_TRUNCATED);
	}
	for (size_t i = 0; i < size && i < 64; i++)
		probe((struct cursor){data + i, data + size});
	return 0;
}
