/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/router.h"
#include "parent/ids.h"

static struct router router;

static void holds(uint32_t id, uint32_t next_id, uint32_t end_id)
{
	static struct neighbour parent;

	id_blocks_clear(&router.supply);
	router = (struct router){.id = id, .parent = id == 0 ? NULL : &parent};
	if (end_id > next_id)
		assert_int_equal(id_blocks_add(&router.supply, next_id, end_id - next_id), 0);
}

static void assert_taken(uint32_t first, uint32_t count)
{
	struct id_block block;

	assert_int_equal(ids_take(&router, &block), 0);
	assert_int_equal(block.first, first);
	assert_int_equal(block.count, count);
}

static void assert_exhausted(void)
{
	struct id_block block = {7, 8};

	assert_int_equal(ids_take(&router, &block), MITOGEN_ERR_NO_IDS);
	assert_int_equal(block.first, 7);
}

static void the_master_gives_blocks(void **state)
{
	(void)state;
	holds(0, 1, UINT32_MAX);
	assert_taken(1, IDS_PER_BLOCK);
	assert_taken(1 + IDS_PER_BLOCK, IDS_PER_BLOCK);
}

/* The last block is smaller; no number is given twice, nor is UINT32_MAX, which is nobody. */
static void the_supply_ends_without_a_wrap(void **state)
{
	(void)state;
	holds(0, UINT32_MAX - IDS_PER_BLOCK - 5, UINT32_MAX);
	assert_taken(UINT32_MAX - IDS_PER_BLOCK - 5, IDS_PER_BLOCK);
	assert_taken(UINT32_MAX - 5, 5);
	assert_exhausted();
	assert_exhausted();
}

static void a_child_gives_single_ones(void **state)
{
	(void)state;
	holds(1, 2, 4);
	assert_taken(2, 1);
	assert_taken(3, 1);
	assert_exhausted();
}

static void a_child_of_a_child_has_its_own_alone(void **state)
{
	(void)state;
	holds(2, 3, 3);
	assert_exhausted();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_master_gives_blocks),
		cmocka_unit_test(the_supply_ends_without_a_wrap),
		cmocka_unit_test(a_child_gives_single_ones),
		cmocka_unit_test(a_child_of_a_child_has_its_own_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
