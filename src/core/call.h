/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call from here: the request, and the port that waits for its one answer. Whatever happens, one
 * message reaches the latch: the result, or a failure that names the context and the function.
 */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/map.h"

#define CALL_CHANNEL "channel" /* the name of that argument, a bool */

struct context;
struct handle;
struct latch;
struct mitogen_message;
struct mitogen_writer;
struct router;

/* Where a call's outcome goes instead of a latch: takes m over. Router lock held. */
typedef void call_sink(void *owner, struct mitogen_message *m);

struct call_target {
	struct latch *latch; /* a reference is taken; or NULL: */
	call_sink *sink;
	void *sink_owner;
	void *tag;        /* of the message */
	int64_t deadline; /* clock_ms(); CLOCK_NEVER */
};

/* Begins a request in w: everything up to the arguments, of which count values must follow. module
 * is NULL, or "mitogen" for a builtin. If in_chain, .chain of the message must be set. */
void call_write_head(struct mitogen_writer *w, bool in_chain, const char *module,
		     const char *function, uint64_t count);
/* Ends it: the named arguments, of which there are none, or one that asks for a channel. */
void call_write_tail(struct mitogen_writer *w);
void call_write_channel_tail(struct mitogen_writer *w);

/* Router lock held. Sends the request, which is taken over, to context. function is for errors, and
 * copied. target NULL: no answer is wanted. On success *ret_handle (may be NULL) serves call_cancel.
 * now: the caller is about to wait. 0, or a negative code; then nothing was sent: MITOGEN_ERR_USAGE,
 * its chain has ended. A context that is lost already is no failure here: the latch gets it. */
int call_start(struct router *router, struct context *context, struct mitogen_message *request,
	       const char *function, const struct call_target *target, bool now,
	       uint32_t *ret_handle);
/* The answer is not wanted any more. Nothing comes to the latch after this. */
void call_cancel(struct router *router, uint32_t handle);

/* Prints a line if the handle is that of a call which waits for its answer. Router lock held. */
void call_dump(struct handle *handle, FILE *out);

/* Chains of calls from here; router lock held. Each call of a chain carries its position, so that the
 * callee sees that one is missing. */

/* The number of a new chain to context; 0: no memory. It goes with the context. */
uint32_t call_chain_new(struct router *router, struct context *context);
/* A call of it could not be sent: what follows must fail. */
void call_chain_skip(struct router *router, uint32_t chain);
/* No more calls of it are sent; both sides forget it. */
void call_chain_end(struct router *router, struct context *context, uint32_t chain);
/* Forgets those to context. */
void call_drop_chains(struct router *router, struct context *context);
