/* SPDX-License-Identifier: BSD-3-Clause */
/* The first call: start a copy of this program, call add() in it, print the sum. */
#include <inttypes.h>
#include <mitogen/mitogen.h>
#include <stdio.h>

static int add(mitogen_message *m, mitogen_error *error) /* runs in the child */
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

int main(int argc, char **argv)
{
	mitogen_error err = {0};
	mitogen_router router = mitogen_start(argc, argv, &err); /* a child stays in here */
	mitogen_context child = mitogen_local(router, &err);
	int64_t sum;

	if (mitogen_call(child, add, &sum, &err, 20, 22) == 0)
		printf("20 + 22 = %" PRId64 "\n", sum);
	return mitogen_finish(router, &err); /* tears down, prints the error if there is one */
}
