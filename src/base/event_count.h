/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A counter that threads sleep on until it changes. The condition that they wait for is under a lock
 * of the owner's, who advances the counter under that lock and wakes after dropping it. Unlike a
 * condition variable it takes no lock on the way out of the sleep.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#ifndef __linux__
#include <pthread.h>
#endif

struct event_count {
	uint32_t value;
#ifndef __linux__
	pthread_mutex_t lock;
	pthread_cond_t changed;
#endif
};

void event_count_init(struct event_count *count);
void event_count_clear(struct event_count *count);
/* The owner's lock held. */
uint32_t event_count_get(const struct event_count *count);
void event_count_advance(struct event_count *count);
/* No lock held. Wakes all that sleep. */
void event_count_wake(struct event_count *count);
/* No lock held. Sleeps while the value is still `seen`, until deadline (clock_ms(), CLOCK_NEVER). It
 * may return early. False: the deadline has passed. */
bool event_count_wait(struct event_count *count, uint32_t seen, int64_t deadline);
