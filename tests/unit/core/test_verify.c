/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/verify.h"

#include "base/sys.h"
#include "fixture.h"

static struct id_blocks blocks;

static int teardown(void **state)
{
	(void)state;
	id_blocks_clear(&blocks);
	return 0;
}

static bool may_send(uint32_t src_id, uint32_t auth_id)
{
	struct frame_header header = {.src_id = src_id, .auth_id = auth_id};

	return verify_header(&blocks, &header);
}

static void nothing_is_allowed_without_blocks(void **state)
{
	(void)state;
	assert_false(may_send(0, 0));
	assert_false(may_send(1, 1));
	assert_false(may_send(UINT32_MAX, UINT32_MAX));
}

static void only_ids_of_the_blocks_count(void **state)
{
	(void)state;
	assert_int_equal(id_blocks_add(&blocks, 1000, 10), 0);
	assert_int_equal(id_blocks_add(&blocks, 5000, 1), 0);
	assert_true(may_send(1000, 1009));
	assert_true(may_send(5000, 1000));
	assert_false(may_send(999, 1000));
	assert_false(may_send(1010, 1000));
	assert_false(may_send(5001, 1000));
}

/* A child that speaks for itself may still not act for somebody above or beside it. */
static void authority_is_checked_too(void **state)
{
	(void)state;
	assert_int_equal(id_blocks_add(&blocks, 1000, 10), 0);
	assert_false(may_send(1000, 0));
	assert_false(may_send(1000, 1010));
	assert_false(may_send(0, 1000));
	assert_false(may_send(1000, UINT32_MAX));
}

/* Who has joined asks on our authority, which nobody may claim; what is behind it does not. */
static void who_has_joined_is_lent_our_authority(void **state)
{
	struct frame_header own = {.src_id = 1000, .auth_id = 1000},
			    behind = {.src_id = 1001, .auth_id = 1001},
			    for_another = {.src_id = 1000, .auth_id = 1001},
			    by_another = {.src_id = 1001, .auth_id = 1000},
			    claimed = {.src_id = 1000, .auth_id = 7},
			    foreign = {.src_id = 7, .auth_id = 7};

	(void)state;
	assert_int_equal(id_blocks_add(&blocks, 1000, 10), 0);
	assert_true(verify_joined(&blocks, 1000, 7, &own));
	assert_int_equal(own.auth_id, 7);
	assert_true(verify_joined(&blocks, 1000, 7, &behind));
	assert_int_equal(behind.auth_id, 1001);
	assert_true(verify_joined(&blocks, 1000, 7, &for_another));
	assert_int_equal(for_another.auth_id, 1001);
	assert_true(verify_joined(&blocks, 1000, 7, &by_another));
	assert_int_equal(by_another.auth_id, 1000);
	assert_false(verify_joined(&blocks, 1000, 7, &claimed));
	assert_false(verify_joined(&blocks, 1000, 7, &foreign));
}

static void the_last_ids_do_not_wrap(void **state)
{
	(void)state;
	assert_int_equal(id_blocks_add(&blocks, UINT32_MAX - 2, 2), 0);
	assert_true(may_send(UINT32_MAX - 1, UINT32_MAX - 2));
	assert_false(may_send(UINT32_MAX, UINT32_MAX - 1));
	assert_false(may_send(0, UINT32_MAX - 1));
}

/* ---- The sets ---- */

static void assert_blocks(size_t count, const struct id_block *expected)
{
	assert_int_equal(blocks.count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(blocks.blocks[i].first, expected[i].first);
		assert_int_equal(blocks.blocks[i].count, expected[i].count);
	}
}

static void add(uint32_t first, uint32_t count)
{
	assert_int_equal(id_blocks_add(&blocks, first, count), 0);
}

static void neighbours_become_one(void **state)
{
	(void)state;
	add(100, 10);
	add(110, 10);
	add(90, 10);
	assert_blocks(1, (struct id_block[]){{90, 30}});
}

