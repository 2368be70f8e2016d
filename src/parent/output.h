/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a child and its tool print: quoted in the error if the connection fails, after that forwarded
 * to the log line by line. A long line comes in pieces; while the log has no room, the pipe is not
 * read, so that who prints waits. Broker thread.
 */
#pragma once

#include <stddef.h>

#include "core/broker.h"
#include "core/forward_log.h"

#define OUTPUT_LINE_MAX 2048

struct output_lines;
struct router;

struct output {
	struct router *router;
	struct source pipe;  /* .fd is ours; -1: closed */
	uint32_t context_id; /* whose lines are forwarded; 0: they are kept for output_quote */
	struct output_lines *lines; /* while there is something to keep */
	struct forward_log_waiter waiter;
	/* Called before a read as long as lines are kept: what was sent before the bytes that are
	 * there may end that, or close the output. May be NULL. */
	void (*before_read)(struct output *output);
	/* Bytes that came through the pipe, as long as lines are kept. May be NULL. */
	void (*heard)(struct output *output, const char *data, size_t size);
	/* Takes a whole line, which then is neither kept nor forwarded, or not. May be NULL. */
	bool (*take)(struct output *output, const char *line, size_t size);
};

void output_init(struct output *output, struct router *router);
/* Reads from fd, which it takes over, until its end. 0, or -1 with errno; then fd is closed. */
int output_open(struct output *output, int fd);
/* Bytes that came another way. */
void output_add(struct output *output, const char *data, size_t size);
/* What came last, and is not a whole line yet, is of no interest. */
void output_forget_line(struct output *output);
/* From now on lines are forwarded, as this context's. */
void output_forward(struct output *output, uint32_t context_id);
/* Reads what is there already, up to a limit, room or not: its writer is dead, or will be. Where lines are
 * kept, an incomplete one counts as one. */
void output_drain(struct output *output);
/* An incomplete last line counts as one. Keeps what output_quote needs. */
void output_close(struct output *output);
void output_clear(struct output *output);
/* "; it printed: a | b", or "". Returns out. */
const char *output_quote(const struct output *output, char *out, size_t size);
