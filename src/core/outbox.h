/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this process sends to a port elsewhere: values, with credit. There is one for each port, whoever
 * sends. What goes wrong comes back to a port of its own; from then on it fails. Router lock; any
 * thread.
 */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "core/flow.h"

#define OUTBOXES_FAILED_MAX 256 /* of how many the reason is kept */

struct latch;
struct mitogen_message;

struct outbox {
	struct outflow flow;
	struct handle reply;
	struct router *router;
	struct list waiters;
	struct mitogen_message *end; /* made beforehand: an end must not fail */
	struct list failed;          /* in router->outboxes */
	mitogen_error *why;          /* when it has failed; NULL: it is closed for good */
};

/* A thread that waits for room. */
struct outbox_waiter {
	struct list link;
	struct latch *latch; /* closed when it is worth another try; a reference */
	bool is_closed;      /* somebody has closed the outbox */
};

/* The one for this port, opened if there is none. NULL: no memory. */
struct outbox *outbox_to(struct router *router, uint32_t dst_id, uint32_t handle);
/* 0, or why it has failed. */
int outbox_check(const struct outbox *outbox, mitogen_error *err);
bool outbox_has_room(struct outbox *outbox);
/* Takes m over. It has room and has not failed. */
void outbox_send(struct outbox *outbox, struct mitogen_message *m);

/* Puts the waiter in, until outbox_leave. 0, or MITOGEN_ERR_MEMORY. */
int outbox_wait(struct outbox *outbox, struct outbox_waiter *waiter);
void outbox_leave(struct outbox_waiter *waiter);

/* Sends the orderly end of what went to this port, if only that. Then outbox_to begins anew, or, for
 * good, gives one that has failed. */
void outbox_close(struct router *router, uint32_t dst_id, uint32_t handle, bool for_good);
/* If there is one, it fails from now on. Sends nothing. */
void outbox_fail(struct router *router, uint32_t dst_id, uint32_t handle);

struct outboxes {           /* of a router */
	struct list failed; /* oldest first */
	unsigned failed_count;
};

/* When the broker's thread has ended. */
void outboxes_clear(struct router *router);
