/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"

static char got[8192]; /* what the sink was given, or what would be written to stderr */
static int lines;

static void sink(enum log_level level, const char *context, const char *line, void *user)
{
	assert_ptr_equal(user, got);
	snprintf(got, sizeof(got), "%d %s|%s", level, context, line);
	lines++;
}

static ssize_t keep_write(int fd, const void *data, size_t size)
{
	assert_int_equal(fd, 2);
	memcpy(got, data, size);
	got[size] = '\0';
	lines++;
	return (ssize_t)size;
}

static int64_t now; /* what the clock says, unless 0 */

static int fake_clock(clockid_t clock, struct timespec *ret)
{
	if (now == 0)
		return clock_gettime(clock, ret);
	*ret = clock_timespec(now);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	got[0] = '\0';
	lines = 0;
	sys.write = keep_write;
	sys.clock_gettime = fake_clock;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set(LOG_WARNING, NULL, NULL);
	log_deliver();
	sys.write = write;
	return 0;
}

static void only_up_to_the_level(void **state)
{
	(void)state;
	log_set(LOG_WARNING, sink, got);
	assert_int_equal(log_get_level(), LOG_WARNING);
	log_write(LOG_INFO, "%s", "unseen");
	log_relay(LOG_DEBUG, "web", "unseen");
	assert_int_equal(lines, 0);
	log_write(LOG_WARNING, "seen %d", 1);
	assert_string_equal(got, "2 |seen 1");
	log_relay(LOG_ERROR, "web", "its line %s");
	assert_string_equal(got, "1 web|its line %s");
	assert_int_equal(lines, 2);
}

static void to_stderr_if_nobody_takes_it(void **state)
{
	(void)state;
	log_set(LOG_DEBUG, NULL, NULL);
	log_write(LOG_DEBUG, "a line");
	assert_string_equal(got, "mitogen: debug: a line\n");
	log_relay(LOG_WARNING, "web", "its line");
	assert_string_equal(got, "[web] its line\n");
	assert_int_equal(lines, 2);
}

/* One write, and a whole line, whatever its length. */
static void long_lines_are_cut(void **state)
{
	char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_set(LOG_DEBUG, NULL, NULL);
	log_write(LOG_ERROR, "%s", text);
	assert_int_equal(lines, 1);
	assert_true(strlen(got) > 2000);
	assert_int_equal(got[strlen(got) - 1], '\n');
	assert_int_equal(got[strlen(got) - 2], 'x');
}

/* ---- A stderr that takes nothing ---- */

static int real_stderr;

