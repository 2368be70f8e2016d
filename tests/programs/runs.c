/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs whose main is mitogen_run. argv[1] says what it does, argv[2] is a directory. */
#include <time.h>

#include "scenario.h"

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

static int hang(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	pause();
	return 0;
}
MITOGEN_EXPORT(hang);

/* CPU time here: it cannot be anywhere else. */
__attribute__((noinline)) static unsigned spin_in_here(clockid_t clock)
{
	struct timespec used;
	volatile unsigned sum = 0;

	do {
		for (unsigned i = 0; i < 1000000; i++)
			sum += i;
		clock_gettime(clock, &used);
	} while (used.tv_sec == 0 && used.tv_nsec < 300000000);
	return sum;
}

static int spin_on_broker(mitogen_router here, void *user, mitogen_error *error)
{
	(void)here;
	(void)user;
	(void)error;
	spin_in_here(CLOCK_THREAD_CPUTIME_ID);
	return 0;
}

static int spin(mitogen_router here, void *user, mitogen_error *error)
{
	(void)user;
	spin_in_here(CLOCK_THREAD_CPUTIME_ID);
	return mitogen_defer_wait(here, spin_on_broker, NULL, error);
}

/* Three children, of which one hangs: all are to be taken down. Notes each run in a file. */
static int work(mitogen_router here, void *user, mitogen_error *error)
{
	const char *what = user;
	mitogen_context children[3];
	FILE *file = fopen(path_of("runs"), "a");
	int sum = 0;

	fprintf(file, "%d\n", getpid());
	fclose(file);
	for (int i = 0; i < 3; i++) {
		children[i] = mitogen_local(here, error);
		if (mitogen_call(children[i], add, &sum, error, i, 1) < 0)
			return -1;
	}
	if (mitogen_call_no_reply(children[0], hang, error) < 0)
		return -1;
	if (strcmp(what, "returns") == 0)
		return sum;
	if (strcmp(what, "fails") == 0)
		return mitogen_fail(error, "KeyError", "no user here");
	if (strcmp(what, "fails_silently") == 0)
		return MITOGEN_ERR_TOO_BIG;
	mitogen_call_no_reply((mitogen_context){0}, add, error, 1, 2); /* and gets over it */
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argv[1];

	if (mitogen_is_child(argc, argv))
		return mitogen_run(argc, argv, work, NULL);
	directory = argv[2];
	if (strcmp(what, "no_router") == 0)
		return mitogen_run(argc, argv, work, argv[1], .max_message = SIZE_MAX);
	if (strcmp(what, "profiled") == 0)
		return mitogen_run(argc, argv, spin, argv[1], .profile = path_of("profile"));
	if (strcmp(what, "unprofiled") == 0)
		return mitogen_run(argc, argv, spin, argv[1], .profile = path_of("none/profile"));
	if (strcmp(what, "loud") == 0)
		return mitogen_run(argc, argv, work, argv[1], .log_level = MITOGEN_LOG_INFO,
				   .shutdown_ms = 100);
	return mitogen_run(argc, argv, work, argv[1], .shutdown_ms = 100);
}
