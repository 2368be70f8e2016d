/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/sys.h"

static int fake_clock(clockid_t clock, struct timespec *ret)
{
	assert_int_equal(clock, CLOCK_MONOTONIC);
	*ret = (struct timespec){.tv_sec = 3000000000, .tv_nsec = 999999999};
	return 0;
}

static int setup(void **state)
{
	(void)state;
	sys.clock_gettime = fake_clock;
	return 0;
}

static void milliseconds_are_cut(void **state)
{
	(void)state;
	assert_true(clock_ms() == INT64_C(3000000000999));
}

static void deadlines(void **state)
{
	(void)state;
	assert_true(clock_deadline(5) == clock_ms() + 5);
	assert_true(clock_deadline(0) == clock_ms());
	assert_true(clock_deadline(-5) == clock_ms());
	assert_true(clock_deadline(INT32_MAX) == CLOCK_NEVER);
	assert_true(clock_deadline(INT32_MAX - 1) == clock_ms() + INT32_MAX - 1);
}

static void back_to_a_timespec(void **state)
{
	struct timespec time = clock_timespec(3000000000999);

	(void)state;
	assert_true(time.tv_sec == 3000000000);
	assert_int_equal(time.tv_nsec, 999000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(milliseconds_are_cut, setup),
		cmocka_unit_test_setup(deadlines, setup),
		cmocka_unit_test_setup(back_to_a_timespec, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
