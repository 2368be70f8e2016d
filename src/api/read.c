/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of messages into C variables. */
#include <math.h>
#include <mitogen/mitogen.h>
#include <string.h>

#include "api/handle.h"
#include "base/error.h"
#include "base/sys.h"
#include "core/context.h"
#include "core/dispatch.h"
#include "core/message.h"
#include "core/router.h"
#include "wire/cursor.h"

#define VALUES_MAX 16

/* ---- One value ---- */

static const char *type_name(enum cbor_type type)
{
	static const char *const names[] = {
		"nothing", "nil",   "a bool",    "an integer", "a double", "text",     "bytes",
		"a list",  "a map", "a context", "a sender",   "a blob",   "a secret", "an error"};

	return names[type];
}

static int fail_type(enum cbor_type type, const char *wanted, mitogen_error *err)
{
	return error_set(err, MITOGEN_ERR_TYPE, "%s came where %s was expected", type_name(type),
			 wanted);
}

static int fail_range(mitogen_error *err)
{
	return error_set(err, MITOGEN_ERR_TYPE, "an integer came that the variable cannot hold");
}

static int read_bool(struct cursor *c, bool *ret, mitogen_error *err)
{
	bool negative;
	uint64_t magnitude;

	if (cursor_bool(c, ret) == 0)
		return 0;
	if (cursor_type(c) != CBOR_INT)
		return fail_type(cursor_type(c), "a bool", err);
	if (cursor_int(c, &negative, &magnitude) < 0 || negative || magnitude > 1)
		return fail_range(err);
	*ret = magnitude;
	return 0;
}

/* Whatever the size: two's complement, the lower bytes. */
static void store_integer(const mitogen_out *out, uint64_t bits)
{
	uint8_t u8 = (uint8_t)bits;
	uint16_t u16 = (uint16_t)bits;
	uint32_t u32 = (uint32_t)bits;
	const void *from = out->size == 1   ? (const void *)&u8
			   : out->size == 2 ? (const void *)&u16
			   : out->size == 4 ? (const void *)&u32
					    : (const void *)&bits;

	memcpy(out->to, from, out->size);
}

static int read_integer(struct cursor *c, const mitogen_out *out, mitogen_error *err)
{
	bool is_signed = out->type == MITOGEN_OUT_INT, negative;
	uint64_t magnitude, limit = UINT64_MAX;

	if (out->size != 1 && out->size != 2 && out->size != 4 && out->size != 8)
		return error_set(err, MITOGEN_ERR_USAGE, "an integer of %u bytes", out->size);
	limit >>= 64 - 8 * out->size;
	if (is_signed)
		limit >>= 1;
	if (cursor_bool(c, &negative) == 0) {
		store_integer(out, negative); /* C has no other numbers for false and true */
		return 0;
	}
	if (cursor_int(c, &negative, &magnitude) < 0)
		return fail_type(cursor_type(c), "an integer", err);
	if (magnitude > limit || (negative && !is_signed))
		return fail_range(err);
	store_integer(out, negative ? ~magnitude : magnitude); /* -1 - magnitude */
	return 0;
}

/* -1 - magnitude if negative. False: no double is that number. */
static bool double_of_integer(bool negative, uint64_t magnitude, double *ret)
{
	uint64_t size = negative ? magnitude + 1 : magnitude;
	double value = negative && size == 0 ? 0x1p64 : (double)size; /* 0: it has wrapped */

	if (value < 0x1p64 ? (uint64_t)value != size : size != 0)
		return false;
	*ret = negative ? -value : value;
	return true;
}

/* Doubles are rounded to a float, integers must fit. */
static int read_double(struct cursor *c, const mitogen_out *out, mitogen_error *err)
{
	double value;
	bool negative, is_exact = false;
	uint64_t magnitude;
	float single;

	if (cursor_double(c, &value) < 0) {
		if (cursor_int(c, &negative, &magnitude) < 0)
			return fail_type(cursor_type(c), "a double", err);
		if (!double_of_integer(negative, magnitude, &value))
			return fail_range(err);
		is_exact = true;
	}
	if (out->type == MITOGEN_OUT_DOUBLE) {
		memcpy(out->to, &value, sizeof(value));
		return 0;
	}
	single = (float)value;
	if (is_exact && (double)single != value)
		return fail_range(err);
	if (isfinite(value) && !isfinite(single))
		return error_set(err, MITOGEN_ERR_TYPE, "a double came that no float can hold");
	memcpy(out->to, &single, sizeof(single));
	return 0;
}

