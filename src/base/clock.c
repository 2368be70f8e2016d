/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"

#include "base/sys.h"

int64_t clock_ms(void)
{
	struct timespec now;

	sys.clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_deadline(int timeout_ms)
{
	if (timeout_ms == INT32_MAX)
		return CLOCK_NEVER;
	return clock_ms() + (timeout_ms > 0 ? timeout_ms : 0);
}

struct timespec clock_timespec(int64_t ms)
{
	return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}
