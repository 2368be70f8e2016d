/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/quota.h"

#define START 1000000

static unsigned take_all(struct quota *quota, int64_t now)
{
	unsigned count = 0;

	while (quota_take(quota, 1, now))
		count++;
	return count;
}

static void a_burst_then_nothing(void **state)
{
	struct quota quota = {.burst = 100, .per_second = 10};

	(void)state;
	assert_int_equal(take_all(&quota, START), 100);
	assert_false(quota_take(&quota, 1, START));
}

static void exhausted_until_a_second_has_passed(void **state)
{
	struct quota quota = {.burst = 100, .per_second = 10};

	(void)state;
	take_all(&quota, START);
	assert_int_equal(take_all(&quota, START + 999), 0);
	assert_int_equal(take_all(&quota, START + 1000), 10);
	assert_int_equal(take_all(&quota, START + 1000), 0);
	assert_int_equal(take_all(&quota, START + 100000), 100);
}

/* Who stays below the rate is never refused, however often he comes. */
static void parts_of_a_token_add_up(void **state)
{
	struct quota quota = {.burst = 2, .per_second = 3};

	(void)state;
	for (int64_t now = START; now < START + 1000000; now += 334)
		assert_true(quota_take(&quota, 1, now));
}

static void a_rate_above_the_burst(void **state)
{
	struct quota quota = {.burst = 5, .per_second = 1000};

	(void)state;
	assert_int_equal(take_all(&quota, START), 5);
	assert_int_equal(take_all(&quota, START + 5), 5);
}

static void several_at_once_or_none(void **state)
{
	struct quota quota = {.burst = 100, .per_second = 10};

	(void)state;
	assert_true(quota_take(&quota, 60, START));
	assert_false(quota_take(&quota, 41, START));
	assert_true(quota_take(&quota, 40, START)); /* there is a second's worth */
	assert_false(quota_take(&quota, 1, START));
	assert_false(quota_take(&quota, 101, START + 100000));
	assert_true(quota_take(&quota, 100, START + 100000));
	assert_false(quota_take(&quota, UINT32_MAX, START + 200000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_then_nothing),
		cmocka_unit_test(exhausted_until_a_second_has_passed),
		cmocka_unit_test(parts_of_a_token_add_up),
		cmocka_unit_test(a_rate_above_the_burst),
		cmocka_unit_test(several_at_once_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
