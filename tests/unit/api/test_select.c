/* SPDX-License-Identifier: BSD-3-Clause */
/* Selects over receivers of a router without children; many threads. */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "api/receiver.h"
#include "base/sys.h"
#include "core/latch.h"
#include "core/message.h"
#include "core/router.h"

#define THREADS   4
#define RECEIVERS 3
#define MESSAGES  1000

static mitogen_router router;
static mitogen_receiver receivers[RECEIVERS];
static mitogen_select select_; /* select is libc's */
static mitogen_error err;

static int setup(void **state)
{
	static char name[] = "test";
	char *argv[] = {name, NULL};

	(void)state;
	mitogen_init(1, argv);
	err = (mitogen_error){0};
	router = mitogen_router_new(&err);
	select_ = mitogen_select_new(router, &err);
	for (int i = 0; i < RECEIVERS; i++)
		receivers[i] = mitogen_receiver_new(router, &err);
	return receivers[RECEIVERS - 1].ref && select_.ref ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mitogen_router_close(router);
	return 0;
}

/* As the broker puts it there. */
static void put(mitogen_receiver receiver, uintptr_t number)
{
	struct api_router *api = api_pin(router.ref, NULL, NULL);
	struct latch *latch = receiver_latch(api, receiver, NULL, &(int){0});
	struct mitogen_message *m = message_new(0);

	m->tag = (void *)number;
	m->router_ref = router.ref;
	broker_lock(&api->router->broker);
	latch_put(latch, m, &api->router->broker.wakes);
	broker_unlock(&api->router->broker);
	latch_unref(latch);
	api_unpin(api);
}

static void add(int i)
{
	assert_int_equal(mitogen_select_add(select_, receivers[i], &err), 0);
}

static void expect_next(int i, uintptr_t number)
{
	MITOGEN_AUTO(message, m);

	assert_int_equal(mitogen_select_get(select_, &m, MITOGEN_FOREVER, &err), 1);
	assert_ptr_equal(mitogen_message_tag(m), number);
	assert_int_equal(mitogen_message_receiver(m).ref, receivers[i].ref);
	assert_int_equal(mitogen_message_receiver(m).router, router.ref);
}

static void expect_none(void)
{
	MITOGEN_AUTO(message, m);

	assert_int_equal(mitogen_select_get(select_, &m, 0, &err), 0);
}

static void expect_own(int i, uintptr_t number)
{
	MITOGEN_AUTO(message, m);

	assert_int_equal(mitogen_receiver_get(receivers[i], &m, 0, &err), 1);
	assert_ptr_equal(mitogen_message_tag(m), number);
}

static void all_that_comes_is_got_from_it(void **state)
{
	(void)state;
	put(receivers[0], 1);
	put(receivers[0], 2);
	for (int i = 0; i < RECEIVERS; i++)
		add(i);
	put(receivers[1], 3);
	put(receivers[2], 4);
	put(receivers[0], 5);
	expect_next(0, 1);
	expect_next(0, 2);
	expect_next(1, 3);
	expect_next(2, 4);
	expect_next(0, 5);
	expect_none();
}

static void what_was_not_got_goes_back(void **state)
{
	(void)state;
	add(0);
	add(1);
	for (uintptr_t i = 0; i < 6; i++)
		put(receivers[i % 2], i);
	expect_next(0, 0);
	assert_int_equal(mitogen_select_remove(select_, receivers[0], &err), 0);
	put(receivers[0], 6);
	for (uintptr_t i = 2; i <= 6; i += 2)
		expect_own(0, i);
	for (uintptr_t i = 1; i <= 5; i += 2)
		expect_next(1, i);
	expect_none();
	add(0); /* and again */
	put(receivers[0], 7);
	expect_next(0, 7);
}

static void closing_it_gives_all_back(void **state)
{
	MITOGEN_AUTO(message, m);

	(void)state;
	add(0);
	add(1);
	put(receivers[0], 1);
	put(receivers[1], 2);
	mitogen_select_close(select_);
	mitogen_select_close(select_);
	expect_own(0, 1);
	expect_own(1, 2);
	assert_int_equal(mitogen_select_get(select_, &m, MITOGEN_FOREVER, &err),
			 MITOGEN_ERR_CLOSED);
	assert_string_equal(err.text, "the select is closed");
	assert_int_equal(mitogen_select_add(select_, receivers[0], &err), MITOGEN_ERR_CLOSED);
	assert_int_equal(mitogen_select_fd(select_, &err), MITOGEN_ERR_CLOSED);
}