static int read_bytes(struct cursor *c, mitogen_bytes *ret, mitogen_error *err)
{
	enum cbor_type type = cursor_type(c);
	const uint8_t *data;

	if ((type != CBOR_TEXT && type != CBOR_BYTES && type != CBOR_BLOB) ||
	    cursor_string(c, type, &data, &ret->size) < 0)
		return fail_type(type, "text or bytes", err);
	ret->data = data;
	return 0;
}

static int read_string(struct mitogen_message *m, struct cursor *c, const mitogen_out *out,
		       mitogen_error *err)
{
	mitogen_bytes bytes = {NULL, 0};
	const char *lent;
	char *copy;
	int r = read_bytes(c, &bytes, err);

	if (r < 0)
		return r;
	if (bytes.size > 0 && memchr(bytes.data, '\0', bytes.size))
		return error_set(err, MITOGEN_ERR_TYPE,
				 "bytes with a NUL came where a string was expected");
	if (out->type == MITOGEN_OUT_STRING) {
		lent = message_lend_string(m, bytes.data, bytes.size, false);
		if (!lent)
			return error_set_memory(err);
		*(const char **)out->to = lent;
		return 0;
	}
	copy = sys.malloc(bytes.size + 1);
	if (!copy)
		return error_set_memory(err);
	if (bytes.size > 0)
		memcpy(copy, bytes.data, bytes.size);
	copy[bytes.size] = '\0';
	*(char **)out->to = copy;
	return 0;
}

static int read_secret(struct mitogen_message *m, struct cursor *c, mitogen_secret *ret,
		       mitogen_error *err)
{
	const uint8_t *data;
	size_t size;
	const char *lent;

	if (cursor_string(c, CBOR_SECRET, &data, &size) < 0)
		return fail_type(cursor_type(c), "a secret", err);
	m->is_secret = true; /* if it was not sent as one */
	lent = message_lend_string(m, data, size, true);
	if (!lent)
		return error_set_memory(err);
	*ret = (mitogen_secret){lent, size};
	return 0;
}

static int read_context(struct mitogen_message *m, struct cursor *c, mitogen_context *ret,
			mitogen_error *err)
{
	struct api_router *api;
	uint32_t id;
	int r = 0;

	if (cursor_context(c, &id) < 0)
		return fail_type(cursor_type(c), "a context", err);
	api = api_lock(m->router_ref, err, &r);
	if (!api)
		return r;
	*ret = api_context_handle(api->router, context_of_id(api->router, id));
	api_unlock(api);
	return 0;
}

static int read_sender(struct mitogen_message *m, struct cursor *c, mitogen_sender *ret,
		       mitogen_error *err)
{
	struct api_router *api;
	uint32_t id, handle;
	int r = 0;

	if (cursor_sender(c, &id, &handle) < 0)
		return fail_type(cursor_type(c), "a sender", err);
	api = api_lock(m->router_ref, err, &r);
	if (!api)
		return r;
	*ret = (mitogen_sender){.router = m->router_ref, .context = id, .handle = handle};
	api_unlock(api);
	return 0;
}

/* A cursor at the item, which is not entered: .left counts what follows for mitogen_next. */
static int read_cursor(struct mitogen_message *m, struct cursor *c, mitogen_cursor *ret)
{
	struct cursor item = *c, inside;
	uint64_t count = 0;

	cursor_skip(c);
	inside = item;
	*ret = (mitogen_cursor){.message = m, .at = item.at, .end = c->at};
	if (cursor_type(&item) == CBOR_LIST)
		cursor_list(&inside, &count);
	else if (cursor_type(&item) == CBOR_MAP)
		cursor_map(&inside, &count);
	ret->left = count;
	ret->reserved = (uint64_t)(inside.at - item.at); /* where mitogen_next goes on */
	return 0;
}

