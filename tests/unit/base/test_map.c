/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/sys.h"

#define COUNT 5000

static struct map map;
static struct map_node nodes[COUNT];

static int teardown(void **state)
{
	(void)state;
	map_clear(&map);
	sys.calloc = calloc;
	return 0;
}

/* Spread out, and next to each other. */
static uint32_t key_of(int i)
{
	return i % 2 ? (uint32_t)i : 0x80000000u + (uint32_t)i * 65536;
}

static void fill(int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(map_add(&map, &nodes[i], key_of(i)), 0);
}

static void empty_finds_nothing(void **state)
{
	(void)state;
	assert_null(map_get(&map, 0));
	assert_null(map_next(&map, NULL));
	map_clear(&map);
	assert_null(map_get(&map, 1));
}

static void all_are_found(void **state)
{
	(void)state;
	fill(COUNT);
	assert_int_equal(map.count, COUNT);
	for (int i = 0; i < COUNT; i++)
		assert_ptr_equal(map_get(&map, key_of(i)), &nodes[i]);
	assert_null(map_get(&map, 2));
	assert_null(map_get(&map, UINT32_MAX));
}

static void removed_ones_are_not(void **state)
{
	(void)state;
	fill(COUNT);
	for (int i = 0; i < COUNT; i += 3)
		map_remove(&map, &nodes[i]);
	for (int i = 0; i < COUNT; i++)
		assert_ptr_equal(map_get(&map, key_of(i)), i % 3 ? &nodes[i] : NULL);
	map_remove(&map, &nodes[1]);
	assert_int_equal(map_add(&map, &nodes[1], 4), 0);
	assert_ptr_equal(map_get(&map, 4), &nodes[1]);
}

static void extreme_keys(void **state)
{
	(void)state;
	assert_int_equal(map_add(&map, &nodes[0], 0), 0);
	assert_int_equal(map_add(&map, &nodes[1], UINT32_MAX), 0);
	assert_ptr_equal(map_get(&map, 0), &nodes[0]);
	assert_ptr_equal(map_get(&map, UINT32_MAX), &nodes[1]);
}

static void each_comes_once_when_walked(void **state)
{
	static int seen[COUNT];
	int count = 0;

	(void)state;
	fill(COUNT);
	for (struct map_node *node = NULL; (node = map_next(&map, node)) != NULL; count++)
		seen[node - nodes]++;
	assert_int_equal(count, COUNT);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(seen[i], 1);
}

static void emptied_from_the_front(void **state)
{
	struct map_node *node;

	(void)state;
	fill(100);
	while ((node = map_first(&map)) != NULL)
		map_remove(&map, node);
	assert_int_equal(map.count, 0);
	assert_null(map_get(&map, key_of(1)));
	fill(100); /* anywhere, also where it was empty */
	for (int i = 0; i < 100; i++)
		assert_ptr_equal(map_get(&map, key_of(i)), &nodes[i]);
	for (int i = 0; i < 100; i++) {
		assert_non_null(node = map_next(&map, NULL));
		map_remove(&map, node);
	}
	assert_null(map_next(&map, NULL));
	assert_null(map_first(&map));
}

/* Where it was empty is not looked at again. */
static void emptied_in_linear_time(void **state)
{
	struct map_node *node;
	size_t first = 0;

	(void)state;
	fill(COUNT);
	for (int left = COUNT; left > 0; left--) {
		node = map_first(&map);
		assert_true(map.first >= first);
		first = map.first;
		assert_ptr_equal(map.buckets[first], node);
		map_remove(&map, node);
	}
	assert_null(map_first(&map));
	assert_int_equal(map.first, map.capacity);
	assert_int_equal(map_add(&map, &nodes[0], key_of(0)), 0);
	assert_ptr_equal(map_first(&map), &nodes[0]);
}

static void *no_memory(size_t count, size_t size)
{
	(void)count;
	(void)size;
	return NULL;
}

/* Without memory to grow it is slower, not wrong; only an empty one can take nothing. */
static void growing_may_fail(void **state)
{
	(void)state;
	sys.calloc = no_memory;
	assert_int_equal(map_add(&map, &nodes[0], 0), -1);
	assert_int_equal(map.count, 0);
	sys.calloc = calloc;
	fill(1);
	sys.calloc = no_memory;
	for (int i = 1; i < 500; i++)
		assert_int_equal(map_add(&map, &nodes[i], key_of(i)), 0);
	for (int i = 0; i < 500; i++)
		assert_ptr_equal(map_get(&map, key_of(i)), &nodes[i]);
}

static void several_with_one_key(void **state)
{
	unsigned seen = 0;

	(void)state;
	assert_int_equal(map_reserve(&map), 0);
	sys.calloc = no_memory; /* all in one bucket, or nearly so */
	fill(200);
	for (int i = 200; i < 203; i++)
		assert_int_equal(map_add(&map, &nodes[i], 7),
				 0); /* and the one that fill has made */
	for (struct map_node *node = map_get(&map, 7); node; node = map_same(node))
		seen |= node == &nodes[7] ? 8 : 1 << (node - &nodes[200]);
	assert_int_equal(seen, 15);
	map_remove(&map, &nodes[201]);
	seen = 0;
	for (struct map_node *node = map_get(&map, 7); node; node = map_same(node))
		seen++;
	assert_int_equal(seen, 3);
}

static void reserved_without_memory(void **state)
{
	(void)state;
	sys.calloc = no_memory;
	assert_int_equal(map_reserve(&map), -1);
	sys.calloc = calloc;
	assert_int_equal(map_reserve(&map), 0);
	sys.calloc = no_memory;
	assert_int_equal(map_reserve(&map), 0);
	assert_int_equal(map_add(&map, &nodes[0], 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(empty_finds_nothing, teardown),
		cmocka_unit_test_teardown(all_are_found, teardown),
		cmocka_unit_test_teardown(removed_ones_are_not, teardown),
		cmocka_unit_test_teardown(extreme_keys, teardown),
		cmocka_unit_test_teardown(each_comes_once_when_walked, teardown),
		cmocka_unit_test_teardown(emptied_from_the_front, teardown),
		cmocka_unit_test_teardown(emptied_in_linear_time, teardown),
		cmocka_unit_test_teardown(growing_may_fail, teardown),
		cmocka_unit_test_teardown(several_with_one_key, teardown),
		cmocka_unit_test_teardown(reserved_without_memory, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