static void a_closed_receiver_is_no_member(void **state)
{
	(void)state;
	add(0);
	add(1);
	put(receivers[0], 1);
	put(receivers[1], 2);
	mitogen_receiver_close(receivers[0]);
	expect_next(1, 2);
	expect_none();
	assert_int_equal(mitogen_select_remove(select_, receivers[0], &err), MITOGEN_ERR_CLOSED);
	assert_int_equal(mitogen_select_add(select_, receivers[0], &err), MITOGEN_ERR_CLOSED);
}

static bool is_readable(int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	return poll(&readable, 1, 0) == 1;
}

static void its_descriptor_is_readable_while_there_is_one(void **state)
{
	int fd = mitogen_select_fd(select_, &err), own = mitogen_receiver_fd(receivers[0], &err);

	(void)state;
	assert_true(fd >= 3 && own >= 3);
	put(receivers[0], 1);
	assert_true(!is_readable(fd) && is_readable(own));
	add(0);
	assert_true(is_readable(fd) && !is_readable(own));
	expect_next(0, 1);
	assert_true(!is_readable(fd) && !is_readable(own));
	put(receivers[0], 2);
	put(receivers[0], 3);
	assert_true(is_readable(fd) && !is_readable(own));
	mitogen_select_remove(select_, receivers[0], &err);
	assert_true(!is_readable(fd) && is_readable(own));
	expect_own(0, 2);
	expect_own(0, 3);
	assert_true(!is_readable(own));
}

static void mistakes(void **state)
{
	mitogen_router other_router = mitogen_router_new(&err);
	mitogen_receiver other = mitogen_receiver_new(other_router, &err), none = {0};
	mitogen_select second = mitogen_select_new(router, &err), no_select = {0};
	MITOGEN_AUTO(message, m);

	(void)state;
	add(0);
	assert_int_equal(mitogen_select_add(select_, receivers[0], &err), MITOGEN_ERR_USAGE);
	assert_non_null(strstr(err.text, "this select"));
	assert_int_equal(mitogen_select_add(second, receivers[0], &err), MITOGEN_ERR_USAGE);
	assert_non_null(strstr(err.text, "another select"));
	assert_int_equal(mitogen_select_remove(second, receivers[0], &err), MITOGEN_ERR_USAGE);
	assert_int_equal(mitogen_select_remove(select_, receivers[1], &err), MITOGEN_ERR_USAGE);
	assert_int_equal(mitogen_receiver_get(receivers[0], &m, 0, &err), MITOGEN_ERR_USAGE);
	assert_string_equal(err.text, "the receiver is in a select: its messages come from there");
	assert_int_equal(mitogen_select_add(select_, other, &err), MITOGEN_ERR_USAGE);
	assert_non_null(strstr(err.text, "another router"));
	err.code = 0;
	assert_int_equal(mitogen_select_add(select_, none, &err), MITOGEN_ERR_USAGE);
	err.code = 0;
	assert_int_equal(mitogen_select_add(no_select, receivers[1], &err), MITOGEN_ERR_USAGE);
	err.code = 0;
	assert_int_equal(mitogen_select_get(no_select, &m, 0, &err), MITOGEN_ERR_USAGE);
	mitogen_select_close(no_select);
	mitogen_router_close(other_router);
}

static void *no_memory(size_t count, size_t size)
{
	(void)count;
	(void)size;
	return NULL;
}

static void without_memory_there_is_none(void **state)
{
	mitogen_select none;

	(void)state;
	sys.calloc = no_memory;
	none = mitogen_select_new(router, &err);
	sys.calloc = calloc;
	assert_int_equal(none.ref, 0);
	assert_int_equal(err.code, MITOGEN_ERR_MEMORY);
}

/* ---- Threads ---- */

static unsigned counts[RECEIVERS * MESSAGES];
static sem_t counted; /* once for each message */

