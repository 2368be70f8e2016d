/* SPDX-License-Identifier: BSD-3-Clause */
/* Our stdin, which goes to the programs of all jobs, at the pace of the slowest. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/standard.h"

struct job;
struct output;

struct input {
	struct standard from; /* .fd is -1 when nothing is to be read any more */
	bool has_failed;      /* it could not be read to its end */
	bool has_ended;
	char *data; /* what is being sent */
	size_t size;
};

void input_init(struct input *input);
void input_clear(struct input *input);
/* The descriptor to poll for reading; -1 as long as a living program has no room. */
int input_fd(const struct input *input, const struct job *jobs, int count);
/* When that is readable: reads some. A failure is told to output, and counts as the end. */
void input_read(struct input *input, struct output *output);
/* Sends what there is to the programs that have room. */
void input_send(struct input *input, struct job *jobs, int count, struct output *output);
