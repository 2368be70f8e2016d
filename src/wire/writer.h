/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes CBOR into a growing buffer. The first error stays and is what finish returns; later calls
 * do nothing. Lists and maps are begun and ended; their counts are filled in at the end, the pairs
 * of maps are sorted there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WRITER_LEVELS_HERE 4 /* levels that need no memory of their own */

/* Private to writer.c: a list or map that is not complete. */
struct writer_level {
	int kind;
	size_t head;    /* where its head starts */
	uint64_t items; /* in it; of a list whose number was told, still missing */
};

/* Public as an opaque type. Zeroed but for headroom and limit is a valid empty writer. */
struct mitogen_writer {
	uint8_t *data;   /* headroom bytes, then what is written */
	size_t headroom; /* left free at the start for the owner of the buffer; set before writing */
	size_t size;     /* headroom included, once something is written */
	size_t capacity;
	size_t limit;    /* of what is written, without headroom; 0: none */
	int error;       /* enum cbor_error */
	bool has_secret; /* wiped before its memory is given back */
	uint64_t items;  /* written at top level */
	unsigned depth;  /* what is open now */
	unsigned deepest;
	struct writer_level open[WRITER_LEVELS_HERE];
	struct writer_level *open_deeper; /* from WRITER_LEVELS_HERE on; NULL until needed */
};

void writer_init(struct mitogen_writer *w, size_t headroom, size_t limit);
void writer_clear(struct mitogen_writer *w); /* frees; takes NULL and half-built ones */

void writer_nil(struct mitogen_writer *w);
void writer_bool(struct mitogen_writer *w, bool value);
void writer_int(struct mitogen_writer *w, int64_t value);
void writer_uint(struct mitogen_writer *w, uint64_t value);
void writer_double(struct mitogen_writer *w, double value);
void writer_text(struct mitogen_writer *w, const char *text, size_t size); /* checks UTF-8 */
void writer_string(struct mitogen_writer *w, const char *text); /* the same, up to its NUL */
void writer_bytes(struct mitogen_writer *w, const void *data, size_t size);
void writer_blob(struct mitogen_writer *w, const void *data, size_t size);
void writer_secret(struct mitogen_writer *w, const void *data,
		   size_t size); /* sets w->has_secret */
void writer_context(struct mitogen_writer *w, uint32_t id);
void writer_sender(struct mitogen_writer *w, uint32_t id, uint32_t handle);
/* The tag alone; the caller writes the list [code, sys, type, where, text] next. */
void writer_call_error_tag(struct mitogen_writer *w);
void writer_begin_list(struct mitogen_writer *w);
void writer_begin_map(struct mitogen_writer *w);
void writer_end(struct mitogen_writer *w);
/* The head of a list whose items follow without an end, when their number is known. For the hot
 * path. It is open until they are written. */
void writer_list_head(struct mitogen_writer *w, uint64_t count);
/* Items that another writer holds; takes over its error; what is open there is an error. */
void writer_append(struct mitogen_writer *w, const struct mitogen_writer *items);

/* 0, or the first error; something left open is one. The data stays the writer's. */
int writer_finish(struct mitogen_writer *w);
