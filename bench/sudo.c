/* SPDX-License-Identifier: BSD-3-Clause */
/* sudo AGENT: a child of root's through sudo, until it is connected, against `sudo true`. */
#include <err.h>

#include "sampler.h"

#define TURNS 30

int main(int argc, char **argv)
{
	const char *const run[] = {"/usr/bin/sudo", "-n", "true", NULL};
	struct series true_ = {.name = "sudo-ready.true"}, ours = {.name = "sudo-ready.ours"};
	mitogen_error error = {0};
	mitogen_router router = mitogen_start(argc, argv, &error, .image = argv[1]);

	if (argc != 2)
		errx(1, "usage: sudo AGENT");
	for (int turn = 0; turn < TURNS; turn++) {
		mitogen_context child;
		double start;

		sampler_add(&true_, sampler_run(run) / 1e3);
		start = sampler_now_us();
		child = mitogen_sudo(router, &error);
		sampler_check(mitogen_context_wait(child, &error), &error);
		sampler_add(&ours, (sampler_now_us() - start) / 1e3);
		sampler_check(mitogen_context_shutdown(child, &error), &error);
	}
	sampler_print(&true_);
	sampler_print(&ours);
	return mitogen_finish(router, &error);
}
