/* SPDX-License-Identifier: BSD-3-Clause */
/* Public numbers and the routers behind them; many threads. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "base/clock.h"
#include "base/error.h"
#include "core/context.h"
#include "core/router.h"

#define THREADS 4
#define ROUTERS 64

static struct router router;
static struct api_router *api;
static mitogen_error err;

static int setup(void **state)
{
	(void)state;
	err = (mitogen_error){0};
	if (router_init(&router, 0, NULL, 0, "") < 0)
		return -1;
	api = api_add(&router);
	api->is_own = true;
	return api ? 0 : -1;
}

static void close_api(void)
{
	struct api_router *closing = api_begin_close(api->ref);

	assert_ptr_equal(closing, api);
	api_drain(api);
	api_remove(api);
}

static int teardown(void **state)
{
	(void)state;
	if (api)
		close_api();
	router_clear(&router);
	return 0;
}

/* ---- One thread ---- */

static void a_number_leads_to_its_router(void **state)
{
	int code = 7;

	(void)state;
	assert_int_equal(api->ref, router.api_ref);
	assert_ptr_equal(api_pin(api->ref, &err, &code), api);
	api_unpin(api);
	assert_ptr_equal(api_lock(api->ref, &err, &code), api);
	api_unlock(api);
	assert_int_equal(code, 7);
	assert_int_equal(err.code, 0);
}

static void stale_numbers_are_closed_ones(void **state)
{
	uint32_t stale = api->ref;
	int code = 0;

	close_api();
	assert_null(api_pin(stale, &err, &code));
	assert_int_equal(code, MITOGEN_ERR_CLOSED);
	assert_int_equal(err.code, MITOGEN_ERR_CLOSED);
	router_clear(&router);
	setup(state); /* in the same slot */
	assert_int_not_equal(api->ref, stale);
	assert_null(api_pin(stale, NULL, NULL));
	assert_null(api_begin_close(stale));
	assert_null(api_pin(4711, &err, &code));
	assert_int_equal(code, MITOGEN_ERR_CLOSED);
}

static void none_keeps_the_first_error(void **state)
{
	int code = 0;

	(void)state;
	assert_null(api_pin(0, &err, &code));
	assert_int_equal(code, MITOGEN_ERR_USAGE);
	error_set(&err, MITOGEN_ERR_CONNECT, "why it is none");
	assert_null(api_pin(0, &err, &code));
	assert_int_equal(code, MITOGEN_ERR_CONNECT);
	assert_string_equal(err.text, "why it is none");
	assert_null(api_begin_close(0));
}

static void contexts_are_looked_up(void **state)
{
	struct context *context = context_new(&router, 5, strdup("local.1")), *found = NULL;
	mitogen_context handle = api_context_handle(&router, context), here = handle;
	int code = 0;

	(void)state;
	assert_ptr_equal(api_lock_context(handle, &found, &err, &code), api);
	api_unlock(api);
	assert_ptr_equal(found, context);
	here.ref = MITOGEN_HERE;
	assert_ptr_equal(api_lock_context(here, &found, &err, &code), api);
	api_unlock(api);
	assert_int_equal(found->id, router.id);
	handle.ref += 100;
	assert_null(api_lock_context(handle, &found, &err, &code));
	assert_int_equal(code, MITOGEN_ERR_LOST);
	handle.ref = 0;
	assert_null(api_lock_context(handle, &found, &err, &code));
	assert_int_equal(code, MITOGEN_ERR_LOST); /* the first error, again */
	err.code = 0;
	assert_null(api_lock_context(handle, &found, &err, &code));
	assert_int_equal(code, MITOGEN_ERR_USAGE);
	assert_int_equal(api_context_handle(&router, NULL).ref, 0);
}