static int read_one(struct mitogen_message *m, struct cursor *c, const mitogen_out *out,
		    mitogen_error *err)
{
	if (cursor_type(c) == CBOR_NIL && out->type != MITOGEN_OUT_CURSOR) {
		if (out->type != MITOGEN_OUT_NONE)
			memset(out->to, 0, out->size);
		return cursor_nil(c);
	}
	switch (out->type) {
	case MITOGEN_OUT_BOOL:
		return read_bool(c, out->to, err);
	case MITOGEN_OUT_INT:
	case MITOGEN_OUT_UINT:
		return read_integer(c, out, err);
	case MITOGEN_OUT_FLOAT:
	case MITOGEN_OUT_DOUBLE:
		return read_double(c, out, err);
	case MITOGEN_OUT_STRING:
	case MITOGEN_OUT_DUP:
		return read_string(m, c, out, err);
	case MITOGEN_OUT_BYTES:
		return read_bytes(c, out->to, err);
	case MITOGEN_OUT_SECRET:
		return read_secret(m, c, out->to, err);
	case MITOGEN_OUT_CONTEXT:
		return read_context(m, c, out->to, err);
	case MITOGEN_OUT_SENDER:
		return read_sender(m, c, out->to, err);
	case MITOGEN_OUT_CURSOR:
		return read_cursor(m, c, out->to);
	case MITOGEN_OUT_NONE:
	case MITOGEN_OUT_MESSAGE:
		break;
	}
	return error_set(err, MITOGEN_ERR_USAGE,
			 "a variable of a type that this library does not know");
}

/* ---- Several, all or none ---- */

union slot { /* where a value waits until the others have fitted too */
	uint64_t integer;
	double real;
	void *pointer;
	mitogen_bytes bytes;
	mitogen_secret secret;
	mitogen_context context;
	mitogen_sender sender;
	mitogen_cursor cursor;
};

static void drop(const mitogen_out *outs, union slot *slots, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (outs[i].type == MITOGEN_OUT_DUP)
			sys.free(slots[i].pointer);
}

/* Reads count values at c, of which `there` are there and the others are nil. */
static int read_all(struct mitogen_message *m, struct cursor *c, uint64_t there,
		    const mitogen_out *outs, size_t count, mitogen_error *err)
{
	union slot slots[VALUES_MAX];

	if (count > VALUES_MAX)
		return error_set(err, MITOGEN_ERR_USAGE, "too many variables at once");
	memset(slots, 0, sizeof(slots[0]) * count);
	for (size_t i = 0; i < count && i < there; i++) {
		mitogen_out out = {outs[i].type, outs[i].size, &slots[i]};
		int r;

		if (out.size > sizeof(slots[i]))
			return error_set(err, MITOGEN_ERR_USAGE, "a variable of an unknown size");
		r = read_one(m, c, &out, err);
		if (r < 0) {
			drop(outs, slots, i);
			return count > 1 ? error_prefix(err, "value %zu: ", i + 1), r : r;
		}
	}
	for (size_t i = 0; i < count; i++)
		memcpy(outs[i].to, &slots[i], outs[i].size);
	return 0;
}

/* One variable takes the value at c, several take a list of as many. */
static int read_value(struct mitogen_message *m, struct cursor c, const mitogen_out *outs,
		      size_t count, mitogen_error *err)
{
	uint64_t there = 1;

	if (count == 0)
		return 0; /* it is no failure, and that is what was asked */
	if (count != 1 && cursor_list(&c, &there) < 0)
		return fail_type(cursor_type(&c), "a list", err);
	if (there != count)
		return error_set(err, MITOGEN_ERR_TYPE,
				 "a list of %llu came where one of %zu was expected",
				 (unsigned long long)there, count);
	return read_all(m, &c, there, outs, count, err);
}

/* The bytes of a stream are no CBOR. */
static int read_raw(struct mitogen_message *m, const mitogen_out *outs, size_t count,
		    mitogen_error *err)
{
	mitogen_bytes *ret;

	if (count != 1 || outs[0].type != MITOGEN_OUT_BYTES)
		return error_set(err, MITOGEN_ERR_TYPE,
				 "bytes came: read them into a mitogen_bytes");
	ret = outs[0].to;
	*ret = (mitogen_bytes){m->payload, m->size};
	return 0;
}