static void count(mitogen_message *m)
{
	uintptr_t number = (uintptr_t)mitogen_message_tag(m);

	assert_int_equal(mitogen_message_receiver(m).ref, receivers[number / MESSAGES].ref);
	__atomic_add_fetch(&counts[number], 1, __ATOMIC_RELAXED);
	sem_post(&counted);
}

static void *get_until_closed(void *argument)
{
	MITOGEN_AUTO(message, m);
	mitogen_error mine = {0};
	int r;

	while ((r = mitogen_select_get(select_, &m, MITOGEN_FOREVER, &mine)) == 1)
		count(m);
	return r == MITOGEN_ERR_CLOSED && mine.code == r ? argument : NULL;
}

static void *put_many(void *argument)
{
	uintptr_t i = (uintptr_t)argument;

	for (uintptr_t k = 0; k < MESSAGES; k++)
		put(receivers[i], i * MESSAGES + k);
	return NULL;
}

static void start_getters(pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_until_closed, &select_), 0);
}

static void join_getters(pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++) {
		void *well;

		pthread_join(threads[i], &well);
		assert_non_null(well);
	}
}

/* While others wait and messages come, receivers are removed, read and added again. */
static void each_message_is_got_once(void **state)
{
	pthread_t getters[THREADS], putters[RECEIVERS];
	int seen = 0;

	(void)state;
	memset(counts, 0, sizeof(counts));
	sem_init(&counted, 0, 0);
	start_getters(getters);
	for (uintptr_t i = 0; i < RECEIVERS; i++) {
		add((int)i);
		assert_int_equal(pthread_create(&putters[i], NULL, put_many, (void *)i), 0);
	}
	for (int i = 0; seen < RECEIVERS * MESSAGES; i = (i + 1) % RECEIVERS) {
		MITOGEN_AUTO(message, m);

		while (sem_trywait(&counted) == 0)
			seen++;
		assert_int_equal(mitogen_select_remove(select_, receivers[i], &err), 0);
		if (mitogen_receiver_get(receivers[i], &m, 0, &err) == 1)
			count(m);
		add(i);
	}
	for (int i = 0; i < RECEIVERS; i++)
		pthread_join(putters[i], NULL);
	mitogen_select_close(select_);
	join_getters(getters);
	for (int i = 0; i < RECEIVERS * MESSAGES; i++)
		assert_int_equal(counts[i], 1);
	sem_destroy(&counted);
}

/* C12 */
static void closing_it_wakes_all(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		pthread_t getters[THREADS];

		add(0);
		start_getters(getters);
		mitogen_select_close(select_);
		join_getters(getters);
		select_ = mitogen_select_new(router, &err);
	}
}

static void closing_the_router_wakes_all(void **state)
{
	for (int round = 0; round < 20; round++) {
		pthread_t getters[THREADS];

		add(0);
		start_getters(getters);
		mitogen_router_close(router);
		join_getters(getters);
		setup(state);
	}
}

static void *get_from_the_receiver(void *argument)
{
	MITOGEN_AUTO(message, m);
	mitogen_error mine = {0};
	int r = mitogen_receiver_get(receivers[0], &m, MITOGEN_FOREVER, &mine);

	return r == MITOGEN_ERR_USAGE && mine.code == r ? argument : NULL;
}

/* Who waits on a receiver would wait for ever when it becomes a member. */
static void joining_wakes_who_waits_on_the_receiver(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		pthread_t threads[THREADS];

		for (int i = 0; i < THREADS; i++)
			assert_int_equal(
				pthread_create(&threads[i], NULL, get_from_the_receiver, &select_),
				0);
		add(0);
		join_getters(threads);
		assert_int_equal(mitogen_select_remove(select_, receivers[0], &err), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_that_comes_is_got_from_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_not_got_goes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_it_gives_all_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_closed_receiver_is_no_member, setup, teardown),
		cmocka_unit_test_setup_teardown(its_descriptor_is_readable_while_there_is_one,
						setup, teardown),
		cmocka_unit_test_setup_teardown(mistakes, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_there_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(each_message_is_got_once, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_it_wakes_all, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_the_router_wakes_all, setup, teardown),
		cmocka_unit_test_setup_teardown(joining_wakes_who_waits_on_the_receiver, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
