/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory.h"

#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double pss_kb(long pid)
{
	char path[64], line[256];
	double kb = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "Pss:", 4) == 0)
			kb = strtod(line + 4, NULL);
	if (kb <= 0)
		err(1, "%s", path);
	fclose(file);
	return kb;
}

static void add_children_of(struct series *series, const char *thread)
{
	char path[300], *pids = NULL, *at, *end;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/children", thread);
	file = fopen(path, "re");
	if (!file)
		err(1, "%s", path);
	if (getline(&pids, &size, file) > 0)
		for (at = pids; strtol(at, &end, 10) > 0; at = end)
			sampler_add(series, pss_kb(strtol(at, NULL, 10)));
	free(pids);
	fclose(file);
}

void memory_add_children(struct series *series)
{
	DIR *threads = opendir("/proc/self/task");
	struct dirent *thread;

	if (!threads)
		err(1, "/proc/self/task");
	while ((thread = readdir(threads)) != NULL)
		if (thread->d_name[0] != '.')
			add_children_of(series, thread->d_name);
	closedir(threads);
}

double memory_family_kb(void)
{
	struct series children = {0};
	double sum = pss_kb(getpid());

	memory_add_children(&children);
	for (size_t i = 0; i < children.count; i++)
		sum += children.samples[i];
	free(children.samples);
	return sum;
}

unsigned long memory_allow_descriptors(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}
