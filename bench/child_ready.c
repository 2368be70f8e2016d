/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * child_ready AGENT TINY: from mitogen_local() until the child is connected, once with the agent as
 * its image and once with this program, which is static too; and, as the limit of the machine, what
 * it takes to start and reap a program that only exits.
 */
#include <err.h>

#include "sampler.h"

#define TURNS 100

static void sample_child(struct series *series, mitogen_router router, const char *image,
			 mitogen_error *error)
{
	double start = sampler_now_us();
	mitogen_context child = mitogen_local(router, error, .image = image);

	sampler_check(mitogen_context_wait(child, error), error);
	sampler_add(series, sampler_now_us() - start);
	sampler_check(mitogen_context_shutdown(child, error), error);
}

int main(int argc, char **argv)
{
	struct series tiny = {.name = "child-ready.tiny"}, agent = {.name = "child-ready.agent"},
		      self = {.name = "child-ready.self"};
	const char *const exits[] = {argc == 3 ? argv[2] : "", NULL};
	mitogen_error error = {0};
	mitogen_router router = mitogen_start(argc, argv, &error);

	if (argc != 3)
		errx(1, "usage: child_ready AGENT TINY");
	for (int turn = 0; turn < TURNS; turn++) {
		sampler_add(&tiny, sampler_run(exits));
		sample_child(&agent, router, argv[1], &error);
		sample_child(&self, router, NULL, &error);
	}
	sampler_print(&tiny);
	sampler_print(&agent);
	sampler_print(&self);
	return mitogen_finish(router, &error);
}