/* stderr becomes a pipe; the end from which it can be read. */
static int setup_pipe(void **state)
{
	static int reader;
	int fds[2];

	setup(state);
	sys.write = write;
	real_stderr = fd_dup_high(STDERR_FILENO);
	if (fd_pipe(fds) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
		return -1;
	fd_close(fds[1]);
	reader = fds[0];
	*state = &reader;
	log_set(LOG_WARNING, NULL, NULL);
	return 0;
}

static int teardown_pipe(void **state)
{
	dup2(real_stderr, STDERR_FILENO);
	fd_close(real_stderr);
	fd_close(*(int *)*state);
	return teardown(state);
}

static void nobody_reads_stderr(void **state)
{
	int *reader = *state;
	sigset_t pending;

	fd_close(*reader);
	*reader = -1;
	log_write(LOG_ERROR, "no SIGPIPE comes of this");
	assert_int_equal(sigpending(&pending), 0);
	assert_false(sigismember(&pending, SIGPIPE));
	close(STDERR_FILENO);
	log_write(LOG_ERROR, "nor does it harm");
}

/* A signal of the program's own is left to it. */
static void a_pending_sigpipe_stays(void **state)
{
	int *reader = *state;
	sigset_t set, pending;
	int number;

	fd_close(*reader);
	*reader = -1;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	raise(SIGPIPE);
	log_write(LOG_ERROR, "a line");
	assert_int_equal(sigpending(&pending), 0);
	assert_true(sigismember(&pending, SIGPIPE));
	sigwait(&set, &number);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void a_full_stderr_is_not_waited_for(void **state)
{
	const int *reader = *state;
	char text[65536];
	ssize_t n;

	fd_set_nonblocking(*reader);
	fd_set_nonblocking(STDERR_FILENO);
	memset(text, 'x', sizeof(text));
	while (write(STDERR_FILENO, text, sizeof(text)) > 0)
		;
	log_write(LOG_ERROR, "one");
	log_write(LOG_ERROR, "two");
	assert_false(log_relay(LOG_ERROR, "web", "three")); /* who has it keeps it */
	while (read(*reader, text, sizeof(text)) > 0)
		;
	assert_true(log_relay(LOG_ERROR, "web", "three"));
	log_write(LOG_ERROR, "four");
	n = read(*reader, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "[web] three\n"
				  "mitogen: error: one\n"
				  "mitogen: error: two\n"
				  "mitogen: error: four\n");
}

/* ---- Handing over ---- */

static int wakes;

static void count_wake(struct log_courier *courier)
{
	(void)courier;
	wakes++;
}

static struct log_courier courier = {.wake = count_wake};

static int setup_courier(void **state)
{
	wakes = 0;
	log_add_courier(&courier);
	return setup(state);
}

static int teardown_courier(void **state)
{
	log_remove_courier(&courier);
	return teardown(state);
}

static void who_logs_calls_nobody(void **state)
{
	(void)state;
	log_set(LOG_WARNING, sink, got);
	log_write(LOG_WARNING, "one");
	log_write(LOG_ERROR, "two");
	assert_int_equal(lines, 0);
	assert_true(wakes > 0);
	assert_true(log_deliver());
	assert_int_equal(lines, 2);
	assert_string_equal(got, "1 |two");
}

static void the_last_courier_leaves_nothing(void **state)
{
	(void)state;
	log_set(LOG_WARNING, sink, got);
	log_write(LOG_WARNING, "one");
	log_remove_courier(&courier);
	assert_string_equal(got, "2 |one");
	log_write(LOG_WARNING, "two"); /* nobody else will */
	assert_string_equal(got, "2 |two");
	log_add_courier(&courier);
}

static void sink_that_logs(enum log_level level, const char *context, const char *line, void *user)
{
	sink(level, context, line, user);
	log_write(LOG_ERROR, "a line about a line");
	log_deliver();
	log_forward_now();
	assert_int_equal(lines, 1);
}

static void a_sink_that_logs_makes_no_loop(void **state)
{
	(void)state;
	log_set(LOG_WARNING, sink_that_logs, got);
	log_write(LOG_ERROR, "a line");
	assert_true(log_deliver());
	assert_string_equal(got, "1 |a line");
	lines = 0;
	assert_true(log_relay(LOG_ERROR, "web", "its line"));
	assert_string_equal(got, "1 web|its line");
	assert_true(log_deliver());
	assert_int_equal(lines, 1);
}

static bool takes;

static bool forward(enum log_level level, const char *line, void *user)
{
	if (takes)
		sink(level, "-", line, user);
	return takes;
}

static void what_is_not_taken_is_kept(void **state)
{
	(void)state;
	takes = false;
	log_set_forward(LOG_WARNING, forward, got);
	log_write(LOG_WARNING, "one");
	log_write(LOG_WARNING, "two");
	assert_false(log_deliver());
	log_forward_now();
	assert_int_equal(lines, 0);
	takes = true;
	log_forward_now();
	assert_int_equal(lines, 2);
	assert_string_equal(got, "2 -|two");
	log_unset(got);
	log_write(LOG_WARNING, "three");
	assert_string_equal(got, "mitogen: warning: three\n");
}

/* Somebody else's place is left alone. */
static void unset_by_its_user_alone(void **state)
{
	(void)state;
	log_set(LOG_WARNING, sink, got);
	log_unset(&lines);
	log_write(LOG_WARNING, "one");
	log_deliver();
	assert_string_equal(got, "2 |one");
}

/* ---- Too much ---- */

static void a_flood_is_dropped_and_counted(void **state)
{
	(void)state;
	now = clock_ms() + 60000; /* what other tests have used is made good */
	log_set(LOG_WARNING, sink, got);
	for (int i = 0; i < 15000; i++) {
		log_write(LOG_WARNING, "line %d", i);
		log_deliver();
	}
	assert_int_equal(lines, 10000);
	assert_string_equal(got, "2 |line 9999");
	now += 1000;
	lines = 0;
	for (int i = 0; i < 5000; i++) {
		log_write(LOG_WARNING, "line %d", i);
		log_deliver();
		if (lines == 1)
			assert_string_equal(got, "2 |5000 log lines were dropped");
	}
	assert_int_equal(lines, 1001);
	log_remove_courier(&courier); /* at the end it is said at once */
	assert_string_equal(got, "2 |4000 log lines were dropped");
	log_add_courier(&courier);
	now = 0;
}

/* Nobody fetches them: memory is bounded before the quota is used up. */
static void the_queue_is_bounded(void **state)
{
	char text[1500];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_set(LOG_WARNING, sink, got);
	for (int i = 0; i < 1000; i++)
		log_write(LOG_WARNING, "%s", text);
	log_deliver();
	assert_true(lines > 100 && lines < 200);
	log_write(LOG_WARNING, "at last");
	log_deliver();
	assert_string_equal(got, "2 |at last");
}

/* ---- Many threads ---- */

#define THREADS 4
#define ROUNDS  500

static int inside, seen;
static bool is_over;
static sem_t fetch;

static void count_alone(enum log_level level, const char *context, const char *line, void *user)
{
	(void)level;
	(void)context;
	(void)user;
	assert_int_equal(__atomic_add_fetch(&inside, 1, __ATOMIC_RELAXED), 1);
	assert_non_null(strstr(line, "line"));
	seen++; /* a race, unless one at a time */
	__atomic_sub_fetch(&inside, 1, __ATOMIC_RELAXED);
}

static void post_fetch(struct log_courier *unused)
{
	(void)unused;
	sem_post(&fetch);
}

static void *log_many(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		log_write(LOG_WARNING, "line %d", i);
		while (!log_relay(LOG_WARNING, "web", "its line"))
			;
	}
	return unused;
}

static void *fetch_many(void *unused)
{
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		sem_wait(&fetch);
		log_deliver();
	}
	return unused;
}