static void there_is_room_for_so_many(void **state)
{
	static struct router routers[ROUTERS];
	struct api_router *others[ROUTERS];
	int count = 0;

	(void)state;
	while (count < ROUTERS && (others[count] = api_add(&routers[count])) != NULL)
		count++;
	assert_int_equal(count, ROUTERS - 1);
	for (int i = 0; i < count; i++)
		api_remove(others[i]);
	others[0] = api_add(&routers[0]);
	assert_non_null(others[0]);
	api_remove(others[0]);
}

/* A child's router is not for its functions to close. */
static void only_ones_own_router_can_be_closed(void **state)
{
	(void)state;
	api->is_own = false;
	assert_null(api_begin_close(api->ref));
	assert_non_null(api_pin(api->ref, NULL, NULL));
	api_unpin(api);
	api->is_own = true;
}

static void a_copy_of_the_process_has_no_routers(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		int code = 0;
		mitogen_error mine = {0};

		if (api_pin(api->ref, &mine, &code) || code != MITOGEN_ERR_FORKED ||
		    mine.code != MITOGEN_ERR_FORKED)
			_exit(1);
		if (api_check_fork(NULL) != MITOGEN_ERR_FORKED || api_begin_close(api->ref))
			_exit(2);
		_exit(api_pin(0, &mine, &code) || code != MITOGEN_ERR_FORKED ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(api_check_fork(&err), 0);
}

/* ---- Many threads ---- */

static unsigned closers; /* atomic: who has closed it */
static bool is_freed;    /* by the one who did */

static void *pin_until_closed(void *argument)
{
	uint32_t ref = *(uint32_t *)argument;
	struct api_router *pinned;

	while ((pinned = api_lock(ref, NULL, NULL)) != NULL) {
		bool freed = is_freed; /* if it were written now, the sanitizer would see it */

		api_unlock(pinned);
		if (freed)
			return NULL;
	}
	return argument;
}

static void *close_it(void *argument)
{
	uint32_t ref = *(uint32_t *)argument;
	struct api_router *closing = api_begin_close(ref);

	if (closing) {
		__atomic_add_fetch(&closers, 1, __ATOMIC_RELAXED);
		api_drain(closing);
		is_freed = true;
		api_take_router(closing);
		api_remove(closing);
	}
	/* whoever closed it, it is closed now */
	return api_pin(ref, NULL, NULL) || !is_freed ? NULL : argument;
}

static void closed_once_when_nobody_is_inside(void **state)
{
	for (int round = 0; round < 50; round++) {
		pthread_t threads[2 * THREADS];
		uint32_t ref = api->ref;

		closers = 0;
		is_freed = false;
		for (int i = 0; i < 2 * THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL,
							i < THREADS ? pin_until_closed : close_it,
							&ref),
					 0);
		for (int i = 0; i < 2 * THREADS; i++) {
			void *well;

			pthread_join(threads[i], &well);
			assert_non_null(well);
		}
		assert_int_equal(closers, 1);
		router_clear(&router);
		setup(state);
	}
}

static void *begin_and_drain(void *argument)
{
	api_drain(api_begin_close(*(uint32_t *)argument));
	__atomic_store_n(&is_freed, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void closing_waits_for_who_is_inside(void **state)
{
	struct api_router *inside = api_pin(api->ref, &err, NULL), *another;
	pthread_t thread;
	uint32_t ref = api->ref;

	is_freed = false;
	assert_int_equal(pthread_create(&thread, NULL, begin_and_drain, &ref), 0);
	while ((another = api_pin(ref, &err, NULL)) != NULL) { /* until it is closing */
		api_unpin(another);
		sched_yield();
	}
	assert_int_equal(err.code, MITOGEN_ERR_CLOSED);
	assert_false(__atomic_load_n(&is_freed, __ATOMIC_SEQ_CST));
	api_unpin(inside);
	pthread_join(thread, NULL);
	assert_true(is_freed);
	api_remove(api);
	router_clear(&router);
	setup(state);
}

static void *close_too(void *argument)
{
	return api_begin_close(*(uint32_t *)argument);
}

/* Between the router's end and that of its number. */
static void nobody_looks_for_a_router_that_is_freed(void **state)
{
	struct api_router *closing = api_begin_close(api->ref);
	mitogen_router handle = {api->ref};
	pthread_t threads[THREADS];
	uint32_t ref = api->ref;

	api_drain(closing);
	api_take_router(closing);
	assert_false(mitogen_is_immediate_child(handle, 1, 1, NULL));
	assert_false(mitogen_has_parent_authority(handle, 0, 0, NULL));
	assert_null(api_pin(ref, &err, NULL));
	assert_int_equal(err.code, MITOGEN_ERR_CLOSED);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, close_too, &ref), 0);
	for (int i = 0; i < 100; i++)
		sched_yield(); /* some of them wait by now */
	api_remove(closing);
	for (int i = 0; i < THREADS; i++) {
		void *second;

		pthread_join(threads[i], &second);
		assert_null(second);
	}
	router_clear(&router);
	setup(state);
}

