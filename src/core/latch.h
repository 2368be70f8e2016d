/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread-safe queue under receivers, waiting calls and the queue of calls to run. Putting
 * happens under the router lock; taking needs only the latch's own lock, so that a thread that was
 * woken does not run into the broker.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/event_count.h"
#include "base/list.h"

struct mitogen_message;

struct latch {
	pthread_mutex_t lock; /* taken after the router lock */
	struct event_count filled;
	struct list messages;
	uint32_t ref; /* of the receiver that it belongs to, which its messages name; or 0 */
	struct latch *target;    /* where its messages go instead; changed under both locks */
	struct latch *next_wake; /* in a list of latches to be woken, while .waking */
	unsigned references;     /* atomic */
	unsigned sleepers;
	bool closed, waking;
	int event_fds[2]; /* for foreign loops, made on demand; otherwise -1 */
};

enum latch_result {
	LATCH_MESSAGE = 1,
	LATCH_TIMEOUT = 0,
	LATCH_CLOSED = -1, /* and empty */
	LATCH_JOINED = -2, /* its messages go to another latch */
};

/* In a forked copy of the process a lock may be held by a thread that is not there: while this is set, such
 * a latch is taken all the same, and what is in it is lost. */
void latch_distrust(bool distrust);

struct latch *latch_new(void); /* NULL: no memory */
struct latch *latch_ref(struct latch *latch);
void latch_unref(struct latch *latch);

/* Any thread, router lock held; wakes is the broker's list of latches to wake. Takes the message over;
 * false: the latch is closed, the message was dropped. */
bool latch_put(struct latch *latch, struct mitogen_message *m, struct latch **wakes);
/* The same; wakes all sleepers, who get what is still queued first. */
void latch_close(struct latch *latch, struct latch **wakes);
/* The same; what is in member and what comes goes to target, until latch_leave takes it back. Wakes all
 * who sleep on it. The target must stay, and join none itself. */
void latch_join(struct latch *member, struct latch *target, struct latch **wakes);
void latch_leave(struct latch *member, struct latch **wakes);
/* Without any lock: wakes all latches of the list, as broker_unlock does. */
void latch_wake_all(struct latch *wakes);

/* Any thread, no lock held. Waits until deadline (clock_ms; CLOCK_NEVER). */
enum latch_result latch_get(struct latch *latch, int64_t deadline, struct mitogen_message **ret);
bool latch_is_empty(struct latch *latch);
/* Readable while there is a message or the latch is closed. -1: errno. Stays the latch's. */
int latch_event_fd(struct latch *latch);
