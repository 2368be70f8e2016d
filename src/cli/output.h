/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes to our stdout and stderr. Each is written at its own pace and in the order of adding; if
 * they are one file, they are written as one. Output of programs stays in its messages until it is
 * written, so that a program waits for who reads its stream, and for nobody else.
 */
#pragma once

#include <mitogen/mitogen.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/lines.h"
#include "cli/say.h"
#include "cli/standard.h"

enum output_stream {
	OUTPUT_STDOUT,
	OUTPUT_STDERR,
	OUTPUT_STREAMS,
};

struct output_queue {
	struct standard to;
	struct piece *first, **end;
	const char *data; /* of the first piece, when its writing has begun; otherwise NULL */
	size_t size, written;
	char *text; /* which the data is, if it is a copy */
};

struct output {
	struct output_queue queues[OUTPUT_STREAMS];
	bool is_one_file; /* stderr goes through the queue of stdout */
};

void output_init(struct output *output);
void output_clear(struct output *output);
/* Bytes that m lends; cut anywhere when they are written. */
void output_add(struct output *output, enum output_stream stream, mitogen_message *m,
		mitogen_bytes bytes);
/* The same, line by line with a prefix, as lines.h says: a line that a pipe can take whole is not
 * cut. One line is kept for each stream of a program; it and prefix have to outlive the output. */
void output_add_lines(struct output *output, enum output_stream stream, mitogen_message *m,
		      mitogen_bytes bytes, struct line *line, const char *prefix);
/* The end of such a stream. */
void output_end_lines(struct output *output, enum output_stream stream, struct line *line,
		      const char *prefix);
/* A line of our own to stderr. */
void output_say(struct output *output, const char *format, ...) SAY_PRINTF(2, 3);
bool output_is_empty(const struct output *output);
/* What to poll: stdout and stderr, with an fd of -1 where there is nothing to write. */
void output_poll(const struct output *output, struct pollfd fds[OUTPUT_STREAMS]);
/* After that: writes where something can be written, once. 0, or -1 with errno and the stream in
 * *ret_stream. */
int output_write(struct output *output, const struct pollfd fds[OUTPUT_STREAMS],
		 enum output_stream *ret_stream);
