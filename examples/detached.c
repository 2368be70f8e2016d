/* SPDX-License-Identifier: BSD-3-Clause */
/* A detached child: it goes on when this program has ended, and writes what it did to a file. */
#include <mitogen/mitogen.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int outlive(mitogen_message *m, mitogen_error *error) /* runs in the child */
{
	const struct timespec moment = {.tv_nsec = 10000000};
	pid_t pid, parent = getppid();
	const char *path;
	FILE *file;
	int r = mitogen_read(m, error, &pid, &path);

	if (r < 0)
		return r;
	while (parent == pid && getppid() == parent)
		nanosleep(&moment, NULL);
	file = fopen(path, "w");
	if (!file)
		return mitogen_fail_errno(error, "cannot write %s", path);
	fprintf(file, "process %d has ended, process %d has not\n", (int)pid, (int)getpid());
	fclose(file);
	return 0;
}
MITOGEN_EXPORT(outlive, MITOGEN_INT, MITOGEN_BYTES);

int main(int argc, char **argv)
{
	mitogen_error err = {0};
	mitogen_router router = mitogen_start(argc, argv, &err);
	mitogen_context child = mitogen_local(router, &err);
	mitogen_value path = mitogen_path(argc > 1 ? argv[1] : "/dev/null");

	/* what it is to do first: afterwards it cannot be reached */
	if (mitogen_call_no_reply(child, outlive, &err, getpid(), path) == 0 &&
	    mitogen_context_detach(child, &err) == 0)
		printf("process %d ends, its child goes on\n", (int)getpid());
	return mitogen_finish(router, &err);
}
