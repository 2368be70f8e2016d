/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command MITOGEN: the whole of `mitogen run local -- true` against `python3 -c pass`, which is
 * where every program in Python begins.
 */
#include <err.h>

#include "sampler.h"

#define TURNS 30

int main(int argc, char **argv)
{
	struct series ours = {.name = "command.ours"}, python = {.name = "command.python"};
	const char *const run[] = {argv[1], "run", "local", "--", "true", NULL};
	const char *const pass[] = {"/usr/bin/python3", "-c", "pass", NULL};

	if (argc != 2)
		errx(1, "usage: command MITOGEN");
	for (int turn = 0; turn < TURNS; turn++) {
		sampler_add(&ours, sampler_run(run));
		sampler_add(&python, sampler_run(pass));
	}
	sampler_print(&ours);
	sampler_print(&python);
	return 0;
}
