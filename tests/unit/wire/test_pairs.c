/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sys.h"
#include "hex.h"
#include "wire/cbor.h"
#include "wire/pairs.h"

static void assert_sorts(const char *from, uint64_t items, const char *to)
{
	struct hex data = hex_parse(from), expected = hex_parse(to);

	assert_int_equal(data.size, expected.size);
	assert_int_equal(pairs_sort(data.data, data.size, items), 0);
	assert_memory_equal(data.data, expected.data, data.size);
	free(data.data);
	free(expected.data);
}

static void assert_refuses(const char *text, uint64_t items, int error)
{
	struct hex data = hex_parse(text);

	assert_int_equal(pairs_sort(data.data, data.size, items), error);
	free(data.data);
}

static void sorts_by_encoded_key(void **state)
{
	(void)state;
	assert_sorts("6162 01 6161 02", 4, "6161 02 6162 01");
	assert_sorts("626161 01 6162 02 60 03", 6, "60 03 6162 02 626161 01");
	assert_sorts("6163 01 6162 02 6161 03 6160 04", 8, "6160 04 6161 03 6162 02 6163 01");
}

static void moves_values_with_keys(void **state)
{
	(void)state;
	assert_sorts("6162 82 6161 a1 6161 f6  6161 da4d490003 4161", 4,
		     "6161 da4d490003 4161  6162 82 6161 a1 6161 f6");
}

static void refuses_keys(void **state)
{
	(void)state;
	assert_refuses("6161 01 6161 02", 4, CBOR_ERR_KEY);
	assert_refuses("6161 01 6162 01 6161 02", 6, CBOR_ERR_KEY);
	assert_refuses("6162 01 6161 01 6161 02 6160 02", 8, CBOR_ERR_KEY);
	assert_refuses("01 01", 2, CBOR_ERR_KEY);
	assert_refuses("4161 01", 2, CBOR_ERR_KEY);
	assert_refuses("6161 01 f6 01", 4, CBOR_ERR_KEY);
	assert_refuses("6161", 1, CBOR_ERR_KEY);
	assert_refuses("6161 01 6162", 3, CBOR_ERR_KEY);
}

static void refuses_items_that_do_not_add_up(void **state)
{
	(void)state;
	assert_refuses("6161 01 02", 2, CBOR_ERR_MALFORMED);
	assert_refuses("6161 81", 2, CBOR_ERR_TRUNCATED);
	assert_refuses("6161 01 6161 da4d490005", 4, CBOR_ERR_TRUNCATED);
}

static unsigned allocations;

static void *no_memory(size_t size)
{
	(void)size;
	allocations++;
	return NULL;
}

static int restore_malloc(void **state)
{
	(void)state;
	sys.malloc = malloc;
	return 0;
}

static void takes_no_memory_for_what_is_sorted(void **state)
{
	(void)state;
	allocations = 0;
	sys.malloc = no_memory;
	assert_sorts("", 0, "");
	assert_sorts("6161 01", 2, "6161 01");
	assert_sorts("6161 01 6162 02 626161 03", 6, "6161 01 6162 02 626161 03");
	assert_int_equal(allocations, 0);
}

static void reports_no_memory(void **state)
{
	(void)state;
	allocations = 0;
	sys.malloc = no_memory;
	assert_refuses("6162 01 6161 02", 4, CBOR_ERR_MEMORY);
	assert_int_equal(allocations, 1);
}

/* Every order of six keys, so that each way down the heap is taken. */
static void sorts_every_permutation(void **state)
{
	(void)state;
	for (unsigned number = 0; number < 720; number++) {
		uint8_t keys[6] = {0, 1, 2, 3, 4, 5}, data[18];
		unsigned rest = number;

		for (unsigned i = 0; i < 6; i++) {
			unsigned pick = i + rest % (6 - i);
			uint8_t key = keys[pick];

			rest /= 6 - i;
			keys[pick] = keys[i];
			keys[i] = key;
			data[3 * i] = 0x61;
			data[3 * i + 1] = (uint8_t)('a' + key);
			data[3 * i + 2] = key;
		}
		assert_int_equal(pairs_sort(data, sizeof(data), 12), 0);
		for (unsigned i = 0; i < 6; i++) {
			assert_int_equal(data[3 * i + 1], 'a' + i);
			assert_int_equal(data[3 * i + 2], i);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_by_encoded_key),
		cmocka_unit_test(moves_values_with_keys),
		cmocka_unit_test(refuses_keys),
		cmocka_unit_test(refuses_items_that_do_not_add_up),
		cmocka_unit_test_teardown(takes_no_memory_for_what_is_sorted, restore_malloc),
		cmocka_unit_test_teardown(reports_no_memory, restore_malloc),
		cmocka_unit_test(sorts_every_permutation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
