/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of CBOR (RFC 8949) that travels: definite lengths, shortest integers, doubles of 64 bits
 * (in the shortest of 16, 32, 64 bits that keeps the value), checked UTF-8, maps with text keys in
 * the bytewise order of their encodings (RFC 8949, 4.2.1) without duplicates, false, true, null,
 * and the tags below. Depth at most CBOR_DEPTH_MAX.
 */
#pragma once

#include <stdint.h>

#define CBOR_DEPTH_MAX 64

enum cbor_type {   /* what an item is; tags are seen as types */
	CBOR_NONE, /* at the end */
	CBOR_NIL,
	CBOR_BOOL,
	CBOR_INT,
	CBOR_DOUBLE,
	CBOR_TEXT,
	CBOR_BYTES,
	CBOR_LIST,
	CBOR_MAP,
	CBOR_CONTEXT,    /* tag, then uint: the context ID */
	CBOR_SENDER,     /* tag, then [context ID, handle] */
	CBOR_BLOB,       /* tag, then bytes */
	CBOR_SECRET,     /* tag, then bytes */
	CBOR_CALL_ERROR, /* tag, then [code, sys, type, where, text] */
};

/* Private tags: "MI" and a number, from the first-come-first-served range. */
#define CBOR_TAG_CONTEXT    0x4d490001u
#define CBOR_TAG_SENDER     0x4d490002u
#define CBOR_TAG_BLOB       0x4d490003u
#define CBOR_TAG_SECRET     0x4d490004u
#define CBOR_TAG_CALL_ERROR 0x4d490005u

enum cbor_error { /* what a writer or cursor refuses; negative */
	CBOR_ERR_MEMORY = -1,
	CBOR_ERR_UTF8 = -2,
	CBOR_ERR_NESTING = -3, /* too deep, an end without a begin, something left open */
	CBOR_ERR_KEY = -4,     /* a key that is not text, out of order or there twice */
	CBOR_ERR_TOO_BIG = -5,
	CBOR_ERR_TRUNCATED = -6,
	CBOR_ERR_MALFORMED =
		-7, /* what this subset does not have: long form, indefinite, unknown tag */
	CBOR_ERR_TRAILING = -8, /* bytes behind the item */
	CBOR_ERR_TYPE = -9,     /* another type than asked for */
	CBOR_ERR_NAME = -10,    /* a context that may not be named there */
};

const char *cbor_error_text(int error);
