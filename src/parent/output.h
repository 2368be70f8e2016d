/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a child and its tool print: quoted in the error if the connection fails, after that logged
 * line by line with the context's name. Lines are cut, never waited for without bound. Broker
 * thread.
 */
#pragma once

#include <stddef.h>

#include "core/broker.h"

#define OUTPUT_LINE_MAX 2048

struct output_lines;

struct output {
	struct broker *broker;
	struct source pipe;         /* .fd is ours; -1: closed */
	const char *name;           /* whose lines to log; NULL: they are kept for output_quote */
	struct output_lines *lines; /* while there is something to keep */
	/* Called before a read as long as there is no name: what was sent before the bytes that are
	 * there may give it one, or close the output. May be NULL. */
	void (*before_read)(struct output *output);
};

void output_init(struct output *output, struct broker *broker);
/* Reads from fd, which it takes over, until its end. 0, or -1 with errno; then fd is closed. */
int output_open(struct output *output, int fd);
/* Bytes that came another way. */
void output_add(struct output *output, const char *data, size_t size);
/* From now on lines are logged. name must stay valid. */
void output_set_name(struct output *output, const char *name);
/* Reads what is there already, up to a limit: its writer is dead. */
void output_drain(struct output *output);
/* An incomplete last line counts as one. Keeps what output_quote needs. */
void output_close(struct output *output);
void output_clear(struct output *output);
/* "; it printed: a | b", or "". Returns out. */
const char *output_quote(const struct output *output, char *out, size_t size);
