/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/event_count.h"

#define THREADS 4
#define ROUNDS  2000

static struct event_count count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the owner's */
static int tokens;

static int setup(void **state)
{
	(void)state;
	event_count_init(&count);
	tokens = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	event_count_clear(&count);
	return 0;
}

static void a_change_ends_the_wait_at_once(void **state)
{
	uint32_t seen = event_count_get(&count);

	(void)state;
	event_count_advance(&count);
	assert_true(event_count_wait(&count, seen, CLOCK_NEVER));
	assert_int_not_equal(event_count_get(&count), seen);
}

static void without_a_change_the_time_passes(void **state)
{
	uint32_t seen = event_count_get(&count);
	int64_t deadline = clock_ms() + 2;

	(void)state;
	while (event_count_wait(&count, seen, deadline))
		;
	assert_true(clock_ms() >= deadline);
	assert_false(event_count_wait(&count, seen, deadline));
}

static void *take_tokens(void *argument)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		while (tokens == 0) {
			uint32_t seen = event_count_get(&count);

			pthread_mutex_unlock(&lock);
			event_count_wait(&count, seen, CLOCK_NEVER);
			pthread_mutex_lock(&lock);
		}
		tokens--;
		pthread_mutex_unlock(&lock);
	}
	return argument;
}

/* Nobody sleeps on while there is a token. */
static void no_wake_up_is_lost(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_tokens, NULL), 0);
	for (int i = 0; i < THREADS * ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		tokens++;
		event_count_advance(&count);
		pthread_mutex_unlock(&lock);
		event_count_wake(&count);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(tokens, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_change_ends_the_wait_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_change_the_time_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(no_wake_up_is_lost, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
