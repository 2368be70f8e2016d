/* SPDX-License-Identifier: BSD-3-Clause */
#include <limits.h>

#include "base/sys.h"
#include "core/timer.h"
#include "fixture.h"

static int64_t now;

static int fake_clock(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = clock_timespec(now);
	return 0;
}

static struct timers timers;
static struct timer a, b, c;
static char order[16];

static void due(struct timer *timer)
{
	strcat(order, timer == &a ? "a" : timer == &b ? "b" : "c");
}

static int setup(void **state)
{
	(void)state;
	now = 1000;
	sys.clock_gettime = fake_clock;
	timers = (struct timers){0};
	a = b = c = (struct timer){.due = due};
	order[0] = '\0';
	return 0;
}

static void come_in_order_of_deadline(void **state)
{
	(void)state;
	timer_insert(&timers, &b, 1020);
	timer_insert(&timers, &a, 1010);
	timer_insert(&timers, &c, 1020);
	assert_int_equal(timer_run(&timers), 10);
	assert_string_equal(order, "");
	now = 1010;
	assert_int_equal(timer_run(&timers), 10);
	assert_string_equal(order, "a");
	now = 1500;
	assert_int_equal(timer_run(&timers), -1);
	assert_string_equal(order, "abc");
}

static void set_again_moves(void **state)
{
	(void)state;
	timer_insert(&timers, &a, 1010);
	timer_insert(&timers, &b, 1020);
	timer_insert(&timers, &a, 1030);
	now = 1020;
	assert_int_equal(timer_run(&timers), 10);
	assert_string_equal(order, "b");
	now = 1030;
	timer_run(&timers);
	assert_string_equal(order, "ba");
}

static void cancelled_does_not_come(void **state)
{
	(void)state;
	timer_insert(&timers, &a, 1010);
	timer_insert(&timers, &b, 1010);
	timer_cancel(&a);
	timer_cancel(&a);
	timer_cancel(&c); /* never was set */
	now = 2000;
	assert_int_equal(timer_run(&timers), -1);
	assert_string_equal(order, "b");
}

static void cancel_next_and_set_own(struct timer *timer)
{
	due(timer);
	timer_cancel(&b);
	timer_insert(&timers, &a, now + 5);
}

static void may_change_timers_when_due(void **state)
{
	(void)state;
	a.due = cancel_next_and_set_own;
	timer_insert(&timers, &a, 1010);
	timer_insert(&timers, &b, 1010);
	timer_insert(&timers, &c, 1010);
	now = 1010;
	assert_int_equal(timer_run(&timers), 5);
	assert_string_equal(order, "ac");
}

static void far_away_is_cut(void **state)
{
	(void)state;
	timer_insert(&timers, &a, INT64_MAX);
	assert_int_equal(timer_run(&timers), INT_MAX);
}

#define MANY 200

static struct timer many[MANY];
static uint32_t seed;

static uint32_t next_random(uint32_t limit)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % limit;
}

static bool is_next(const struct timer *timer)
{
	for (int i = 0; i < MANY; i++)
		if (many[i].timers &&
		    (many[i].deadline < timer->deadline ||
		     (many[i].deadline == timer->deadline && many[i].number < timer->number)))
			return false;
	return true;
}

static void due_in_turn(struct timer *timer)
{
	assert_true(timer->deadline <= now);
	assert_null(timer->timers);
	assert_true(is_next(timer));
}

/* Against a plain search: whatever is set, moved and cancelled, the earliest comes, once. */
static void any_order(void **state)
{
	size_t set = 0;

	(void)state;
	for (int step = 0; step < 2000; step++) {
		struct timer *timer = &many[next_random(MANY)];

		timer->due = due_in_turn;
		if (next_random(4) > 0)
			timer_insert(&timers, timer, now + next_random(50));
		else
			timer_cancel(timer);
		if (next_random(10) == 0) {
			now += next_random(20);
			timer_run(&timers);
			for (int i = 0; i < MANY; i++)
				assert_false(many[i].timers && many[i].deadline <= now);
		}
		set = 0;
		for (int i = 0; i < MANY; i++)
			set += many[i].timers != NULL;
		assert_int_equal(timers.count, set);
	}
	assert_true(set > 0);
	now += 100;
	assert_int_equal(timer_run(&timers), -1);
	assert_int_equal(timers.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(come_in_order_of_deadline, setup),
		cmocka_unit_test_setup(set_again_moves, setup),
		cmocka_unit_test_setup(cancelled_does_not_come, setup),
		cmocka_unit_test_setup(may_change_timers_when_due, setup),
		cmocka_unit_test_setup(far_away_is_cut, setup),
		cmocka_unit_test_setup(any_order, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
