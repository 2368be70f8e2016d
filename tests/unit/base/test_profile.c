/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/profile.h"

static char path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/profile-of-test-%d", (int)getpid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static void *spin(void *name)
{
	struct timespec used;

	if (name)
		prctl(PR_SET_NAME, name);
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	while (used.tv_sec == 0 && used.tv_nsec < 200000000);
	return NULL;
}

/* How often a thread was counted. */
static unsigned ticks_of(const char *thread)
{
	FILE *file = fopen(path, "r");
	char line[4096];
	unsigned ticks = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		assert_non_null(strrchr(line, ' '));
		if (strncmp(line, thread, strlen(thread)) == 0 && line[strlen(thread)] == ';')
			ticks += (unsigned)atoi(strrchr(line, ' '));
	}
	fclose(file);
	return ticks;
}

static void each_thread_is_counted(void **state)
{
	static char names[2][16] = {"first", "second"};
	struct sigaction action;
	pthread_t threads[2];

	(void)state;
	assert_int_equal(profile_begin(path), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, spin, names[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(profile_end(), 0);
	assert_true(ticks_of("first") > 0);
	assert_true(ticks_of("second") > 0);
	assert_int_equal(ticks_of("third"), 0);
	assert_int_equal(sigaction(SIGPROF, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_DFL);
}

static void own_handler(int number)
{
	(void)number;
}

static void one_at_a_time(void **state)
{
	(void)state;
	assert_int_equal(profile_end(), 0); /* nothing to end */
	assert_int_equal(profile_begin(path), 0);
	assert_int_equal(profile_begin(path), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(profile_end(), 0);
	signal(SIGPROF, own_handler);
	assert_int_equal(profile_begin(path), -1);
	assert_int_equal(errno, EBUSY);
	signal(SIGPROF, SIG_DFL);
	assert_int_equal(profile_begin("/no/such/directory/profile"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(profile_begin(path), 0);
	assert_int_equal(profile_end(), 0);
}

static void a_copy_writes_nothing(void **state)
{
	char name[] = "original";
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(profile_begin(path), 0);
	pid = fork();
	if (pid == 0) {
		profile_forget();
		profile_forget();
		spin(NULL);
		_exit(profile_end());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	spin(name);
	assert_int_equal(profile_end(), 0);
	assert_true(ticks_of("original") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_thread_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(one_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(a_copy_writes_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
