/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes to our stdout and stderr, in order and one piece at a time: as long as a piece is not
 * written, no more output is taken from the programs, and they have to wait.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/say.h"
#include "cli/standard.h"

struct output {
	struct standard streams[2]; /* stdout, stderr */
	struct piece *first, *last; /* to be written */
};

enum output_stream {
	OUTPUT_STDOUT,
	OUTPUT_STDERR,
};

void output_init(struct output *output);
void output_clear(struct output *output);
/* A copy of data, cut anywhere when it is written. */
void output_add(struct output *output, enum output_stream stream, const void *data, size_t size);
/* Takes data, which are lines: one that a pipe can take whole is not cut. */
void output_add_lines(struct output *output, enum output_stream stream, char *data, size_t size);
/* A line of our own to stderr. */
void output_say(struct output *output, const char *format, ...) SAY_PRINTF(2, 3);
/* The descriptor to poll for writing, or -1 if everything is written. */
int output_fd(const struct output *output);
/* When that is writable: writes what it takes. 0, or -1 with errno and the stream in *ret_stream. */
int output_write(struct output *output, enum output_stream *ret_stream);
