/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call from here: the request, and the port that waits for its one answer. Whatever happens, one
 * message reaches the latch: the result, or a failure that names the context and the function.
 */
#pragma once

#include <mitogen/types.h>
#include <stdint.h>

#include "base/map.h"

struct context;
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
 * is NULL, or "mitogen" for a builtin. */
void call_write_head(struct mitogen_writer *w, const char *module, const char *function,
		     uint64_t count);
/* Ends it: the (empty) named arguments. */
void call_write_tail(struct mitogen_writer *w);

/* Router lock held. Sends the request, which is taken over, to context. function is for errors, and
 * copied. target NULL: no answer is wanted. On success *ret_handle (may be NULL) serves call_cancel.
 * now: the caller is about to wait. 0, or a negative code; then nothing was sent. A context that is
 * lost already is no failure here: the latch gets it. */
int call_start(struct router *router, struct context *context, struct mitogen_message *request,
	       const char *function, const struct call_target *target, bool now,
	       uint32_t *ret_handle);
/* The answer is not wanted any more. Nothing comes to the latch after this. */
void call_cancel(struct router *router, uint32_t handle);
