/* SPDX-License-Identifier: BSD-3-Clause */
/* Our stdin, which goes to the programs of all jobs, at the pace of the slowest. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/standard.h"

struct job;
struct output;

enum input_state {     /* of a program */
	INPUT_NONE,    /* it reads no more */
	INPUT_BLOCKED, /* until it has started, or has room again */
	INPUT_OPEN,
	INPUT_STATES,
};

struct input {
	struct standard from; /* .fd is -1 when nothing is to be read any more */
	bool has_failed;      /* it could not be read to its end */
	bool has_ended;
	char *data; /* what is being sent; no more is read until everybody has it */
	size_t size;
	int counts[INPUT_STATES]; /* of jobs */
};

void input_init(struct input *input, int jobs);
void input_clear(struct input *input);
/* Notes what has become of a program. */
void input_set_state(struct input *input, struct job *job, enum input_state state);
/* The descriptor to poll for reading; -1 as long as a living program has no room. */
int input_fd(const struct input *input);
/* When that is readable: reads some and sends it. A failure is told to output, and counts as the
 * end. */
void input_read(struct input *input, struct job *jobs, int count, struct output *output);
/* When a program has room: sends it what is left for it. */
void input_send(struct input *input, struct job *job, struct output *output);
/* Closes stdin if no program reads any more, so that who writes to it notices. */
void input_close_unread(struct input *input);
