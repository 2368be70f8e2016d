/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "base/threads.h"

static sem_t started, go_on;
static char *printed;

static void block_all(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void wait_named(const char *name)
{
	prctl(PR_SET_NAME, name);
	sem_post(&started);
	while (sem_wait(&go_on) < 0)
		;
}

static void *answers(void *unused)
{
	(void)unused;
	wait_named("answers");
	return NULL;
}

static void *answers_as_ours(void *unused)
{
	(void)unused;
	block_all();
	threads_enter();
	wait_named("ours");
	return NULL;
}

static void *is_deaf(void *unused)
{
	(void)unused;
	block_all();
	wait_named("deaf");
	return NULL;
}

static void print(void)
{
	size_t size;
	FILE *out;

	free(printed);
	printed = NULL;
	out = open_memstream(&printed, &size);
	threads_write(out);
	fclose(out);
}

/* What is printed behind the line of the thread of this name. */
static const char *behind(const char *name)
{
	char wanted[32];
	const char *line;

	snprintf(wanted, sizeof(wanted), " \"%s\", state ", name);
	line = strstr(printed, wanted);
	assert_non_null(line);
	return strchr(line, '\n') + 1;
}

static void each_is_asked(void **state)
{
	void *(*const runs[])(void *) = {answers, answers_as_ours, is_deaf};
	pthread_t threads[3];

	(void)state;
	sem_init(&started, 0, 0);
	sem_init(&go_on, 0, 0);
	threads_enable();
	threads_enable();
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, runs[i], NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sem_wait(&started), 0);
	print();
	assert_int_equal(strncmp(behind("answers"), "  #0 0x", 7), 0);
	assert_int_equal(strncmp(behind("ours"), "  #0 0x", 7), 0);
	assert_int_equal(strncmp(behind("deaf"), "  it does not answer", 20), 0);
	for (int i = 0; i < 3; i++)
		sem_post(&go_on);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	free(printed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
