/* SPDX-License-Identifier: BSD-3-Clause */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/double.h"

static uint32_t float_bits(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* By arithmetic, from what the format means. */
static double half_value(uint32_t half)
{
	unsigned exponent = half >> 10 & 31;
	double value = (half & 1023) + (exponent > 0 ? 1024 : 0);

	for (unsigned i = 1; i < exponent; i++)
		value *= 2;
	value /= 1 << 24;
	return half & 0x8000 ? -value : value;
}

static void every_half(void **state)
{
	uint32_t narrow;

	(void)state;
	for (uint32_t half = 0; half <= 0xffff; half++) {
		uint64_t bits = double_widen(half, &double_half);

		if ((half & 0x7fff) > 0x7c00) {
			assert_true(double_is_nan(bits));
			continue;
		}
		assert_false(double_is_nan(bits));
		if ((half & 0x7fff) == 0x7c00)
			assert_true(double_of_bits(bits) == (half & 0x8000 ? -INFINITY : INFINITY));
		else
			assert_int_equal(bits, double_bits(half_value(half)));
		assert_true(double_narrow(bits, &double_half, &narrow));
		assert_int_equal(narrow, half);
	}
}

/* A step beside each half there is none, and down to the last bit of its double neither. */
static void between_halves(void **state)
{
	uint32_t narrow = 1;

	(void)state;
	for (uint32_t half = 0; half < 0x7c00; half++) {
		double value = (half_value(half) + half_value(half + 1)) / 2;

		if (half + 1 == 0x7c00)
			value = 65520; /* rounds to infinity, but is none */
		assert_false(double_narrow(double_bits(value), &double_half, &narrow));
		assert_false(double_narrow(double_bits(-value), &double_half, &narrow));
		assert_false(
			double_narrow(double_bits(half_value(half)) + 1, &double_half, &narrow));
	}
	assert_int_equal(narrow, 1);
}

static void assert_single(float value)
{
	uint32_t narrow;

	assert_true(double_narrow(double_bits((double)value), &double_single, &narrow));
	assert_int_equal(narrow, float_bits(value));
	assert_int_equal(double_widen(narrow, &double_single), double_bits((double)value));
}

static void singles(void **state)
{
	uint32_t bits = 0;

	(void)state;
	assert_single(0.0f);
	assert_single(-0.0f);
	assert_single(FLT_MAX);
	assert_single(-FLT_MAX);
	assert_single(FLT_MIN);
	assert_single(FLT_MIN / 2);
	assert_single(FLT_TRUE_MIN);
	assert_single(-INFINITY);
	for (int i = 0; i < 1000000; i++) {
		float value;

		bits += 0x9e3779b1u; /* visits every exponent */
		memcpy(&value, &bits, sizeof(value));
		if (!isnan(value))
			assert_single(value);
	}
}

static void what_is_no_single(void **state)
{
	static const double values[] = {
		0.1,
		1e300,
		-1e300,
		5e-324,
		DBL_MIN,
		DBL_MAX,
		(double)FLT_MAX * 2,
		(double)FLT_TRUE_MIN / 2,
		(double)FLT_TRUE_MIN * 1.5,
		(double)FLT_MIN - (double)FLT_TRUE_MIN / 2,
		1.0 + DBL_EPSILON,
		16777217.0,
	};
	uint32_t narrow;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		assert_false(double_narrow(double_bits(values[i]), &double_single, &narrow));
	assert_false(double_narrow(double_bits((double)NAN), &double_single, &narrow));
	assert_false(double_narrow(double_bits((double)NAN), &double_half, &narrow));
}

static void nans(void **state)
{
	(void)state;
	assert_true(double_is_nan(double_bits((double)NAN)));
	assert_true(double_is_nan(double_bits(-(double)NAN)));
	assert_true(double_is_nan(UINT64_C(0x7ff0000000000001)));
	assert_false(double_is_nan(double_bits((double)INFINITY)));
	assert_false(double_is_nan(double_bits(-(double)INFINITY)));
	assert_false(double_is_nan(double_bits(DBL_MAX)));
	assert_true(double_is_nan(double_widen(0x7f800001, &double_single)));
	assert_true(isnan(double_of_bits(double_widen(DOUBLE_NAN, &double_half))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_half), cmocka_unit_test(between_halves),
		cmocka_unit_test(singles), cmocka_unit_test(what_is_no_single),
		cmocka_unit_test(nans)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
