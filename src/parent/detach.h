/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Letting a child go: it is asked to, behind all that is queued for it, and answers behind all that it
 * has sent. Nobody else makes it end then; it is reaped if it ends while we are there. Router lock.
 */
#pragma once

#include "core/handles.h"

struct detach { /* of one child; sits in its connection */
	struct handle reply;
	struct list calls; /* messages: of those who wait for it */
	/* It has let go. Broker thread. */
	void (*done)(struct detach *detach);
};

void detach_init(struct detach *detach, void (*done)(struct detach *detach));
/* Asks the child, who is context, unless it has been asked. 0, or MITOGEN_ERR_MEMORY. */
int detach_ask(struct detach *detach, struct router *router, struct neighbour *child,
	       struct context *context);
/* Answers those who wait, NULL: well; and waits for nothing any more. */
void detach_answer(struct detach *detach, struct router *router, const mitogen_error *failure);

struct process;
/* What is left to do for a process that nobody waits for: to reap it. Broker thread. */
void detach_process(struct router *router, struct process *process);
