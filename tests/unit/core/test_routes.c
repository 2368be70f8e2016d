/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/routes.h"

#include "base/sys.h"
#include "fixture.h"

#define OTHER_ID (CHILD_ID + CHILD_IDS) /* a second child of the master */
#define ABOVE_ID 70000u                 /* beyond the child's parent */

static struct neighbour other;

static int setup(void **state)
{
	pair_setup(state);
	neighbour_init(&other, &pair.master, OTHER_ID, &pair_events, "local.2");
	return routes_add(&pair.master, OTHER_ID, &other, NULL);
}

static int teardown(void **state)
{
	sys.malloc = malloc;
	sys.calloc = calloc;
	neighbour_close(&other);
	return pair_teardown(state);
}

/* ---- Routes ---- */

static void what_is_in_no_row_lies_beyond_the_parent(void **state)
{
	(void)state;
	assert_ptr_equal(routes_neighbour(&pair.master, CHILD_ID), &pair.below);
	assert_null(routes_neighbour(&pair.master, 0));
	assert_null(routes_neighbour(&pair.master, ABOVE_ID));
	assert_null(routes_find(&pair.child, ABOVE_ID));
	assert_ptr_equal(routes_neighbour(&pair.child, ABOVE_ID), &pair.above);
	assert_ptr_equal(routes_neighbour(&pair.child, 0), &pair.above);
	assert_null(routes_neighbour(&pair.child, CHILD_ID)); /* itself */
}

static void a_name_that_comes_later_counts(void **state)
{
	size_t before = pair.below.route_bytes;

	(void)state;
	assert_int_equal(routes_add(&pair.master, 2, &pair.below, NULL), 0);
	assert_string_equal(routes_find(&pair.master, 2)->name, "");
	assert_int_equal(routes_add(&pair.master, 2, &pair.below, "local.1"), 0);
	assert_string_equal(routes_find(&pair.master, 2)->name, "local.1");
	assert_int_equal(pair.master.routes.count, 3);
	assert_true(pair.below.route_bytes > before + strlen("local.1"));
	routes_remove(&pair.master, routes_find(&pair.master, 2));
	assert_null(routes_find(&pair.master, 2));
	assert_int_equal(pair.below.route_bytes, before);
}

static void *no_memory(size_t size)
{
	(void)size;
	return NULL;
}

static void without_memory_the_old_one_stays(void **state)
{
	(void)state;
	assert_int_equal(routes_add(&pair.master, 2, &pair.below, "old"), 0);
	sys.malloc = no_memory;
	assert_int_equal(routes_add(&pair.master, 2, &pair.below, "new"), -1);
	assert_int_equal(routes_add(&pair.master, 3, &pair.below, "new"), -1);
	sys.malloc = malloc;
	assert_string_equal(routes_find(&pair.master, 2)->name, "old");
	assert_null(routes_find(&pair.master, 3));
}

static void all_of_a_neighbour_go_at_once(void **state)
{
	(void)state;
	for (uint32_t id = 2; id < 100; id++)
		assert_int_equal(routes_add(&pair.master, id, &pair.below, NULL), 0);
	assert_int_equal(pair.master.routes.count, 100);
	routes_remove_all(&pair.master, &pair.below);
	assert_int_equal(pair.master.routes.count, 1);
	assert_ptr_equal(routes_neighbour(&pair.master, OTHER_ID), &other);
	assert_int_equal(pair.below.route_bytes, 0);
}

/* ---- Talks ---- */

static void both_ends_hear_of_each_other(void **state)
{
	(void)state;
	routes_note_talk(&pair.master, &pair.below, CHILD_ID, &other, OTHER_ID);
	routes_note_talk(&pair.master, &other, OTHER_ID, &pair.below, CHILD_ID);
	assert_true(routes_take_talk(&pair.below, OTHER_ID));
	assert_false(routes_take_talk(&pair.below, OTHER_ID)); /* once */
	assert_true(routes_take_talk(&other, CHILD_ID));
	assert_false(routes_take_talk(&other, OTHER_ID));
	assert_int_equal(pair.below.talks_begun, 0);
	assert_int_equal(other.talks_begun, 0);
}

