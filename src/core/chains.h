/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chains of calls to this process: after one call of a chain has failed, the rest of it fails with
 * the same error and does not run. Here is what is remembered of each chain and when a call of it may
 * begin; dispatch begins it. Router lock.
 */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct mitogen_message;
struct router;

#define CHAINS_IDLE_MAX 1000 /* that are remembered for one source; the latest used ones */

/* A call has come: m->chain is set, m->header.src_id is its source. position counts the calls of the
 * chain from 1; if one is missing, m gets a failure. True: it may begin now. False: it was kept,
 * dispatch_begin gets it later. Without m->function it begins alone; functions queue behind each
 * other. */
bool chains_enter(struct router *router, struct mitogen_message *m, uint32_t position);
/* Has the chain that m belongs to failed? *ret_answer is the answer for m then; NULL: no memory. */
bool chains_has_failed(const struct router *router, const struct mitogen_message *m,
		       struct mitogen_message **ret_answer);
/* A call that has begun is over. error: its failure, whose .where is the function's name; NULL: none.
 * Begins those that wait for it. */
void chains_leave(struct router *router, const struct mitogen_message *m,
		  const mitogen_error *error);
/* The source needs this chain no more, when the calls of it that are there are over. */
void chains_end(struct router *router, uint32_t source, uint32_t chain);
/* How many are remembered. */
size_t chains_count(const struct router *router);
/* Prints a line for each in which something goes on. */
void chains_dump(const struct router *router, FILE *out);
/* The source is lost. */
void chains_forget(struct router *router, uint32_t source);
void chains_clear(struct router *router);
