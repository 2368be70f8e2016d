/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/verify.h"
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

static void the_last_ids_do_not_wrap(void **state)
{
	(void)state;
	assert_int_equal(id_blocks_add(&blocks, UINT32_MAX - 2, 2), 0);
	assert_true(may_send(UINT32_MAX - 1, UINT32_MAX - 2));
	assert_false(may_send(UINT32_MAX, UINT32_MAX - 1));
	assert_false(may_send(0, UINT32_MAX - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_is_allowed_without_blocks, teardown),
		cmocka_unit_test_teardown(only_ids_of_the_blocks_count, teardown),
		cmocka_unit_test_teardown(authority_is_checked_too, teardown),
		cmocka_unit_test_teardown(the_last_ids_do_not_wrap, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
