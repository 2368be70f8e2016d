/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hex.h"
#include "wire/cursor.h"

static struct hex buffer; /* of the test that runs */

static struct cursor cursor(const char *text)
{
	free(buffer.data);
	buffer = hex_parse(text);
	assert_non_null(buffer.data);
	return (struct cursor){buffer.data, buffer.data + buffer.size};
}

static int free_buffer(void **state)
{
	(void)state;
	free(buffer.data);
	buffer.data = NULL;
	return 0;
}

static void tells_types(void **state)
{
	static const struct {
		const char *text;
		enum cbor_type type;
	} items[] = {
		{"", CBOR_NONE},
		{"f6", CBOR_NIL},
		{"f4", CBOR_BOOL},
		{"f5", CBOR_BOOL},
		{"00", CBOR_INT},
		{"3903e7", CBOR_INT},
		{"f93c00", CBOR_DOUBLE},
		{"fa47c35000", CBOR_DOUBLE},
		{"6161", CBOR_TEXT},
		{"4161", CBOR_BYTES},
		{"80", CBOR_LIST},
		{"a0", CBOR_MAP},
		{"da4d49000100", CBOR_CONTEXT},
		{"da4d490002820000", CBOR_SENDER},
		{"da4d49000340", CBOR_BLOB},
		{"da4d49000440", CBOR_SECRET},
		{"da4d49000580", CBOR_CALL_ERROR},
		{"ff", CBOR_NONE},
		{"f7", CBOR_NONE},
		{"1800", CBOR_NONE},
		{"1a0000", CBOR_NONE},
		{"c000", CBOR_NONE},
		{"6261", CBOR_NONE},
		{"8100 00", CBOR_LIST},
		{"9f", CBOR_NONE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
		struct cursor c = cursor(items[i].text);

		assert_int_equal(cursor_type(&c), items[i].type);
		assert_ptr_equal(c.at, buffer.data);
	}
}

static void reads_simple_values(void **state)
{
	struct cursor c = cursor("f6 f4 f5");
	bool value = true;

	(void)state;
	assert_int_equal(cursor_nil(&c), 0);
	assert_int_equal(cursor_bool(&c, &value), 0);
	assert_false(value);
	assert_int_equal(cursor_bool(&c, &value), 0);
	assert_true(value);
	assert_int_equal(cursor_bool(&c, &value), CBOR_ERR_TRUNCATED);
	assert_int_equal(cursor_nil(&c), CBOR_ERR_TRUNCATED);
	assert_ptr_equal(c.at, c.end);
}

static void reads_integers(void **state)
{
	static const struct {
		const char *text;
		bool negative;
		uint64_t magnitude;
	} items[] = {
		{"00", false, 0},
		{"17", false, 23},
		{"1818", false, 24},
		{"1903e8", false, 1000},
		{"1a000f4240", false, 1000000},
		{"1bffffffffffffffff", false, UINT64_MAX},
		{"20", true, 0},
		{"3903e7", true, 999},
		{"3bffffffffffffffff", true, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
		struct cursor c = cursor(items[i].text);
		uint64_t magnitude = 1;
		bool negative;

		assert_int_equal(cursor_int(&c, &negative, &magnitude), 0);
		assert_int_equal(negative, items[i].negative);
		assert_int_equal(magnitude, items[i].magnitude);
		assert_ptr_equal(c.at, c.end);
	}
}

static void checks_the_range_of_integers(void **state)
{
	struct cursor c;
	uint32_t small = 7;
	uint64_t large = 7;
	int64_t signed_one = 7;

	(void)state;
	c = cursor("1b0000000100000000");
	assert_int_equal(cursor_u32(&c, &small), CBOR_ERR_TYPE);
	assert_int_equal(cursor_u64(&c, &large), 0);
	assert_int_equal(large, UINT64_C(0x100000000));
	c = cursor("1affffffff");
	assert_int_equal(cursor_u32(&c, &small), 0);
	assert_int_equal(small, UINT32_MAX);
	c = cursor("20");
	assert_int_equal(cursor_u32(&c, &small), CBOR_ERR_TYPE);
	assert_int_equal(cursor_u64(&c, &large), CBOR_ERR_TYPE);
	assert_int_equal(cursor_i64(&c, &signed_one), 0);
	assert_int_equal(signed_one, -1);
	c = cursor("1b7fffffffffffffff 3b7fffffffffffffff");
	assert_int_equal(cursor_i64(&c, &signed_one), 0);
	assert_int_equal(signed_one, INT64_MAX);
	assert_int_equal(cursor_i64(&c, &signed_one), 0);
	assert_int_equal(signed_one, INT64_MIN);
	c = cursor("1b8000000000000000");
	assert_int_equal(cursor_i64(&c, &signed_one), CBOR_ERR_TYPE);
	assert_ptr_equal(c.at, buffer.data);
	c = cursor("3b8000000000000000");
	assert_int_equal(cursor_i64(&c, &signed_one), CBOR_ERR_TYPE);
	assert_int_equal(small, UINT32_MAX);
	assert_int_equal(large, UINT64_C(0x100000000));
	assert_int_equal(signed_one, INT64_MIN);
}

static void reads_doubles(void **state)
{
	static const struct {
		const char *text;
		double value;
	} items[] = {
		{"f90000", 0.0},
		{"f93c00", 1.0},
		{"f93e00", 1.5},
		{"f97bff", 65504.0},
		{"f90001", 5.960464477539063e-8},
		{"f90400", 0.00006103515625},
		{"f9c400", -4.0},
		{"fa47c35000", 100000.0},
		{"fa7f7fffff", 3.4028234663852886e+38},
		{"fb3ff199999999999a", 1.1},
		{"fb7e37e43c8800759c", 1.0e+300},
		{"fbc010666666666666", -4.1},
		{"f97c00", (double)INFINITY},
		{"f9fc00", -(double)INFINITY},
	};
	struct cursor c;
	double value;

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
		c = cursor(items[i].text);
		assert_int_equal(cursor_double(&c, &value), 0);
		assert_true(value == items[i].value);
		assert_ptr_equal(c.at, c.end);
	}
	c = cursor("f98000");
	assert_int_equal(cursor_double(&c, &value), 0);
	assert_true(value == 0 && signbit(value));
	c = cursor("f97e00");
	assert_int_equal(cursor_double(&c, &value), 0);
	assert_true(isnan(value));
	c = cursor("01"); /* an integer is none */
	assert_int_equal(cursor_double(&c, &value), CBOR_ERR_TYPE);
	assert_true(isnan(value));
}

static void lends_strings(void **state)
{
	struct cursor c = cursor("62c3bc 40 43010203 da4d490003 41ff da4d490004 4100");
	static const struct {
		enum cbor_type type;
		size_t offset, size;
	} strings[] = {
		{CBOR_TEXT, 1, 2},  {CBOR_BYTES, 4, 0},   {CBOR_BYTES, 5, 3},
		{CBOR_BLOB, 14, 1}, {CBOR_SECRET, 21, 1},
	};
	const uint8_t *data;
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
		assert_int_equal(cursor_type(&c), strings[i].type);
		assert_int_equal(cursor_string(&c, strings[i].type, &data, &size), 0);
		assert_ptr_equal(data, buffer.data + strings[i].offset);
		assert_int_equal(size, strings[i].size);
	}
	assert_ptr_equal(c.at, c.end);
}

