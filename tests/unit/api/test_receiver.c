/* SPDX-License-Identifier: BSD-3-Clause */
/* Public receivers, of a router without children; many threads. */
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

#define THREADS  4
#define MESSAGES 1000

static mitogen_router router;
static mitogen_receiver receiver;
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
	return receiver.ref ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mitogen_router_close(router);
	return 0;
}

/* As the broker puts it there. */
static void put_message(struct mitogen_message *m)
{
	struct api_router *api = api_pin(router.ref, NULL, NULL);
	struct latch *latch = receiver_latch(api, receiver, NULL, &(int){0});

	broker_lock(&api->router->broker);
	latch_put(latch, m, &api->router->broker.wakes);
	broker_unlock(&api->router->broker);
	latch_unref(latch);
	api_unpin(api);
}

static void put(uintptr_t number)
{
	struct mitogen_message *m = message_new(0);

	m->tag = (void *)number;
	put_message(m);
}

static int get(mitogen_message **ret, int timeout_ms)
{
	return mitogen_receiver_get(receiver, ret, timeout_ms, &err);
}

static void what_was_held_is_exchanged(void **state)
{
	MITOGEN_AUTO(message, m);

	(void)state;
	put(1);
	put(2);
	assert_int_equal(get(&m, MITOGEN_FOREVER), 1);
	assert_ptr_equal(mitogen_message_tag(m), 1);
	assert_int_equal(get(&m, 0), 1);
	assert_ptr_equal(mitogen_message_tag(m), 2);
	assert_int_equal(get(&m, 0), 0);
	assert_int_equal(get(&m, -1), 0);
	assert_int_equal(get(&m, 2), 0);
	assert_ptr_equal(mitogen_message_tag(m), 2);
}

static void its_descriptor_is_readable_while_there_is_one(void **state)
{
	MITOGEN_AUTO(message, m);
	struct pollfd readable = {.fd = mitogen_receiver_fd(receiver, &err), .events = POLLIN};

	(void)state;
	assert_true(readable.fd >= 3);
	assert_int_equal(poll(&readable, 1, 0), 0);
	put(1);
	assert_int_equal(poll(&readable, 1, 0), 1);
	assert_int_equal(get(&m, 0), 1);
	assert_int_equal(poll(&readable, 1, 0), 0);
}

static int times_released;

static void note_release(struct router *of, const struct mitogen_message *m)
{
	assert_int_equal(of->api_ref, router.ref);
	times_released += m->tag == &times_released;
}

static void put_watched(void)
{
	struct mitogen_message *m = message_new(0);

	m->tag = &times_released;
	m->router_ref = router.ref;
	m->released = note_release;
	put_message(m);
}

/* Who sent it wants to know: with the last reference of the user's, whichever way that goes. */
static void released_once(void **state)
{
	mitogen_message *m = NULL, *same;

	(void)state;
	times_released = 0;
	put_watched();
	put_watched();
	assert_int_equal(get(&m, 0), 1);
	same = mitogen_message_ref(m);
	assert_int_equal(get(&m, 0), 1);
	assert_int_equal(times_released, 0);
	mitogen_message_unref(same);
	assert_int_equal(times_released, 1);
	put(1);
	assert_int_equal(get(&m, 0), 1);
	assert_int_equal(times_released, 2);
	mitogen_message_unref(m);
	mitogen_message_unref(NULL);
	assert_int_equal(times_released, 2);
}

static void closing_a_receiver_releases_what_is_in_it(void **state)
{
	(void)state;
	times_released = 0;
	put_watched();
	put_watched();
	mitogen_receiver_close(receiver);
	assert_int_equal(times_released, 2);
}

/* As the library drops it, which holds locks then. */
static void dropped_is_not_released(void **state)
{
	struct mitogen_message *m = message_new(0);

	(void)state;
	times_released = 0;
	m->tag = &times_released;
	m->released = note_release;
	message_unref(m);
	put_watched();
	mitogen_router_close(router);
	assert_int_equal(times_released, 0);
}

static void a_failure_is_a_message(void **state)
{
	static const mitogen_error why = {.code = MITOGEN_ERR_LOST, .text = "its process exited"};
	MITOGEN_AUTO(message, m);
	struct mitogen_message *failed = message_new(0);
	int number;

	(void)state;
	message_set_failure(failed, &why);
	put_message(failed);
	assert_int_equal(get(&m, 0), 1);
	assert_int_equal(mitogen_read(m, &err, &number), MITOGEN_ERR_LOST);
	assert_string_equal(err.text, "its process exited");
}

static void *no_memory(size_t count, size_t size)
{
	(void)count;
	(void)size;
	return NULL;
}

static void without_memory_there_is_none(void **state)
{
	mitogen_receiver none;

	(void)state;
	sys.calloc = no_memory;
	none = mitogen_receiver_new(router, &err);
	sys.calloc = calloc;
	assert_int_equal(none.ref, 0);
	assert_int_equal(err.code, MITOGEN_ERR_MEMORY);
}

static void a_closed_one_says_so(void **state)
{
	MITOGEN_AUTO(message, m);
	mitogen_receiver none = {0};

	(void)state;
	mitogen_receiver_close(receiver);
	mitogen_receiver_close(receiver);
	assert_int_equal(get(&m, MITOGEN_FOREVER), MITOGEN_ERR_CLOSED);
	assert_int_equal(mitogen_receiver_fd(receiver, &err), MITOGEN_ERR_CLOSED);
	err.code = 0;
	assert_int_equal(mitogen_receiver_get(none, &m, 0, &err), MITOGEN_ERR_USAGE);
	assert_null(m);
}

