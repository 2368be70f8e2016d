/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * child_ready AGENT TINY: from mitogen_local() until the child is connected, once with the agent as
 * its image and once with this program, which is static too; the same for mitogen_fork(); and, as the
 * limit of the machine, what it takes to start and reap a program that only exits.
 */
#include <err.h>

#include "sampler.h"

#define TURNS 100

/* From start, when the child was asked for. */
static void sample_child(struct series *series, double start, mitogen_context child,
			 mitogen_error *error)
{
	sampler_check(mitogen_context_wait(child, error), error);
	sampler_add(series, sampler_now_us() - start);
	sampler_check(mitogen_context_shutdown(child, error), error);
}

int main(int argc, char **argv)
{
	struct series tiny = {.name = "child-ready.tiny"}, agent = {.name = "child-ready.agent"},
		      self = {.name = "child-ready.self"}, fork = {.name = "child-ready.fork"};
	const char *const exits[] = {argc == 3 ? argv[2] : "", NULL};
	mitogen_error error = {0};
	mitogen_router router = mitogen_start(argc, argv, &error, .fork_server = true);
	double now;

	if (argc != 3)
		errx(1, "usage: child_ready AGENT TINY");
	for (int turn = 0; turn < TURNS; turn++) {
		sampler_add(&tiny, sampler_run(exits));
		now = sampler_now_us();
		sample_child(&agent, now, mitogen_local(router, &error, .image = argv[1]), &error);
		now = sampler_now_us();
		sample_child(&self, now, mitogen_local(router, &error), &error);
		now = sampler_now_us();
		sample_child(&fork, now, mitogen_fork(router, &error), &error);
	}
	sampler_print(&tiny);
	sampler_print(&agent);
	sampler_print(&self);
	sampler_print(&fork);
	return mitogen_finish(router, &error);
}
