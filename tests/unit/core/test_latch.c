/* SPDX-License-Identifier: BSD-3-Clause */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>

#include "fixture.h"

#define THREADS  4
#define MESSAGES 2000

static pthread_mutex_t router_lock = PTHREAD_MUTEX_INITIALIZER;
static struct latch *latch;
static struct latch *wakes;

static int setup(void **state)
{
	(void)state;
	latch = latch_new();
	return latch ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	latch_unref(latch);
	return 0;
}

/* As the broker does it. */
static void unlock_and_wake(void)
{
	struct latch *list = wakes;

	wakes = NULL;
	pthread_mutex_unlock(&router_lock);
	latch_wake_all(list);
}

static void put(struct mitogen_message *m)
{
	pthread_mutex_lock(&router_lock);
	latch_put(latch, m, &wakes);
	unlock_and_wake();
}

static void close_latch(void)
{
	pthread_mutex_lock(&router_lock);
	latch_close(latch, &wakes);
	unlock_and_wake();
}

static struct mitogen_message *numbered(uintptr_t number)
{
	struct mitogen_message *m = message_new(0);

	assert_non_null(m);
	m->tag = (void *)number;
	return m;
}

static bool is_readable(int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	return poll(&readable, 1, 0) == 1;
}

static void first_in_first_out(void **state)
{
	(void)state;
	assert_true(latch_is_empty(latch));
	for (uintptr_t i = 1; i <= 3; i++)
		put(numbered(i));
	assert_false(latch_is_empty(latch));
	for (uintptr_t i = 1; i <= 3; i++) {
		struct mitogen_message *m = take(latch);

		assert_ptr_equal(m->tag, i);
		message_unref(m);
	}
	assert_true(latch_is_empty(latch));
}

static void nothing_in_time(void **state)
{
	struct mitogen_message *m = (struct mitogen_message *)&latch;

	(void)state;
	assert_int_equal(latch_get(latch, 0, &m), LATCH_TIMEOUT);
	assert_int_equal(latch_get(latch, clock_ms() + 2, &m), LATCH_TIMEOUT);
	assert_ptr_equal(m, &latch);
}

static void what_is_queued_comes_before_closed(void **state)
{
	struct mitogen_message *m;

	(void)state;
	put(numbered(1));
	close_latch();
	close_latch();
	put(numbered(2)); /* is dropped */
	m = take(latch);
	assert_ptr_equal(m->tag, 1);
	message_unref(m);
	assert_int_equal(latch_get(latch, CLOCK_NEVER, &m), LATCH_CLOSED);
}

static void last_reference_drops_messages(void **state)
{
	struct mitogen_message *m = numbered(1);

	(void)state;
	put(message_ref(m));
	latch_ref(latch);
	latch_unref(latch);
	assert_int_equal(m->references, 2);
	latch_unref(latch);
	latch = NULL;
	assert_int_equal(m->references, 1);
	message_unref(m);
}

/* ---- Threads ---- */

static unsigned counts[THREADS * MESSAGES];

static void *get_all(void *argument)
{
	struct mitogen_message *m;

	while (latch_get(latch, CLOCK_NEVER, &m) == LATCH_MESSAGE) {
		__atomic_add_fetch(&counts[(uintptr_t)m->tag], 1, __ATOMIC_RELAXED);
		message_unref(m);
	}
	return argument;
}

static void *put_many(void *argument)
{
	for (uintptr_t i = 0; i < MESSAGES; i++)
		put(numbered((uintptr_t)argument * MESSAGES + i));
	return NULL;
}

static void each_message_comes_once(void **state)
{
	pthread_t getters[THREADS], putters[THREADS];

	(void)state;
	memset(counts, 0, sizeof(counts));
	for (uintptr_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&getters[i], NULL, get_all, NULL), 0);
		assert_int_equal(pthread_create(&putters[i], NULL, put_many, (void *)i), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(putters[i], NULL);
	close_latch();
	for (int i = 0; i < THREADS; i++)
		pthread_join(getters[i], NULL);
	for (int i = 0; i < THREADS * MESSAGES; i++)
		assert_int_equal(counts[i], 1);
}

static void close_wakes_all(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_all, latch), 0);
	close_latch();
	for (int i = 0; i < THREADS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		assert_ptr_equal(result, latch);
	}
}

