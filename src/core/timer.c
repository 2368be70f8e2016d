/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/timer.h"

#include <limits.h>
#include <stdbool.h>

#include "base/clock.h"

/* A pairing heap: what is taken out leaves its children behind, which are merged two by two. */

static bool comes_before(const struct timer *a, const struct timer *b)
{
	return a->deadline < b->deadline || (a->deadline == b->deadline && a->number < b->number);
}

/* Two heaps without brothers, or NULL. */
static struct timer *merge(struct timer *a, struct timer *b)
{
	struct timer *first, *last;

	if (!a || !b)
		return a ? a : b;
	first = comes_before(a, b) ? a : b;
	last = first == a ? b : a;
	last->before = first;
	last->next = first->children;
	if (last->next)
		last->next->before = last;
	first->children = last;
	return first;
}

static struct timer *merge_brothers(struct timer *timer)
{
	struct timer *pairs = NULL, *heap = NULL;

	while (timer) { /* from the first to the last; then the pairs, from the last to the first */
		struct timer *a = timer, *b = a->next, *pair;

		timer = b ? b->next : NULL;
		a->next = NULL;
		if (b)
			b->next = NULL;
		pair = merge(a, b);
		pair->next = pairs;
		pairs = pair;
	}
	while (pairs) {
		struct timer *next = pairs->next;

		pairs->next = NULL;
		heap = merge(heap, pairs);
		pairs = next;
	}
	return heap;
}

static void set_first(struct timers *timers, struct timer *first)
{
	timers->first = first;
	if (first)
		first->before = NULL;
}

void timer_cancel(struct timer *timer)
{
	struct timers *timers = timer->timers;
	struct timer *orphans;

	if (!timers)
		return;
	orphans = merge_brothers(timer->children);
	if (timer == timers->first) {
		set_first(timers, orphans);
	} else {
		if (timer->before->children == timer)
			timer->before->children = timer->next;
		else
			timer->before->next = timer->next;
		if (timer->next)
			timer->next->before = timer->before;
		set_first(timers, merge(timers->first, orphans));
	}
	timer->children = timer->next = timer->before = NULL;
	timer->timers = NULL;
	timers->count--;
}

void timer_insert(struct timers *timers, struct timer *timer, int64_t deadline)
{
	timer_cancel(timer);
	timer->timers = timers;
	timer->deadline = deadline;
	timer->number = ++timers->last_number;
	timers->count++;
	set_first(timers, merge(timers->first, timer));
}

int timer_run(struct timers *timers)
{
	int64_t now, left;

	if (!timers->first)
		return -1;
	now = clock_ms();
	while (timers->first) {
		struct timer *timer = timers->first;

		if (timer->deadline > now) {
			left = timer->deadline - now;
			return left > INT_MAX ? INT_MAX : (int)left;
		}
		timer_cancel(timer);
		timer->due(timer);
	}
	return -1;
}