static void who_talks_again_is_noted_again(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		routes_note_talk(&pair.master, &pair.below, CHILD_ID, &other, OTHER_ID);
		routes_note_talk(&pair.master, &pair.below, CHILD_ID, &other, OTHER_ID);
		assert_true(routes_take_talk(&pair.below, OTHER_ID));
		assert_true(routes_take_talk(&other, CHILD_ID));
	}
	assert_int_equal(pair.below.talks_begun, 0);
}

/* Nobody outlives who is above him. */
static void ancestors_are_not_noted(void **state)
{
	(void)state;
	assert_int_equal(routes_add(&pair.child, 2, &other, NULL), 0);
	routes_note_talk(&pair.child, &other, 2, &pair.above, 0);
	routes_note_talk(&pair.child, &pair.above, 0, &other, 2);
	assert_int_equal(other.talks.count, 0);
	routes_note_talk(&pair.child, &pair.above, ABOVE_ID, &other, 2);
	assert_true(routes_take_talk(&other, ABOVE_ID));
	assert_int_equal(pair.above.talks.count, 0);
	routes_remove(&pair.child, routes_find(&pair.child, 2));
}

/* A child's own doing is the end of its own stream, not of those that it talks to. */
static void too_many_count_against_who_began(void **state)
{
	const uint32_t count = 65536 / 2;

	(void)state;
	for (uint32_t i = 0; i < count; i++)
		routes_note_talk(&pair.master, &pair.below, CHILD_ID + i, &other, ABOVE_ID + i);
	pump(&pair.master.broker);
	assert_null(pair.ended);
	assert_int_equal(other.talks.count, count);
	routes_note_talk(&pair.master, &pair.below, CHILD_ID + count, &other, OTHER_ID);
	assert_true(list_is_linked(&pair.below.failure.link));
	assert_false(list_is_linked(&other.failure.link));
	pump(&pair.master.broker);
	assert_string_equal(pair.ended, "it talks to too many contexts");
}

/* What ends gives back what it had begun. */
static void the_end_of_a_listener_is_no_longer_counted(void **state)
{
	static struct neighbour third;

	(void)state;
	neighbour_init(&third, &pair.master, ABOVE_ID, &pair_events, "local.3");
	for (uint32_t i = 0; i < 10; i++)
		routes_note_talk(&pair.master, &pair.below, CHILD_ID, &third, ABOVE_ID + i);
	assert_int_equal(pair.below.talks_begun, 11);
	neighbour_close(&third);
	assert_int_equal(pair.below.talks_begun, 10);
}

static void the_end_of_who_began_leaves_nothing(void **state)
{
	(void)state;
	routes_note_talk(&pair.master, &pair.below, CHILD_ID, &other, OTHER_ID);
	neighbour_close(&pair.below);
	assert_int_equal(other.talks.count, 0);
}

/* Who could not be told of a loss would wait for ever. */
static void without_memory_the_stream_ends(void **state)
{
	(void)state;
	sys.malloc = no_memory;
	routes_note_talk(&pair.master, &pair.below, CHILD_ID, &other, OTHER_ID);
	sys.malloc = malloc;
	pump(&pair.master.broker);
	assert_string_equal(pair.ended, "out of memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_in_no_row_lies_beyond_the_parent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_name_that_comes_later_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_the_old_one_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(all_of_a_neighbour_go_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(both_ends_hear_of_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(who_talks_again_is_noted_again, setup, teardown),
		cmocka_unit_test_setup_teardown(ancestors_are_not_noted, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_count_against_who_began, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_of_a_listener_is_no_longer_counted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_end_of_who_began_leaves_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(without_memory_the_stream_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
