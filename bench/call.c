/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call against one byte through a pipe and back: the least that two processes can do. This
 * process is bound to CPU 0; of the pipe's and the call's other ends one each is on CPU 0 and on
 * CPU 1.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sampler.h"

#define TURNS 10
#define CALLS 200 /* in a turn, to each child */

struct echo { /* a process that sends each byte back */
	int to, from;
};

static int nothing(mitogen_message *m, mitogen_error *error) /* runs in the child */
{
	(void)m;
	(void)error;
	return 0;
}
MITOGEN_EXPORT(nothing);

static int pin(mitogen_message *m, mitogen_error *error)
{
	int cpu, r = mitogen_read(m, error, &cpu);

	if (r == 0)
		sampler_pin(cpu);
	return r;
}
MITOGEN_EXPORT(pin, MITOGEN_INT);

static struct echo start_echo(int cpu)
{
	int to[2], from[2];
	char byte;

	if (pipe(to) < 0 || pipe(from) < 0)
		err(1, "pipe");
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sampler_pin(cpu);
		while (read(to[0], &byte, 1) == 1 && write(from[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	return (struct echo){to[1], from[0]};
}

static void sample_pipe(struct series *series, const struct echo *echo)
{
	for (int i = 0; i < CALLS; i++) {
		double start = sampler_now_us();
		char byte = 0;

		if (write(echo->to, &byte, 1) != 1 || read(echo->from, &byte, 1) != 1)
			err(1, "the pipe");
		sampler_add(series, sampler_now_us() - start);
	}
}

static void sample_calls(struct series *series, mitogen_context child, mitogen_error *error)
{
	for (int i = 0; i < CALLS; i++) {
		double start = sampler_now_us();

		sampler_check(mitogen_call(child, nothing, NULL, error), error);
		sampler_add(series, sampler_now_us() - start);
	}
}

int main(int argc, char **argv)
{
	struct series pipes[] = {{.name = "call.one-cpu.pipe"}, {.name = "call.two-cpus.pipe"}};
	struct series calls[] = {{.name = "call.one-cpu.ours"}, {.name = "call.two-cpus.ours"}};
	mitogen_error error = {0};
	mitogen_router router = mitogen_start(argc, argv, &error);
	mitogen_context children[2];
	struct echo echoes[2];

	sampler_pin(0);
	for (int cpu = 0; cpu < 2; cpu++) {
		echoes[cpu] = start_echo(cpu);
		children[cpu] = mitogen_local(router, &error);
		sampler_check(mitogen_call(children[cpu], pin, NULL, &error, cpu), &error);
	}
	for (int turn = 0; turn < TURNS; turn++)
		for (int cpu = 0; cpu < 2; cpu++) {
			sample_pipe(&pipes[cpu], &echoes[cpu]);
			sample_calls(&calls[cpu], children[cpu], &error);
		}
	for (int cpu = 0; cpu < 2; cpu++) {
		sampler_print(&pipes[cpu]);
		sampler_print(&calls[cpu]);
	}
	return mitogen_finish(router, &error);
}
