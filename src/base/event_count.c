/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/event_count.h"

#include <errno.h>

#include "base/clock.h"

#ifdef __linux__
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_futex_time64 /* 32-bit machines whose struct timespec has 64 bits */
#define FUTEX_CALL SYS_futex_time64
#else
#define FUTEX_CALL SYS_futex
#endif

void event_count_init(struct event_count *count)
{
	count->value = 0;
}

void event_count_clear(struct event_count *count)
{
	(void)count;
}

uint32_t event_count_get(const struct event_count *count)
{
	return __atomic_load_n(&count->value, __ATOMIC_RELAXED);
}

void event_count_advance(struct event_count *count)
{
	__atomic_add_fetch(&count->value, 1, __ATOMIC_RELAXED);
}

void event_count_wake(struct event_count *count)
{
	syscall(FUTEX_CALL, &count->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

bool event_count_wait(struct event_count *count, uint32_t seen, int64_t deadline)
{
	struct timespec until = clock_timespec(deadline);

	/* this operation takes an absolute time on the monotonic clock */
	return syscall(FUTEX_CALL, &count->value, FUTEX_WAIT_BITSET_PRIVATE, seen,
		       deadline == CLOCK_NEVER ? NULL : &until, NULL,
		       FUTEX_BITSET_MATCH_ANY) == 0 ||
	       errno != ETIMEDOUT;
}

#else

void event_count_init(struct event_count *count)
{
	pthread_condattr_t attributes;

	count->value = 0;
	pthread_mutex_init(&count->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&count->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

void event_count_clear(struct event_count *count)
{
	pthread_cond_destroy(&count->changed);
	pthread_mutex_destroy(&count->lock);
}

uint32_t event_count_get(const struct event_count *count)
{
	return __atomic_load_n(&count->value, __ATOMIC_RELAXED);
}

void event_count_advance(struct event_count *count)
{
	pthread_mutex_lock(&count->lock);
	__atomic_add_fetch(&count->value, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&count->lock);
}

void event_count_wake(struct event_count *count)
{
	pthread_cond_broadcast(&count->changed);
}

bool event_count_wait(struct event_count *count, uint32_t seen, int64_t deadline)
{
	struct timespec until = clock_timespec(deadline);
	int error = 0;

	pthread_mutex_lock(&count->lock);
	while (count->value == seen && error != ETIMEDOUT)
		error = deadline == CLOCK_NEVER
				? pthread_cond_wait(&count->changed, &count->lock)
				: pthread_cond_timedwait(&count->changed, &count->lock, &until);
	pthread_mutex_unlock(&count->lock);
	return error != ETIMEDOUT;
}
#endif
