/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers that the program forks join its router, and share the context that it has connected. */
#include <inttypes.h>
#include <mitogen/mitogen.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 3

static int square(mitogen_message *m, mitogen_error *error) /* runs in the child */
{
	int64_t a;
	int r = mitogen_read(m, error, &a);

	return r < 0 ? r : mitogen_reply(m, error, a * a);
}
MITOGEN_EXPORT(square, MITOGEN_INT);

/* In a copy of the program, which could as well be another one that knows the path. */
static int work(const char *path, uint32_t child_id, int number)
{
	mitogen_error err = {0};
	mitogen_router router;
	mitogen_context child;
	int64_t result;

	mitogen_after_fork(); /* the router that was copied is not ours */
	router = mitogen_join(path, &err);
	child = mitogen_context_by_id(router, child_id);
	if (mitogen_call(child, square, &result, &err, number) == 0)
		printf("%d * %d = %" PRId64 "\n", number, number, result);
	fflush(stdout);
	return mitogen_finish(router, &err); /* leaves; the other router stays as it is */
}

int main(int argc, char **argv)
{
	mitogen_error err = {0};
	mitogen_router router = mitogen_start(argc, argv, &err);
	mitogen_context child = mitogen_local(router, &err);
	mitogen_listener listener = mitogen_listen(router, &err);
	uint32_t child_id = mitogen_context_id(child);
	pid_t workers[WORKERS];
	char path[128];

	mitogen_listener_path(listener, path, sizeof(path));
	for (int i = 0; i < WORKERS && err.code == MITOGEN_OK; i++)
		if ((workers[i] = fork()) == 0)
			_exit(work(path, child_id, i + 1));
	for (int i = 0; i < WORKERS && err.code == MITOGEN_OK; i++)
		waitpid(workers[i], NULL, 0);
	return mitogen_finish(router, &err);
}
