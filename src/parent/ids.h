/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Context IDs: 32 bits, given away in blocks. All come from the master; who runs out asks it by
 * ALLOCATE_ID, and gets them by GRANT_ID, on whose way each router notes that they are that
 * stream's. Router lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "core/verify.h"

struct context;
struct latch;
struct neighbour;
struct router;
struct task;

#define IDS_PER_BLOCK     1000u
#define IDS_PER_CHILD_MAX 1000000u /* that a child of the master gets on demand, and all below it */
#define IDS_BELOW_MAX     100000u  /* the same of a child further down: one does not use up all */

/* Somebody who waits for IDs, once: a message comes to the latch, a failure if there are none; or the
 * task is deferred, whether there are some or not. */
struct id_waiter {
	struct list link; /* in router->id_waiters */
	struct latch *latch;
	struct task *task;
};

/* The two ports. 0, or MITOGEN_ERR_MEMORY. */
int ids_open(struct router *router);
void ids_close(struct router *router);

/* Takes IDs for a new context from what this process has: the first is the context's own, the others
 * are for what it starts. 0, or MITOGEN_ERR_NO_IDS: none are here. */
int ids_take(struct router *router, struct id_block *ret);
/* Asks for more, unless that is under way. Any thread. 0, or a code: MITOGEN_ERR_NO_IDS: nobody is left
 * to ask. */
int ids_request(struct router *router);
/* Who waits for IDs is told that none will come. Broker thread. */
void ids_refuse(struct router *router);
/* Tells the way from here to via that the first of these is a context which via will start, and the
 * others are its own. 0, or MITOGEN_ERR_MEMORY. Any thread. */
int ids_grant_below(struct router *router, const struct context *via, const struct id_block *ids);
