/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"

/* More than are fetched at once: no number comes again. */
static void numbers_do_not_repeat(void **state)
{
	uint32_t numbers[150];

	(void)state;
	for (int i = 0; i < 150; i++) {
		numbers[i] = random_u32();
		for (int j = 0; j < i; j++)
			assert_int_not_equal(numbers[i], numbers[j]);
	}
}

static void all_bits_change(void **state)
{
	uint32_t ones = 0, zeros = 0;

	(void)state;
	for (int i = 0; i < 150; i++) {
		uint32_t number = random_u32();

		ones |= number;
		zeros |= ~number;
	}
	assert_int_equal(ones, UINT32_MAX);
	assert_int_equal(zeros, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_do_not_repeat),
		cmocka_unit_test(all_bits_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
