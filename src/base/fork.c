/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fork.h"

#include <time.h>

#define PATIENCE_S 1

bool fork_lock(pthread_mutex_t *lock)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += PATIENCE_S;
	return pthread_mutex_timedlock(lock, &deadline) == 0;
}
