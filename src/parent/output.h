/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a child and its tool print: quoted in the error if the connection fails, after that logged
 * line by line with the context's name. Lines are cut, never waited for without bound.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define OUTPUT_LINE_MAX 2048

struct output {
	char line[OUTPUT_LINE_MAX]; /* an incomplete one */
	size_t line_size;
	bool line_is_cut;           /* its rest is skipped */
	char tail[OUTPUT_LINE_MAX]; /* the last that was printed while connecting; escaped */
	size_t tail_size;
};

/* context: whose lines to log; NULL: keep them for output_quote. */
void output_add(struct output *output, const char *context, const char *data, size_t size);
/* An incomplete last line counts as one. */
void output_end(struct output *output, const char *context);
/* "; it printed: a | b", or "". Returns out. */
const char *output_quote(const struct output *output, char *out, size_t size);
