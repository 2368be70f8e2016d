/* SPDX-License-Identifier: BSD-3-Clause */
/* One target of `mitogen run`: the program there, from its start to its exit status. */
#pragma once

#include <mitogen/mitogen.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/input.h"
#include "cli/lines.h"
#include "cli/target.h"

struct output;
struct run_options;

struct job_group { /* what the jobs of a run share */
	struct input *input;
	struct output *output;
	int running; /* how many are not over */
};

struct job {
	struct job_group *group;
	struct hop *hop;     /* where it runs; lent */
	const char *program; /* its name; lent */
	mitogen_process process;
	enum input_state input;
	size_t input_sent; /* of what is being sent to all */
	bool has_started, is_over;
	int status;          /* when it is over; an exit status of ours or of the program */
	bool is_unreachable; /* or lost: the status does not come from there */
	bool is_named;       /* in front of its lines, and when it fails */
	bool has_prefix;
	struct line lines[2]; /* of stdout and stderr, with has_prefix */
};

/* Starts a child of the router and the program in it, whose events come to the receiver with the job
 * as their tag. A failure is told to the output; the job is over then. */
void job_start(struct job *job, mitogen_router router, mitogen_receiver receiver,
	       const struct run_options *options);
/* Takes an event of it. */
void job_take(struct job *job, mitogen_message *m);
/* Ends it as far as we are concerned. */
void job_give_up(struct job *job, int status);
/* When the output is cleared. */
void job_clear(struct job *job);
