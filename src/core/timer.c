/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/timer.h"

#include <limits.h>

#include "base/clock.h"

void timer_insert(struct list *timers, struct timer *timer, int64_t deadline)
{
	struct list *before;

	timer_cancel(timer);
	timer->deadline = deadline;
	before = timers->prev;
	while (before != timers && LIST_OWNER(before, struct timer, link)->deadline > deadline)
		before = before->prev;
	list_append(before->next, &timer->link);
}

void timer_cancel(struct timer *timer)
{
	list_remove(&timer->link);
}

int timer_run(struct list *timers)
{
	int64_t now, left;

	if (list_is_empty(timers))
		return -1;
	now = clock_ms();
	while (!list_is_empty(timers)) {
		struct timer *timer = LIST_OWNER(timers->next, struct timer, link);

		if (timer->deadline > now) {
			left = timer->deadline - now;
			return left > INT_MAX ? INT_MAX : (int)left;
		}
		timer_cancel(timer);
		timer->due(timer);
	}
	return -1;
}
