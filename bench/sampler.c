/* SPDX-License-Identifier: BSD-3-Clause */
#include "sampler.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

double sampler_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void sampler_add(struct series *series, double sample)
{
	if (series->count == series->capacity) {
		series->capacity = series->capacity ? series->capacity * 2 : 1024;
		series->samples =
			realloc(series->samples, series->capacity * sizeof(*series->samples));
		if (!series->samples)
			err(1, "samples");
	}
	series->samples[series->count++] = sample;
}

void sampler_print(struct series *series)
{
	printf("%s", series->name);
	for (size_t i = 0; i < series->count; i++)
		printf(" %.2f", series->samples[i]);
	printf("\n");
	free(series->samples);
	*series = (struct series){.name = series->name};
}

double sampler_run(const char *const argv[])
{
	double start = sampler_now_us();
	pid_t pid;
	int status;

	errno = posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ);
	if (errno != 0)
		err(1, "%s", argv[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		errx(1, "%s: ended with wait status %d", argv[0], status);
	return sampler_now_us() - start;
}

void sampler_pin(int cpu)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (!tasks)
		err(1, "/proc/self/task");
	while ((task = readdir(tasks)) != NULL) {
		pid_t id = (pid_t)strtol(task->d_name, NULL, 10);

		if (id > 0 && sched_setaffinity(id, sizeof(cpus), &cpus) < 0)
			err(1, "CPU %d", cpu);
	}
	closedir(tasks);
}

void sampler_check(int r, const mitogen_error *error)
{
	if (r < 0)
		errx(1, "%s", error->text);
}

int sampler_nothing(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	return 0;
}
MITOGEN_EXPORT(sampler_nothing);

int sampler_pin_child(mitogen_message *m, mitogen_error *error)
{
	int cpu, r = mitogen_read(m, error, &cpu);

	if (r == 0)
		sampler_pin(cpu);
	return r;
}
MITOGEN_EXPORT(sampler_pin_child, MITOGEN_INT);
