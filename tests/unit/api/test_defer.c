/* SPDX-License-Identifier: BSD-3-Clause */
/* Work for the broker thread, from many threads. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "base/sys.h"
#include "core/router.h"

#define THREADS 4

static mitogen_router router;
static mitogen_error err;

static int setup(void **state)
{
	char name[] = "test", *argv[] = {name, NULL};

	(void)state;
	err = (mitogen_error){0};
	mitogen_init(1, argv);
	router = mitogen_router_new(&err);
	return router.ref ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mitogen_router_close(router);
	return 0;
}

static unsigned accepted, run; /* atomic */

/* On the broker thread, so that the sanitizer would see if it ran on two threads. */
static unsigned run_on_one_thread;

static int count(mitogen_router here, void *user, mitogen_error *error)
{
	(void)user;
	(void)error;
	assert_int_equal(here.ref, router.ref);
	run_on_one_thread++;
	__atomic_add_fetch(&run, 1, __ATOMIC_RELAXED);
	return 0;
}

static void *defer_until_closed(void *argument)
{
	for (unsigned i = 0;; i++) {
		int r = i % 2 ? mitogen_defer(router, count, NULL, NULL)
			      : mitogen_defer_wait(router, count, NULL, NULL);

		if (r < 0)
			return r == MITOGEN_ERR_CLOSED ? NULL : argument;
		__atomic_add_fetch(&accepted, 1, __ATOMIC_RELAXED);
	}
}

static void accepted_work_is_done(void **state)
{
	for (int round = 0; round < 20; round++) {
		pthread_t threads[THREADS];

		accepted = run = 0;
		for (int i = 0; i < THREADS; i++)
			assert_int_equal(
				pthread_create(&threads[i], NULL, defer_until_closed, &err), 0);
		while (__atomic_load_n(&run, __ATOMIC_RELAXED) < 20)
			sched_yield();
		mitogen_router_close(router);
		for (int i = 0; i < THREADS; i++) {
			void *failed;

			pthread_join(threads[i], &failed);
			assert_null(failed);
		}
		assert_int_equal(accepted, run);
		assert_int_equal(setup(state), 0);
	}
}

static int is_on_broker(mitogen_router here, void *user, mitogen_error *error)
{
	struct api_router *api;

	(void)user;
	api = api_lock(here.ref, error, NULL); /* nobody holds the lock */
	if (!api)
		return error->code;
	assert_true(broker_is_current(&api->router->broker));
	assert_int_equal(api_check_wait(api, error), MITOGEN_ERR_DEADLOCK);
	api_unlock(api);
	return 4;
}

static void it_runs_on_the_broker_thread_without_the_lock(void **state)
{
	struct api_router *api;

	(void)state;
	assert_int_equal(mitogen_defer_wait(router, is_on_broker, NULL, &err), 4);
	assert_int_equal(err.code, 0);
	api = api_pin(router.ref, &err, NULL);
	assert_int_equal(api_check_wait(api, &err), 0);
	api_unpin(api);
}

static void *no_calloc(size_t number, size_t size)
{
	(void)number;
	(void)size;
	return NULL;
}

static void without_memory_nothing_runs(void **state)
{
	(void)state;
	run = 0;
	sys.calloc = no_calloc;
	assert_int_equal(mitogen_defer(router, count, NULL, &err), MITOGEN_ERR_MEMORY);
	assert_int_equal(mitogen_defer_wait(router, count, NULL, NULL), MITOGEN_ERR_MEMORY);
	sys.calloc = calloc;
	assert_int_equal(err.code, MITOGEN_ERR_MEMORY);
	assert_int_equal(mitogen_defer_wait(router, count, NULL, &err), 0);
	assert_int_equal(run, 1);
}

static void at_a_router_of_none_the_reason_stays(void **state)
{
	mitogen_router none = {0};

	(void)state;
	assert_int_equal(mitogen_defer(none, count, NULL, &err), MITOGEN_ERR_USAGE);
	err.code = MITOGEN_ERR_CONNECT;
	assert_int_equal(mitogen_defer(none, count, NULL, &err), MITOGEN_ERR_CONNECT);
	assert_int_equal(mitogen_defer_wait(none, count, NULL, &err), MITOGEN_ERR_CONNECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(accepted_work_is_done, setup, teardown),
		cmocka_unit_test_setup_teardown(it_runs_on_the_broker_thread_without_the_lock,
						setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_nothing_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(at_a_router_of_none_the_reason_stays, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