static void refuses_other_strings(void **state)
{
	static const struct {
		const char *text;
		enum cbor_type type;
		int error;
	} items[] = {
		{"6161", CBOR_BYTES, CBOR_ERR_TYPE},
		{"4161", CBOR_TEXT, CBOR_ERR_TYPE},
		{"4161", CBOR_BLOB, CBOR_ERR_TYPE},
		{"da4d4900034161", CBOR_BYTES, CBOR_ERR_TYPE},
		{"da4d4900034161", CBOR_SECRET, CBOR_ERR_TYPE}, /* a secret is never taken for */
		{"da4d4900044161", CBOR_BLOB, CBOR_ERR_TYPE},   /* something else */
		{"da4d4900036161", CBOR_BLOB, CBOR_ERR_TYPE},
		{"8161", CBOR_LIST, CBOR_ERR_TYPE},
		{"6361", CBOR_TEXT, CBOR_ERR_TRUNCATED},
		{"da4d490003", CBOR_BLOB, CBOR_ERR_TRUNCATED},
		{"7f6161ff", CBOR_TEXT, CBOR_ERR_MALFORMED},
	};
	const uint8_t *data = NULL;
	size_t size = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
		struct cursor c = cursor(items[i].text);

		assert_int_equal(cursor_string(&c, items[i].type, &data, &size), items[i].error);
		assert_ptr_equal(c.at, buffer.data);
		assert_null(data);
		assert_int_equal(size, 7);
	}
}

