/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that does things before mitogen_start, or that never comes to it, as $LATE says. */
#include "scenario.h"

int main(int argc, char **argv)
{
	const char *late = getenv("LATE");

	if (late && strcmp(late, "prints") == 0)
		puts("a greeting of the program's own");
	if (late && strcmp(late, "usage") == 0 && argc > 1) {
		fprintf(stderr, "usage: late\nthere is no option %s\n", argv[1]);
		return 2;
	}
	if (late && strcmp(late, "never") == 0)
		mitogen_router_new(&err);
	else
		router = mitogen_start(argc, argv, &err);
	printf("%s\n%s\n",
	       mitogen_code_name(mitogen_context_wait(mitogen_local(router, &err), &err)),
	       err.text);
	mitogen_router_close(router);
	return 0;
}
