/* SPDX-License-Identifier: BSD-3-Clause */
/* A server that forks: it loads once, and its children have that from their beginning, in the same memory. */
#include <mitogen/mitogen.h>
#include <stdio.h>

#define LIMIT    1000000
#define CHILDREN 3

static bool is_composite[LIMIT];

static void load_table(void)
{
	for (int n = 2; n < LIMIT; n++)
		for (int multiple = 2 * n; multiple < LIMIT; multiple += n)
			is_composite[multiple] = true;
}

static int prime(mitogen_message *m,
		 mitogen_error *error) /* replies with the n-th; 0: it is not there */
{
	int count, n = 1, r = mitogen_read(m, error, &count);

	while (count > 0 && ++n < LIMIT)
		count -= !is_composite[n];
	return r < 0 ? r : mitogen_reply(m, error, n < LIMIT ? n : 0);
}
MITOGEN_EXPORT(prime, MITOGEN_INT);

int main(int argc, char **argv)
{
	mitogen_error err = {0};
	mitogen_router router;

	mitogen_init(argc, argv); /* children that are not forked stay in here */
	load_table();
	router =
		mitogen_router_new(&err, .fork_server = true); /* forks are copies of what is now */
	for (int i = 1, count = 100; i <= CHILDREN; i++, count *= 10) {
		mitogen_context child = mitogen_fork(router, &err);
		char name[64];
		int found;

		mitogen_context_name(child, name, sizeof(name));
		if (mitogen_call(child, prime, &found, &err, count) == 0)
			printf("%s: prime number %d is %d\n", name, count, found);
	}
	return mitogen_finish(router, &err);
}
