/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * child_memory AGENT: what an idle child takes, its proportional set size in kB, for one child and
 * for each of many. The agent lets nobody but root look.
 */
#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sampler.h"

#define MANY      300
#define SETTLE_US 200000

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

/* Of all children of one thread of ours. */
static void sample_thread(struct series *series, const char *thread)
{
	char path[300], pids[MANY * 12] = "", *at, *end;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/children", thread);
	file = fopen(path, "re");
	if (!file)
		err(1, "%s", path);
	if (fgets(pids, sizeof(pids), file))
		for (at = pids; strtol(at, &end, 10) > 0; at = end)
			sampler_add(series, pss_kb(strtol(at, NULL, 10)));
	fclose(file);
}

static void sample_children(struct series *series)
{
	DIR *threads = opendir("/proc/self/task");
	struct dirent *thread;

	if (!threads)
		err(1, "/proc/self/task");
	while ((thread = readdir(threads)) != NULL)
		if (thread->d_name[0] != '.')
			sample_thread(series, thread->d_name);
	closedir(threads);
	sampler_print(series);
}

/* A child takes three descriptors here. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	struct series one = {.name = "child-memory.one"}, many = {.name = "child-memory.many"};
	mitogen_error error = {0};
	mitogen_router router = mitogen_start(argc, argv, &error, .image = argv[1]);
	mitogen_context children[MANY];

	if (argc != 2)
		errx(1, "usage: child_memory AGENT");
	if (geteuid() != 0) {
		fprintf(stderr,
			"child_memory: skipped, only root may read the memory of an agent\n");
		return mitogen_finish(router, &error);
	}
	allow_descriptors();
	children[0] = mitogen_local(router, &error);
	sampler_check(mitogen_context_wait(children[0], &error), &error);
	usleep(SETTLE_US);
	sample_children(&one);
	for (int i = 1; i < MANY; i++)
		children[i] = mitogen_local(router, &error);
	for (int i = 1; i < MANY; i++)
		sampler_check(mitogen_context_wait(children[i], &error), &error);
	usleep(SETTLE_US);
	sample_children(&many);
	return mitogen_finish(router, &error);
}
