/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions called for what comes to a port; threads send to it and close it. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mitogen/mitogen.h>

#include "base/sys.h"

#define THREADS 4
#define VALUES  1000

static mitogen_router router;
static mitogen_error err;
static unsigned values, after_the_last, last;
static sem_t called;

static void note(mitogen_message *m, void *user)
{
	assert_ptr_equal(user, &values);
	after_the_last += last;
	if (mitogen_message_event(m) == MITOGEN_EVENT_CLOSED) {
		assert_int_equal(mitogen_read(m, NULL), MITOGEN_ERR_CLOSED);
		last++;
	} else {
		values++;
	}
	sem_post(&called);
}

static int setup(void **state)
{
	static char name[] = "test";
	char *argv[] = {name, NULL};

	(void)state;
	mitogen_init(1, argv);
	err = (mitogen_error){0};
	values = after_the_last = last = 0;
	sem_init(&called, 0, 0);
	router = mitogen_router_new(&err);
	return router.ref ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mitogen_router_close(router);
	sem_destroy(&called);
	return 0;
}

static mitogen_handler make_handler(void)
{
	mitogen_handler handler = mitogen_handler_new(router, note, &err, .user = &values);

	assert_int_not_equal(handler.ref, 0);
	return handler;
}

static mitogen_sender to;

static void *send_values(void *argument)
{
	mitogen_error mine = {0};
	int r = 0;

	for (int i = 0; r == 0 && i < VALUES; i++)
		r = mitogen_send(to, &mine, i);
	*(int *)argument = r;
	return NULL;
}

static void start(pthread_t *threads, int *results)
{
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_values, &results[i]), 0);
}

static void called_for_each_value(void **state)
{
	pthread_t threads[THREADS];
	int results[THREADS];

	(void)state;
	to = mitogen_handler_sender(make_handler());
	start(threads, results);
	for (int i = 0; i < THREADS * VALUES; i++)
		sem_wait(&called);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(results[i], 0);
	}
	mitogen_router_close(router);
	assert_int_equal(values, THREADS * VALUES);
	assert_int_equal(last, 1);
	assert_int_equal(after_the_last, 0);
}

/* C8: one last call, whoever closes it, and whatever is sent meanwhile. */
static void nothing_comes_behind_the_last(void **state)
{
	for (int round = 0; round < 20; round++) {
		pthread_t threads[THREADS];
		mitogen_handler handler = make_handler();
		int results[THREADS];

		to = mitogen_handler_sender(handler);
		start(threads, results);
		sem_wait(&called);
		if (round % 2)
			mitogen_handler_close(handler);
		else
			mitogen_router_close(router);
		for (int i = 0; i < THREADS; i++) {
			pthread_join(threads[i], NULL);
			assert_true(results[i] == 0 || results[i] == MITOGEN_ERR_CLOSED);
		}
		mitogen_router_close(router);
		assert_int_equal(last, 1);
		assert_int_equal(after_the_last, 0);
		teardown(state);
		setup(state);
	}
}

static int left; /* allocations until there is no memory */

static void *some_calloc(size_t count, size_t size)
{
	return left-- > 0 ? calloc(count, size) : NULL;
}

static void *some_malloc(size_t size)
{
	return left-- > 0 ? malloc(size) : NULL;
}

static void without_memory_there_is_none(void **state)
{
	mitogen_handler handler = {0};
	int tries = 0;

	(void)state;
	for (; handler.ref == 0; tries++) {
		assert_true(tries < 20);
		left = tries;
		sys.calloc = some_calloc;
		sys.malloc = some_malloc;
		handler = mitogen_handler_new(router, note, &err, .user = &values);
		sys.calloc = calloc;
		sys.malloc = malloc;
		assert_true(handler.ref || err.code == MITOGEN_ERR_MEMORY);
	}
	assert_true(tries > 2);
	mitogen_router_close(router);
	assert_int_equal(last, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(called_for_each_value, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_comes_behind_the_last, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_there_is_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
