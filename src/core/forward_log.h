/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines on their way to the master: what this process logs, and what its children print. A record
 * is [level, ID of the context that it is about, text], the text one or more lines. Records travel as
 * a flow with credit, so that who prints waits when the log cannot keep up; what is logged is dropped
 * and counted instead. In the master the way ends at once, at core/log_port.h. Broker thread, router
 * lock, unless it says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/log.h"

struct broker;
struct mitogen_message;
struct router;

/* Who waits for room; sits in its owner. list_remove(&link) ends the wait. */
struct forward_log_waiter {
	struct list link;
	void (*room)(struct forward_log_waiter *waiter); /* once */
};

/* router->parent is set, but in the master. 0 or a code. */
int forward_log_open(struct router *router);
void forward_log_close(struct router *router);
/* In a child: what this process logs goes this way from now on. The broker's thread runs. */
void forward_log_own(struct router *router, enum log_level level);

/* Lines that this context, a child of ours, has printed; each ends with a newline. Taken even without
 * room; but whose text can wait should wait. */
void forward_log_add(struct router *router, uint32_t id, const char *text, size_t size);
bool forward_log_has_room(struct router *router);
void forward_log_wait(struct router *router, struct forward_log_waiter *waiter);
/* Nobody is above us any more: what is on its way, or comes later, is dropped. */
void forward_log_drop(struct router *router);
/* Is nothing on its way here? */
bool forward_log_is_empty(const struct router *router);
/* See struct broker; no lock held. */
int forward_log_idle(struct broker *broker);

/* A record as a message. NULL: no memory. */
struct mitogen_message *forward_log_record(enum log_level level, uint32_t id, const char *text,
					   size_t size);