/* Its owner may let it go while it is in the list of those to be woken. */
static void lives_until_it_is_woken(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, get_all, NULL), 0);
	pthread_mutex_lock(&router_lock);
	latch_close(latch, &wakes);
	latch_ref(latch);
	unlock_and_wake();
	pthread_join(thread, NULL);
	latch_unref(latch);
	assert_int_equal(latch->references, 1);
}

/* ---- For other loops ---- */

static void event_fd_is_readable_while_there_is_something(void **state)
{
	struct mitogen_message *m;
	int fd = latch_event_fd(latch);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(latch_event_fd(latch), fd);
	assert_false(is_readable(fd));
	put(numbered(1));
	put(numbered(2));
	assert_true(is_readable(fd));
	message_unref(take(latch));
	assert_true(is_readable(fd));
	message_unref(take(latch));
	assert_false(is_readable(fd));
	put(numbered(3));
	assert_true(is_readable(fd));
	close_latch();
	message_unref(take(latch));
	assert_true(is_readable(fd));
	assert_int_equal(latch_get(latch, 0, &m), LATCH_CLOSED);
	assert_true(is_readable(fd));
}

static void event_fd_that_comes_late(void **state)
{
	(void)state;
	put(numbered(1));
	assert_true(is_readable(latch_event_fd(latch)));
	message_unref(take(latch));
	assert_false(is_readable(latch_event_fd(latch)));
	close_latch();
	assert_true(is_readable(latch_event_fd(latch)));
}

/* ---- One in place of others ---- */

static struct latch *other;

static void join_other(void)
{
	pthread_mutex_lock(&router_lock);
	latch_join(latch, other, &wakes);
	unlock_and_wake();
}

static void leave_other(void)
{
	pthread_mutex_lock(&router_lock);
	latch_leave(latch, &wakes);
	unlock_and_wake();
}

static void what_comes_goes_to_the_target_until_it_leaves(void **state)
{
	struct mitogen_message *m = NULL;

	(void)state;
	other = latch_new();
	latch->ref = 7;
	put(numbered(1));
	join_other();
	put(numbered(2));
	assert_int_equal(latch_get(latch, 0, &m), LATCH_JOINED);
	m = take(other);
	assert_ptr_equal(m->tag, 1);
	assert_int_equal(m->receiver_ref, 7);
	message_unref(m);
	leave_other();
	assert_true(latch_is_empty(other));
	m = take(latch);
	assert_ptr_equal(m->tag, 2);
	message_unref(m);
	put(numbered(3));
	assert_false(latch_is_empty(latch));
	assert_true(latch_is_empty(other));
	latch_unref(other);
}

/* Closed, it is so wherever its messages go. */
static void a_closed_one_takes_nothing_for_the_target(void **state)
{
	(void)state;
	other = latch_new();
	join_other();
	close_latch();
	put(numbered(1));
	assert_true(latch_is_empty(other));
	leave_other();
	latch_unref(other);
}

/* As in a forked copy, where the thread that holds it is not. */
static void one_that_is_locked_is_emptied(void **state)
{
	struct mitogen_message *lost = numbered(1), *m;

	(void)state;
	put(lost);
	pthread_mutex_lock(&router_lock);
	pthread_mutex_lock(&latch->lock);
	latch_distrust(true);
	assert_true(latch_put(latch, numbered(2), &wakes));
	latch_distrust(false);
	pthread_mutex_unlock(&router_lock);
	m = take(latch);
	assert_ptr_equal(m->tag, 2);
	message_unref(m);
	message_unref(lost);
	assert_true(latch_is_empty(latch));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(first_in_first_out, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_queued_comes_before_closed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(last_reference_drops_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(each_message_comes_once, setup, teardown),
		cmocka_unit_test_setup_teardown(close_wakes_all, setup, teardown),
		cmocka_unit_test_setup_teardown(lives_until_it_is_woken, setup, teardown),
		cmocka_unit_test_setup_teardown(event_fd_is_readable_while_there_is_something,
						setup, teardown),
		cmocka_unit_test_setup_teardown(event_fd_that_comes_late, setup, teardown),
		cmocka_unit_test_setup_teardown(what_comes_goes_to_the_target_until_it_leaves,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_closed_one_takes_nothing_for_the_target, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_that_is_locked_is_emptied, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
