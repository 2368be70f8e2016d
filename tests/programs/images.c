/* SPDX-License-Identifier: BSD-3-Clause */
/* images IMAGE: starts that program as a child, and prints what came of it. */
#include "scenario.h"

int main(int argc, char **argv)
{
	mitogen_context child;

	router = mitogen_start(argc, argv, &err, .image = argc > 1 ? argv[1] : NULL,
			       .shutdown_ms = 50);
	child = mitogen_local(router, &err);
	printf("%s\n%s\n%s\n", mitogen_code_name(mitogen_context_wait(child, &err)), err.where,
	       err.text);
	mitogen_router_close(router);
	return 0;
}
