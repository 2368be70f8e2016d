/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls to this process: the CALL_FUNCTION port, which starts builtins on the broker thread and
 * queues the rest, and the loop of the main thread, which runs them.
 */
#pragma once

#include <mitogen/types.h>

struct cursor;
struct mitogen_writer;
struct router;

/* Router lock held. 0, or MITOGEN_ERR_MEMORY. */
int dispatch_open(struct router *router);
void dispatch_close(struct router *router);
/* The main thread of a child: runs calls until the queue is closed. */
void dispatch_run(struct router *router);
/* Lets a call begin, if it has no failure: router lock held, broker thread or where the one before it
 * in its chain ended. Takes m over. */
void dispatch_begin(struct router *router, struct mitogen_message *m);
/* What a builtin answers m with: a value, which is taken over, or NULL: no memory for it; or a failure.
 * Once. Router lock held. */
void dispatch_answer(struct router *router, const struct mitogen_message *m,
		     struct mitogen_message *answer);
void dispatch_answer_nil(struct router *router, const struct mitogen_message *m);
void dispatch_answer_error(struct router *router, const struct mitogen_message *m,
			   const mitogen_error *error);
/* The argument list of a call. Cannot fail: dispatch has checked it. */
struct cursor dispatch_arguments(const struct mitogen_message *m);
/* Answers the call m, whose function is running, with the items in w, taken over. 0, or a negative
 * code; then the call is unanswered still. */
int dispatch_reply(struct router *router, struct mitogen_message *m, struct mitogen_writer *w,
		   mitogen_error *err);
