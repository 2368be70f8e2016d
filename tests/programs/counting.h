/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process holds: descriptors, threads. */
#pragma once

#include <dirent.h>
#include <sched.h>

#include "scenario.h"

static inline int count_entries(const char *path)
{
	DIR *list = opendir(path);
	int count = 0;

	EXPECT(list != NULL);
	while (readdir(list))
		count++;
	closedir(list);
	return count;
}

static inline int count_descriptors(void)
{
	return count_entries("/proc/self/fd");
}

static inline int count_threads(void)
{
	return count_entries("/proc/self/task");
}

/* A thread that was joined does not run any more, but is listed until the kernel has put it away.
 * If there are more, this does not return, and the scenario fails by its time limit. */
static inline void await_threads(int count)
{
	while (count_threads() != count)
		sched_yield();
}
