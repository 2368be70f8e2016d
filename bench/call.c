/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call against one byte through a pipe and back: the least that two processes can do. This
 * process is bound to CPU 0; of the pipe's and the call's other ends one each is on CPU 0 and on
 * CPU 1.
 */
#include "pipes.h"
#include "sampler.h"

#define TURNS 10
#define CALLS 200 /* in a turn, to each child */

static void sample_pipe(struct series *series, const struct pipes *pipes)
{
	for (int i = 0; i < CALLS; i++) {
		double start = sampler_now_us();

		pipes_pass(pipes, "");
		sampler_add(series, sampler_now_us() - start);
	}
}

static void sample_calls(struct series *series, mitogen_context child, mitogen_error *error)
{
	for (int i = 0; i < CALLS; i++) {
		double start = sampler_now_us();

		sampler_check(mitogen_call(child, sampler_nothing, NULL, error), error);
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
	struct pipes echoes[2];

	sampler_pin(0);
	for (int cpu = 0; cpu < 2; cpu++) {
		echoes[cpu] = pipes_start(1, &cpu, 1, 1);
		children[cpu] = mitogen_local(router, &error);
		sampler_check(mitogen_call(children[cpu], sampler_pin_child, NULL, &error, cpu),
			      &error);
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