/* ---- A fork while the broker thread asks policies ---- */

static struct timer asking;
static bool was_wrong;    /* router lock */
static bool has_lock;     /* atomic: the broker thread holds the router lock */
static pid_t main_thread; /* which does nothing from then on but to fork */

/* It sleeps: the fork holds the table and waits for the router lock. */
static bool is_main_asleep(void)
{
	char path[64], line[512] = "";
	const char *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)main_thread);
	file = fopen(path, "re");
	if (file && !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		fclose(file);
	state = strrchr(line, ')');
	return state && state[1] && state[2] == 'S';
}

/* As the arrival of messages does: with the router lock. */
static void ask_policies(struct timer *timer)
{
	mitogen_router handle = {router.api_ref};

	(void)timer;
	__atomic_store_n(&has_lock, true, __ATOMIC_SEQ_CST);
	while (!is_main_asleep())
		sched_yield();
	was_wrong = !mitogen_has_parent_authority(handle, 0, 0, NULL) ||
		    mitogen_is_immediate_child(handle, 7, 7, NULL) ||
		    api_pin(handle.ref, NULL, NULL) || api_begin_close(handle.ref);
}

static void expect_whole(struct api_router *copied, bool is_whole)
{
	if (copied->ref != router.api_ref || !is_whole)
		_exit(1);
}

/* A copy finds the router whole: the fork has got its lock, which it would not if a policy waited for the
 * table, which the fork holds. */
static void policies_do_not_hinder_forks(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	was_wrong = has_lock = false;
	main_thread = (pid_t)syscall(SYS_gettid);
	asking.due = ask_policies;
	assert_int_equal(broker_start(&router.broker), 0);
	broker_lock(&router.broker);
	broker_set_timer(&router.broker, &asking, clock_deadline(0));
	broker_unlock(&router.broker);
	while (!__atomic_load_n(&has_lock, __ATOMIC_SEQ_CST))
		sched_yield();
	pid = fork();
	if (pid == 0) {
		api_drop_all(expect_whole);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	broker_lock(&router.broker);
	broker_stop(&router.broker);
	broker_unlock(&router.broker);
	pthread_join(router.broker.thread, NULL);
	router.broker.running = false;
	assert_false(was_wrong);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_number_leads_to_its_router, setup, teardown),
		cmocka_unit_test_setup_teardown(stale_numbers_are_closed_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(none_keeps_the_first_error, setup, teardown),
		cmocka_unit_test_setup_teardown(contexts_are_looked_up, setup, teardown),
		cmocka_unit_test_setup_teardown(there_is_room_for_so_many, setup, teardown),
		cmocka_unit_test_setup_teardown(only_ones_own_router_can_be_closed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_copy_of_the_process_has_no_routers, setup,
						teardown),
		cmocka_unit_test_setup_teardown(closed_once_when_nobody_is_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_waits_for_who_is_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_looks_for_a_router_that_is_freed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(policies_do_not_hinder_forks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