static unsigned counts[THREADS * MESSAGES];
static sem_t counted; /* once for each message */

static void *get_until_closed(void *argument)
{
	MITOGEN_AUTO(message, m);
	mitogen_error mine = {0};
	int r;

	while ((r = mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &mine)) == 1) {
		__atomic_add_fetch(&counts[(uintptr_t)mitogen_message_tag(m)], 1, __ATOMIC_RELAXED);
		sem_post(&counted);
	}
	return r == MITOGEN_ERR_CLOSED && mine.code == r ? argument : NULL;
}

static void *put_many(void *argument)
{
	for (uintptr_t i = 0; i < MESSAGES; i++)
		put((uintptr_t)argument * MESSAGES + i);
	return NULL;
}

static void start_getters(pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_until_closed, &receiver), 0);
}

static void join_getters(pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++) {
		void *well;

		pthread_join(threads[i], &well);
		assert_non_null(well);
	}
}

static void each_message_goes_to_one_thread(void **state)
{
	pthread_t getters[THREADS], putters[THREADS];

	(void)state;
	memset(counts, 0, sizeof(counts));
	sem_init(&counted, 0, 0);
	start_getters(getters);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&putters[i], NULL, put_many, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(putters[i], NULL);
	for (int i = 0; i < THREADS * MESSAGES; i++)
		sem_wait(&counted); /* closing drops what nobody took */
	mitogen_receiver_close(receiver);
	join_getters(getters);
	for (int i = 0; i < THREADS * MESSAGES; i++)
		assert_int_equal(counts[i], 1);
	sem_destroy(&counted);
}

/* C12 */
static void closing_it_wakes_all(void **state)
{
	for (int round = 0; round < 20; round++) {
		pthread_t getters[THREADS];

		(void)state;
		start_getters(getters);
		mitogen_receiver_close(receiver);
		join_getters(getters);
		receiver = mitogen_receiver_new(router, &err);
	}
}

static void closing_the_router_wakes_all(void **state)
{
	for (int round = 0; round < 20; round++) {
		pthread_t getters[THREADS];

		start_getters(getters);
		mitogen_router_close(router);
		join_getters(getters);
		setup(state);
	}
}

/* One that is made while the router closes is closed, too. */
static void *make_until_closed(void *argument)
{
	MITOGEN_AUTO(message, m);
	mitogen_error mine = {0};

	for (;;) {
		mitogen_receiver mailbox = mitogen_receiver_new(router, &mine);

		if (!mailbox.ref)
			return mine.code == MITOGEN_ERR_CLOSED ? argument : NULL;
		if (mitogen_receiver_get(mailbox, &m, 1, &mine) < 0)
			return mine.code == MITOGEN_ERR_CLOSED ? argument : NULL;
		mitogen_receiver_close(mailbox);
	}
}

static void made_while_it_closes(void **state)
{
	for (int round = 0; round < 20; round++) {
		pthread_t threads[THREADS];

		for (int i = 0; i < THREADS; i++)
			assert_int_equal(
				pthread_create(&threads[i], NULL, make_until_closed, &receiver), 0);
		mitogen_router_close(router);
		join_getters(threads);
		setup(state);
	}
}

/* A child is asked to end while its function makes one: nothing would wake it any more. */
static void made_when_it_ends(void **state)
{
	struct api_router *api = api_lock(router.ref, &err, NULL);
	MITOGEN_AUTO(message, m);
	mitogen_receiver late;

	(void)state;
	api->router->closing = true;
	api_unlock(api);
	late = mitogen_receiver_new(router, &err);
	assert_int_equal(mitogen_receiver_get(late, &m, MITOGEN_FOREVER, &err), MITOGEN_ERR_CLOSED);
	api = api_lock(router.ref, &err, NULL);
	api->router->closing = false;
	api_unlock(api);
}

/* ---- The broker thread ---- */

static sem_t task_done;
static int waited, looked;

static void use_it(struct task *task)
{
	MITOGEN_AUTO(message, m);

	(void)task;
	waited = mitogen_receiver_get(receiver, &m, 0, NULL);
	looked = mitogen_receiver_fd(receiver, NULL);
	mitogen_router_close(router); /* returns */
	sem_post(&task_done);
}

/* It has the router lock, under which the receiver is found: it would wait for itself. */
static void not_for_the_broker(void **state)
{
	struct task task = {.run = use_it};
	struct api_router *api = api_lock(router.ref, &err, NULL);

	(void)state;
	sem_init(&task_done, 0, 0);
	broker_defer(&api->router->broker, &task);
	api_unlock(api);
	sem_wait(&task_done);
	assert_int_equal(waited, MITOGEN_ERR_DEADLOCK);
	assert_int_equal(looked, MITOGEN_ERR_DEADLOCK);
	assert_int_equal(mitogen_context_id(mitogen_self(router)), 0);
	sem_destroy(&task_done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_held_is_exchanged, setup, teardown),
		cmocka_unit_test_setup_teardown(its_descriptor_is_readable_while_there_is_one,
						setup, teardown),
		cmocka_unit_test_setup_teardown(released_once, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_a_receiver_releases_what_is_in_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(dropped_is_not_released, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_is_a_message, setup, teardown),
		cmocka_unit_test_setup_teardown(a_closed_one_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(each_message_goes_to_one_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_it_wakes_all, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_the_router_wakes_all, setup, teardown),
		cmocka_unit_test_setup_teardown(made_while_it_closes, setup, teardown),
		cmocka_unit_test_setup_teardown(made_when_it_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(not_for_the_broker, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_there_is_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
