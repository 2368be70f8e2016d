/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/window.h"

#define STEP (WINDOW_FIRST / 2) /* of grants, each of which is a message */
#define PERIOD_MS                                                                                  \
	100           /* after which the size may change; who reads now and then
					* has to have read and paused */
#define IDLE_MIN_MS 2 /* less is the scheduler's doing */

void window_init(struct window *window)
{
	*window = (struct window){
		.size = WINDOW_FIRST,
		.limit = WINDOW_LAST,
		.granted = WINDOW_FIRST,
		.settled = WINDOW_FIRST,
	};
}

bool window_receive(struct window *window, size_t size, bool waited, int64_t now_ms)
{
	int64_t gap_ms = now_ms - window->came_ms;
	bool is_granted = window->received < window->granted;

	if (window->tuned_ms == 0) {
		window->tuned_ms = now_ms;
	} else if (!waited) {
		window->pause_ms += gap_ms;
		window->pauses++;
	} else if (gap_ms >= IDLE_MIN_MS) {
		window->idle_ms += gap_ms;
		window->waits++;
	}
	window->came_ms = now_ms;
	window->received += size;
	return is_granted;
}

void window_consume(struct window *window, size_t size)
{
	window->consumed += size;
}

bool window_is_due(const struct window *window)
{
	return window->consumed + window->size >= window->granted + STEP;
}

static void grow(struct window *window)
{
	if (window->size < window->limit)
		window->size = window->size < window->limit / 2 ? 2 * window->size : window->limit;
}

static void shrink(struct window *window)
{
	window->size -= window->size / 8;
	if (window->size < WINDOW_FIRST)
		window->size = WINDOW_FIRST;
}

/* Of the time since it was tuned: how long nothing came for want of credit. */
static int64_t idle_time(const struct window *window)
{
	int64_t pause = window->pauses > 0 ? window->pause_ms / window->pauses : 0;

	return window->idle_ms - window->waits * pause; /* what passes between any two frames */
}

static void tune(struct window *window, int64_t now_ms)
{
	int64_t elapsed = now_ms - window->tuned_ms, idle = idle_time(window);

	/* If the link was idle, it can take more; otherwise all that would wait in somebody's queue. */
	if (idle > elapsed / 5)
		grow(window);
	else if (idle <= elapsed / 10)
		shrink(window);
	window->tuned_ms = now_ms;
	window->idle_ms = window->pause_ms = 0;
	window->waits = window->pauses = 0;
	window->settled = window->consumed + window->size;
}

uint64_t window_next(struct window *window, int64_t now_ms)
{
	bool keeps_up = window->received - window->consumed < window->size / 4;
	uint64_t total;

	/* a window's worth has come, as in the time from here to the sender and back */
	if (keeps_up && window->received >= window->settled &&
	    now_ms - window->tuned_ms >= PERIOD_MS)
		tune(window, now_ms);
	/* till now the sender has waited for our reader, not for the link */
	window->came_ms = now_ms;
	total = window->consumed + window->size;
	return total > window->granted ? total : window->granted; /* what was granted is granted */
}
