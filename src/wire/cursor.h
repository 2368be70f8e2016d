/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads CBOR from a bounded buffer without allocating. Getters consume the item or fail: on failure
 * they return an enum cbor_error, leave the cursor where it was and write no output.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/cbor.h"

struct cursor {
	const uint8_t *at, *end;
};

/* Checks that data is exactly one item of our CBOR, all of it, as cbor.h says. Everything that
 * arrives passes here once, before any cursor. 0 or an enum cbor_error. Time is linear, stack
 * bounded. */
int cbor_check(const uint8_t *data, size_t size);
/* The same, and the contexts that it names must pass may_name(owner, ID); NULL: all do. */
int cbor_check_names(const uint8_t *data, size_t size,
		     bool (*may_name)(const void *owner, uint32_t id), const void *owner);

enum cbor_type cursor_type(const struct cursor *c); /* CBOR_NONE at the end or on malformed bytes */
int cursor_nil(struct cursor *c);
int cursor_bool(struct cursor *c, bool *ret);
/* The value is *ret_magnitude, or -1 - *ret_magnitude if *ret_negative. */
int cursor_int(struct cursor *c, bool *ret_negative, uint64_t *ret_magnitude);
int cursor_u32(struct cursor *c, uint32_t *ret); /* CBOR_ERR_TYPE too where it does not fit */
int cursor_u64(struct cursor *c, uint64_t *ret);
int cursor_i64(struct cursor *c, int64_t *ret);
int cursor_double(struct cursor *c, double *ret); /* an item of type double alone */
/* Text, bytes, blob or secret, as cursor_type told; lent by the buffer. */
int cursor_string(struct cursor *c, enum cbor_type type, const uint8_t **ret_data,
		  size_t *ret_size);
int cursor_context(struct cursor *c, uint32_t *ret_id);
int cursor_sender(struct cursor *c, uint32_t *ret_id, uint32_t *ret_handle);
int cursor_call_error_tag(struct cursor *c); /* then the list */
/* Enters: the items follow; a map's count is of pairs. */
int cursor_list(struct cursor *c, uint64_t *ret_count);
int cursor_map(struct cursor *c, uint64_t *ret_count);
int cursor_skip(struct cursor *c); /* one item, whole */
