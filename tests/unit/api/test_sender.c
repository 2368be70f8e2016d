/* SPDX-License-Identifier: BSD-3-Clause */
/* Values that threads of one process send to a receiver of the same; who waits for room. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "core/router.h"
#include "core/window.h"

#define THREADS 4
#define VALUES  500
#define SIZE    4096 /* of a value: all of them are more than may be sent ahead */

static mitogen_router router;
static mitogen_receiver receiver;
static mitogen_sender to;
static mitogen_error err;

static int setup(void **state)
{
	static char name[] = "test";
	char *argv[] = {name, NULL};

	(void)state;
	mitogen_init(1, argv);
	err = (mitogen_error){0};
	router = mitogen_router_new(&err);
	receiver = mitogen_receiver_new(router, &err);
	to = mitogen_receiver_sender(receiver, &err);
	return to.handle ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mitogen_router_close(router);
	return 0;
}

static char some[SIZE];

static void *send_values(void *argument)
{
	mitogen_error mine = {0};

	for (int i = 0; i < VALUES; i++)
		if (mitogen_send(to, &mine, (int)(uintptr_t)argument, i,
				 mitogen_bytes_of(some, sizeof(some))) < 0)
			return NULL;
	return &to;
}

static void *send_until_it_fails(void *argument)
{
	mitogen_error mine = {0};

	while (mitogen_send(to, &mine, mitogen_bytes_of(some, sizeof(some))) == 0)
		;
	*(int *)argument = mine.code;
	return &to;
}

static void join_well(pthread_t thread)
{
	void *well;

	pthread_join(thread, &well);
	assert_non_null(well);
}

static void all_of_it_comes_in_each_threads_order(void **state)
{
	pthread_t threads[THREADS];
	int next[THREADS] = {0};

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_values, (void *)i), 0);
	for (int i = 0; i < THREADS * VALUES; i++) {
		MITOGEN_AUTO(message, m);
		mitogen_bytes bytes;
		int thread, number;

		assert_int_equal(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err), 1);
		assert_int_equal(mitogen_read(m, &err, &thread, &number, &bytes), 0);
		assert_int_equal(number, next[thread]++);
		assert_int_equal(bytes.size, SIZE);
	}
	for (int i = 0; i < THREADS; i++)
		join_well(threads[i]);
}

static void no_longer_than_the_limit(void **state)
{
	int r = 0, sent = 0;

	(void)state;
	while (r == 0) {
		r = mitogen_send(mitogen_within(to, 5), &err, mitogen_bytes_of(some, sizeof(some)));
		sent += r == 0;
	}
	assert_int_equal(r, MITOGEN_ERR_TIMEOUT);
	assert_in_range(sent, WINDOW_FIRST / (SIZE + 16), WINDOW_FIRST / SIZE);
}

/* What the threads get that wait for room while end() is called. */
static void end_while_threads_send(void (*end)(void), int code)
{
	pthread_t threads[THREADS];
	int codes[THREADS] = {0};

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_until_it_fails, &codes[i]),
				 0);
	for (unsigned i = 0; i < WINDOW_FIRST / (SIZE + 16); i++) {
		MITOGEN_AUTO(message, m);

		assert_int_equal(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err), 1);
	}
	end();
	for (int i = 0; i < THREADS; i++) {
		join_well(threads[i]);
		assert_int_equal(codes[i], code);
	}
}

static void close_receiver(void)
{
	mitogen_receiver_close(receiver);
}

static void close_router(void)
{
	mitogen_router_close(router);
}

/* C12, for those who send. */
static void closing_wakes_who_waits_for_room(void **state)
{
	for (int round = 0; round < 10; round++) {
		end_while_threads_send(close_receiver, MITOGEN_ERR_CLOSED);
		teardown(state);
		setup(state);
		end_while_threads_send(close_router, MITOGEN_ERR_CLOSED);
		setup(state);
	}
}

static void *close_again_and_again(void *argument)
{
	for (int i = 0; i < 100; i++)
		mitogen_sender_close(to);
	return argument;
}

/* An end for each close, whatever is sent in between. */
static void each_close_is_told(void **state)
{
	pthread_t sender, closer;
	int code, ends = 0;

	(void)state;
	assert_int_equal(pthread_create(&sender, NULL, send_until_it_fails, &code), 0);
	assert_int_equal(pthread_create(&closer, NULL, close_again_and_again, &code), 0);
	while (ends < 100) {
		MITOGEN_AUTO(message, m);

		assert_int_equal(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err), 1);
		ends += mitogen_read(m, &err) == MITOGEN_ERR_CLOSED;
	}
	pthread_join(closer, NULL);
	mitogen_receiver_close(receiver);
	join_well(sender);
	assert_int_equal(code, MITOGEN_ERR_CLOSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_of_it_comes_in_each_threads_order, setup,
						teardown),
		cmocka_unit_test_setup_teardown(no_longer_than_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_wakes_who_waits_for_room, setup, teardown),
		cmocka_unit_test_setup_teardown(each_close_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