static int read_arguments(struct mitogen_message *m, const mitogen_out *outs, size_t count,
			  mitogen_error *err)
{
	struct cursor c = dispatch_arguments(m);
	uint64_t there = 0;

	cursor_list(&c, &there);
	if (there > count)
		return error_set(err, MITOGEN_ERR_TYPE, "%llu arguments came, %zu are read",
				 (unsigned long long)there, count);
	return read_all(m, &c, there, outs, count, err);
}

int mitogen_read_with(mitogen_message *m, mitogen_error *err, const mitogen_out *outs, size_t count)
{
	if (!m)
		return api_fail_none(err, "message");
	if (message_failure(m)) {
		if (err)
			*err = *message_failure(m);
		return message_failure(m)->code;
	}
	if (m->header.kind == FRAME_RAW)
		return read_raw(m, outs, count, err);
	if (m->function)
		return read_arguments(m, outs, count, err);
	return read_value(m, (struct cursor){m->payload, m->payload + m->size}, outs, count, err);
}

/* ---- Cursors ---- */

int mitogen_read_cursor_with(const mitogen_cursor *cursor, mitogen_error *err,
			     const mitogen_out *outs, size_t count)
{
	if (!cursor->message)
		return error_set(err, MITOGEN_ERR_TYPE, "nil came where a value was expected");
	return read_value(cursor->message, (struct cursor){cursor->at, cursor->end}, outs, count,
			  err);
}

int mitogen_next_with(mitogen_cursor *cursor, mitogen_error *err, const mitogen_out *outs,
		      size_t count)
{
	struct cursor c = {cursor->at + cursor->reserved, cursor->end};
	enum cbor_type type;
	uint64_t step;
	int r;

	if (!cursor->message || cursor->left == 0)
		return 0;
	c.at = cursor->at;
	type = cursor_type(&c);
	c.at = cursor->at + cursor->reserved;
	step = type == CBOR_MAP ? 1 : count;
	if (count == 0 || (type == CBOR_MAP && count != 2))
		return error_set(err, MITOGEN_ERR_USAGE, "%s",
				 count ? "a map is read by key and value" : "nothing is read");
	if (step > cursor->left)
		return error_set(err, MITOGEN_ERR_TYPE, "%zu items are asked for, %llu are left",
				 count, (unsigned long long)cursor->left);
	r = read_all(cursor->message, &c, count, outs, count, err);
	if (r < 0)
		return r;
	cursor->reserved = (uint64_t)(c.at - cursor->at);
	cursor->left -= step;
	return 1;
}

int mitogen_find_with(const mitogen_cursor *cursor, const char *key, mitogen_error *err,
		      mitogen_out out)
{
	struct cursor c = {cursor->at, cursor->end};
	size_t length = strlen(key);
	uint64_t pairs;
	int r;

	if (!cursor->message || cursor_map(&c, &pairs) < 0)
		return error_set(err, MITOGEN_ERR_TYPE, "%s came where a map was expected",
				 cursor->message ? type_name(cursor_type(&c)) : "nil");
	while (pairs-- > 0) {
		const uint8_t *name;
		size_t size;

		cursor_string(&c, CBOR_TEXT, &name, &size);
		if (size != length || memcmp(name, key, size) != 0) {
			cursor_skip(&c);
			continue;
		}
		r = read_all(cursor->message, &c, 1, &out, 1, err);
		return r < 0 ? error_prefix(err, "%s: ", key), r : 1;
	}
	return 0;
}

mitogen_type mitogen_cursor_type(const mitogen_cursor *cursor)
{
	struct cursor c = {cursor->at, cursor->end};
	enum cbor_type type = cursor->message ? cursor_type(&c) : CBOR_NIL;

	/* both lists have the same order; an error nested in a value has no public type */
	return type == CBOR_NONE || type == CBOR_CALL_ERROR ? (mitogen_type)0
							    : (mitogen_type)(1 << (type - 1));
}

size_t mitogen_cursor_count(const mitogen_cursor *cursor)
{
	struct cursor c = {cursor->at, cursor->end};
	uint64_t count = 0;

	if (cursor->message && cursor_list(&c, &count) < 0)
		cursor_map(&c, &count);
	return (size_t)count;
}