static void one_thread_at_a_time(void **state)
{
	struct log_courier couriers[] = {{.wake = post_fetch}, {.wake = post_fetch}};
	pthread_t writers[THREADS], fetchers[2];

	(void)state;
	sem_init(&fetch, 0, 0);
	log_set(LOG_WARNING, count_alone, &seen);
	for (int i = 0; i < 2; i++) {
		log_add_courier(&couriers[i]);
		pthread_create(&fetchers[i], NULL, fetch_many, NULL);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_create(&writers[i], NULL, log_many, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(writers[i], NULL);
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		sem_post(&fetch);
	for (int i = 0; i < 2; i++)
		pthread_join(fetchers[i], NULL);
	for (int i = 0; i < 2; i++)
		log_remove_courier(&couriers[i]);
	log_unset(&seen);
	assert_int_equal(seen, 2 * THREADS * ROUNDS);
	sem_destroy(&fetch);
}

static void levels_are_parsed(void **state)
{
	(void)state;
	assert_int_equal(log_parse_level("debug", LOG_ERROR), LOG_DEBUG);
	assert_int_equal(log_parse_level("Warning", LOG_ERROR), LOG_WARNING);
	assert_int_equal(log_parse_level("1", LOG_DEBUG), LOG_ERROR);
	assert_int_equal(log_parse_level("4", LOG_ERROR), LOG_DEBUG);
	assert_int_equal(log_parse_level("5", LOG_INFO), LOG_INFO);
	assert_int_equal(log_parse_level("0", LOG_INFO), LOG_INFO);
	assert_int_equal(log_parse_level("44", LOG_INFO), LOG_INFO);
	assert_int_equal(log_parse_level("", LOG_INFO), LOG_INFO);
	assert_int_equal(log_parse_level(NULL, LOG_INFO), LOG_INFO);
}

static void the_level_alone(void **state)
{
	(void)state;
	log_set(LOG_WARNING, sink, got);
	log_set_level(LOG_NOTHING);
	log_write(LOG_ERROR, "unseen");
	log_set_level(LOG_INFO);
	log_write(LOG_INFO, "seen");
	assert_int_equal(lines, 1);
	assert_string_equal(got, "3 |seen");
}

/* And where it goes, which is not there. */
static void a_copy_forgets_what_waits(void **state)
{
	(void)state;
	log_set(LOG_WARNING, sink, got);
	log_write(LOG_WARNING, "of the original");
	assert_false(log_is_empty());
	log_before_fork();
	log_after_fork();
	log_forget();
	assert_true(log_is_empty());
	log_write(LOG_WARNING, "of the copy");
	assert_int_equal(lines, 1);
	assert_string_equal(got, "mitogen: warning: of the copy\n");
	assert_int_equal(wakes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_up_to_the_level, setup, teardown),
		cmocka_unit_test_setup_teardown(to_stderr_if_nobody_takes_it, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(levels_are_parsed, setup, teardown),
		cmocka_unit_test_setup_teardown(the_level_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_copy_forgets_what_waits, setup_courier,
						teardown_courier),
		cmocka_unit_test_setup_teardown(nobody_reads_stderr, setup_pipe, teardown_pipe),
		cmocka_unit_test_setup_teardown(a_pending_sigpipe_stays, setup_pipe, teardown_pipe),
		cmocka_unit_test_setup_teardown(a_full_stderr_is_not_waited_for, setup_pipe,
						teardown_pipe),
		cmocka_unit_test_setup_teardown(who_logs_calls_nobody, setup_courier,
						teardown_courier),
		cmocka_unit_test_setup_teardown(the_last_courier_leaves_nothing, setup_courier,
						teardown_courier),
		cmocka_unit_test_setup_teardown(a_sink_that_logs_makes_no_loop, setup_courier,
						teardown_courier),
		cmocka_unit_test_setup_teardown(what_is_not_taken_is_kept, setup_courier,
						teardown_courier),
		cmocka_unit_test_setup_teardown(unset_by_its_user_alone, setup_courier,
						teardown_courier),
		cmocka_unit_test_setup_teardown(one_thread_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(the_queue_is_bounded, setup_courier,
						teardown_courier),
		cmocka_unit_test_setup_teardown(a_flood_is_dropped_and_counted, setup_courier,
						teardown_courier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