static void reads_contexts_and_senders(void **state)
{
	static const char *const wrong[] = {"da4d490001 20", "da4d490001 1b0000000100000000",
					    "da4d490002 8100", "da4d490002 820020",
					    "da4d490002 00"};
	struct cursor c = cursor("da4d490001 1903e8 da4d490002 82 05 1affffffff");
	uint32_t id, handle;

	(void)state;
	assert_int_equal(cursor_context(&c, &id), 0);
	assert_int_equal(id, 1000);
	assert_int_equal(cursor_sender(&c, &id, &handle), 0);
	assert_int_equal(id, 5);
	assert_int_equal(handle, UINT32_MAX);
	assert_ptr_equal(c.at, c.end);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		c = cursor(wrong[i]);
		assert_int_equal(cursor_context(&c, &id), CBOR_ERR_TYPE);
		assert_int_equal(cursor_sender(&c, &id, &handle), CBOR_ERR_TYPE);
		assert_ptr_equal(c.at, buffer.data);
	}
	assert_int_equal(id, 5);
	assert_int_equal(handle, UINT32_MAX);
}

static void enters_lists_and_maps(void **state)
{
	struct cursor c = cursor("a2 6161 82 01 02 6162 da4d490005 85 00 00 60 60 60");
	const uint8_t *key;
	uint64_t count;
	size_t size;

	(void)state;
	assert_int_equal(cursor_list(&c, &count), CBOR_ERR_TYPE);
	assert_int_equal(cursor_map(&c, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(cursor_string(&c, CBOR_TEXT, &key, &size), 0);
	assert_int_equal(cursor_list(&c, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(cursor_skip(&c), 0);
	assert_int_equal(cursor_skip(&c), 0);
	assert_int_equal(cursor_string(&c, CBOR_TEXT, &key, &size), 0);
	assert_int_equal(cursor_list(&c, &count), CBOR_ERR_TYPE);
	assert_int_equal(cursor_call_error_tag(&c), 0);
	assert_int_equal(cursor_call_error_tag(&c), CBOR_ERR_TYPE);
	assert_int_equal(cursor_list(&c, &count), 0);
	assert_int_equal(count, 5);
}

static void skips_one_item(void **state)
{
	static const char *const items[] = {"00",
					    "1bffffffffffffffff",
					    "f93c00",
					    "6161",
					    "4161",
					    "80",
					    "a0",
					    "83 81 80 a1 6161 82 00 00 f6",
					    "da4d490001 00",
					    "da4d490002 820000",
					    "da4d490003 4161",
					    "da4d490005 85 00 00 6161 60 60"};

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
		char text[100];
		struct cursor c;

		snprintf(text, sizeof(text), "%s 17", items[i]);
		c = cursor(text);
		assert_int_equal(cursor_skip(&c), 0);
		assert_int_equal(c.end - c.at, 1);
	}
}

/* It does not trust what it skips, and stays in the buffer behind wrong counts. */
static void skips_nothing_that_is_not_there(void **state)
{
	static const char *const items[] = {"",
					    "81",
					    "8300 00",
					    "a1 00",
					    "da4d490001",
					    "6261",
					    "82 81 00",
					    "82 a1 00 00",
					    "9bffffffffffffffff 00",
					    "bbffffffffffffffff 00",
					    "82 9a00000002 00 00",
					    "5bffffffffffffffff"};

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
		struct cursor c = cursor(items[i]);

		assert_true(cursor_skip(&c) < 0);
		assert_ptr_equal(c.at, buffer.data);
	}
}

/* Without a check before it, too, it needs no stack that grows. */
static void skips_any_depth(void **state)
{
	size_t size = 1 << 20;
	uint8_t *data = malloc(size);
	struct cursor c = {data, data + size};

	(void)state;
	assert_non_null(data);
	memset(data, 0x81, size);
	assert_int_equal(cursor_skip(&c), CBOR_ERR_TRUNCATED);
	data[size - 1] = 0;
	assert_int_equal(cursor_skip(&c), 0);
	assert_ptr_equal(c.at, c.end);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(tells_types),
					   cmocka_unit_test(reads_simple_values),
					   cmocka_unit_test(reads_integers),
					   cmocka_unit_test(checks_the_range_of_integers),
					   cmocka_unit_test(reads_doubles),
					   cmocka_unit_test(lends_strings),
					   cmocka_unit_test(refuses_other_strings),
					   cmocka_unit_test(reads_contexts_and_senders),
					   cmocka_unit_test(enters_lists_and_maps),
					   cmocka_unit_test(skips_one_item),
					   cmocka_unit_test(skips_nothing_that_is_not_there),
					   cmocka_unit_test(skips_any_depth)};

	return cmocka_run_group_tests(tests, NULL, free_buffer);
}