static void a_gap_that_is_filled_joins_both_sides(void **state)
{
	(void)state;
	add(100, 10);
	add(120, 10);
	assert_blocks(2, (struct id_block[]){{100, 10}, {120, 10}});
	add(110, 10);
	assert_blocks(1, (struct id_block[]){{100, 30}});
}

static void they_are_in_order_whatever_came_first(void **state)
{
	(void)state;
	add(500, 1);
	add(100, 1);
	add(300, 1);
	assert_blocks(3, (struct id_block[]){{100, 1}, {300, 1}, {500, 1}});
	assert_true(id_blocks_contain(&blocks, 300));
	assert_false(id_blocks_contain(&blocks, 301) || id_blocks_contain(&blocks, 299) ||
		     id_blocks_contain(&blocks, 0) || id_blocks_contain(&blocks, UINT32_MAX));
}

/* As a hostile child would have it: every second one, then the others. */
static void many_blocks(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1000; i += 2)
		add(1000 + (i * 7) % 1000, 1);
	assert_int_equal(blocks.count, 500);
	for (uint32_t i = 1; i < 1000; i += 2)
		add(1000 + (i * 7) % 1000, 1);
	assert_blocks(1, (struct id_block[]){{1000, 1000}});
}

static void the_lowest_are_taken(void **state)
{
	struct id_block taken = {7, 8};

	(void)state;
	assert_int_equal(id_blocks_take(&blocks, 5, &taken), 0);
	assert_int_equal(taken.first, 7);
	add(100, 10);
	add(200, 10);
	assert_int_equal(id_blocks_take(&blocks, 4, &taken), 4);
	assert_int_equal(taken.first, 100);
	assert_int_equal(taken.count, 4);
	assert_int_equal(id_blocks_take(&blocks, 7, &taken),
			 6); /* they do not follow one another */
	assert_int_equal(taken.first, 104);
	assert_blocks(1, (struct id_block[]){{200, 10}});
	assert_int_equal(id_blocks_take(&blocks, 10, &taken), 10);
	assert_int_equal(id_blocks_take(&blocks, 10, &taken), 0);
}

static void *no_memory(void *p, size_t size)
{
	(void)p;
	(void)size;
	return NULL;
}

static void without_memory_nothing_is_added(void **state)
{
	(void)state;
	add(100, 10);
	sys.realloc = no_memory;
	assert_int_equal(id_blocks_add(&blocks, 200, 10), -1);
	add(110, 1); /* what needs none goes on */
	sys.realloc = realloc;
	assert_blocks(1, (struct id_block[]){{100, 11}});
}

static void up_to_the_last_number(void **state)
{
	struct id_block taken;

	(void)state;
	add(UINT32_MAX - 1, 1);
	add(1, 1);
	add(2, UINT32_MAX - 3);
	assert_blocks(1, (struct id_block[]){{1, UINT32_MAX - 1}});
	assert_int_equal(id_blocks_take(&blocks, UINT32_MAX - 2, &taken), UINT32_MAX - 2);
	assert_int_equal(id_blocks_take(&blocks, 1000, &taken), 1);
	assert_int_equal(taken.first, UINT32_MAX - 1);
	assert_int_equal(blocks.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_is_allowed_without_blocks, teardown),
		cmocka_unit_test_teardown(only_ids_of_the_blocks_count, teardown),
		cmocka_unit_test_teardown(authority_is_checked_too, teardown),
		cmocka_unit_test_teardown(who_has_joined_is_lent_our_authority, teardown),
		cmocka_unit_test_teardown(the_last_ids_do_not_wrap, teardown),
		cmocka_unit_test_teardown(neighbours_become_one, teardown),
		cmocka_unit_test_teardown(a_gap_that_is_filled_joins_both_sides, teardown),
		cmocka_unit_test_teardown(they_are_in_order_whatever_came_first, teardown),
		cmocka_unit_test_teardown(many_blocks, teardown),
		cmocka_unit_test_teardown(the_lowest_are_taken, teardown),
		cmocka_unit_test_teardown(without_memory_nothing_is_added, teardown),
		cmocka_unit_test_teardown(up_to_the_last_number, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
