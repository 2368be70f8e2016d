/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers, in a heap: setting one takes as long whatever else is set, so that a thousand children that
 * connect do not slow down a call with a time limit.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct timers { /* all zero: none is set */
	struct timer *first;
	size_t count;
	uint64_t last_number;
};

struct timer {                         /* all zero but due: not set */
	struct timers *timers;         /* among which it is set, or NULL */
	struct timer *children, *next; /* in the heap: those that come after it, and a brother */
	struct timer *before;          /* the brother before it, or its parent */
	int64_t deadline;              /* clock_ms() */
	uint64_t number; /* of those with one deadline, the one set first comes first */
	/* On the broker thread, router lock held. The timer is no longer set then. */
	void (*due)(struct timer *timer);
};

/* Sets it, again if it is set. */
void timer_insert(struct timers *timers, struct timer *timer, int64_t deadline);
void timer_cancel(struct timer *timer);
/* Runs what is due. Returns the milliseconds until the next one, -1: there is none. */
int timer_run(struct timers *timers);
