/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers, in a list that is sorted by deadline. They are few, and a new one nearly always belongs
 * near the end, where the search starts.
 */
#pragma once

#include <stdint.h>

#include "base/list.h"

struct timer {
	struct list link;
	int64_t deadline; /* clock_ms() */
	/* On the broker thread, router lock held. The timer is no longer set then. */
	void (*due)(struct timer *timer);
};

/* Sets it, again if it is set. */
void timer_insert(struct list *timers, struct timer *timer, int64_t deadline);
void timer_cancel(struct timer *timer);
/* Runs what is due. Returns the milliseconds until the next one, -1: there is none. */
int timer_run(struct list *timers);
