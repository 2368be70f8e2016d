/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * child_memory AGENT: what an idle child takes, its proportional set size in kB, for one child and
 * for each of many. The agent lets nobody but root look.
 */
#include <err.h>
#include <stdio.h>
#include <unistd.h>

#include "memory.h"
#include "sampler.h"

#define MANY      300
#define SETTLE_US 200000

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
	memory_allow_descriptors();
	children[0] = mitogen_local(router, &error);
	sampler_check(mitogen_context_wait(children[0], &error), &error);
	usleep(SETTLE_US);
	memory_add_children(&one);
	sampler_print(&one);
	for (int i = 1; i < MANY; i++)
		children[i] = mitogen_local(router, &error);
	for (int i = 1; i < MANY; i++)
		sampler_check(mitogen_context_wait(children[i], &error), &error);
	usleep(SETTLE_US);
	memory_add_children(&many);
	sampler_print(&many);
	return mitogen_finish(router, &error);
}
