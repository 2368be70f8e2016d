/* SPDX-License-Identifier: BSD-3-Clause */
/* The leaf locks, which are held around a fork while other threads go on. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fork.h"
#include "base/log.h"
#include "base/random.h"
#include "core/export.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_over; /* atomic */

static void drop(enum log_level level, const char *context, const char *line, void *user)
{
	(void)level;
	(void)context;
	(void)line;
	(void)user;
}

static void *take_locks(void *argument)
{
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
		random_u32();
		export_find("f", 1);
		log_write(LOG_ERROR, "a line");
	}
	return argument;
}

/* In the copy all locks are free: it would hang otherwise. */
static void a_copy_has_free_locks(void **state)
{
	pthread_t thread;

	(void)state;
	log_set(LOG_ERROR, drop, NULL);
	assert_int_equal(pthread_create(&thread, NULL, take_locks, NULL), 0);
	for (int i = 0; i < 50; i++) {
		int status;
		pid_t pid;

		assert_true(fork_lock(&lock));
		log_before_fork();
		random_before_fork();
		export_before_fork();
		pid = fork();
		export_after_fork();
		random_after_fork();
		log_after_fork();
		pthread_mutex_unlock(&lock);
		if (pid == 0) {
			pthread_mutex_lock(&lock);
			random_forget();
			export_find("f", 1);
			log_write(LOG_ERROR, "a line");
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	log_set(LOG_WARNING, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_has_free_locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
