/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent: the image of the command's children. It exports nothing of its own; the builtins do the
 * work.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "api/start.h"

int main(int argc, char **argv)
{
	/* it may hold passwords and other people's data: no core, no debugger of the same user */
	prctl(PR_SET_DUMPABLE, 0);
	start_child_if_asked(argc, argv);
	fprintf(stderr,
		"mitogen-agent %s: started by a parent process, not by hand; see mitogen(1)\n",
		MITOGEN_VERSION);
	return 2;
}
