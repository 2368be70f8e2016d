/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/images.h"

#include "base/sys.h"
#include "images_fixture.h"

static void check_foreign(const struct image *image)
{
	char path[128];
	FILE *file;
	uint8_t *data = malloc(FOREIGN_SIZE);

	foreign_path(path, sizeof(path));
	file = fopen(path, "rbe");
	assert_int_equal(fread(data, 1, FOREIGN_SIZE, file), FOREIGN_SIZE);
	fclose(file);
	assert_ptr_equal(image->platform, foreign);
	assert_int_equal(image->size, FOREIGN_SIZE);
	assert_memory_equal(image->data, data, FOREIGN_SIZE);
	assert_true(image_is_intact(image));
	free(data);
}

static void our_own_is_shared_while_it_is_used(void **state)
{
	struct image *first = fetch(hop, platform_own()), *second = fetch(hop, platform_own());

	(void)state;
	assert_ptr_equal(first, second);
	assert_true(image_is_intact(first));
	assert_int_equal(hop->above.stream.frames_out,
			 1); /* its parent was not asked: the route of below */
	image_unref(first);
	image_unref(second);
	first = fetch(hop, platform_own());
	images_close(&hop->router);
	image_unref(first); /* it outlives the router's part */
}

static void a_file_in_the_master(void **state)
{
	struct image *image = fetch(master, foreign);

	(void)state;
	check_foreign(image);
	image_unref(image);
}

static void a_file_that_was_named(void **state)
{
	struct asker asker = {0};
	char path[128];

	(void)state;
	foreign_path(path, sizeof(path));
	asker.request.file = path;
	ask(below, foreign, &asker);
	check_foreign(asker.image);
	image_unref(asker.image);
	asker.count = 0;
	ask(below, platform_own(), &asker);
	assert_null(asker.image);
	assert_non_null(strstr(asker.error.text, "is a program for"));
	assert_int_equal(sent_to(below), 0);
}

/* It comes over every link once, however many want it. */
static void one_transfer_over_each_link(void **state)
{
	struct asker askers[10] = {0};
	struct node *second;
	struct image *image;
	uint64_t to_hop;

	(void)state;
	for (int i = 0; i < 10; i++)
		ask(below, foreign, &askers[i]);
	tree_pump();
	for (int i = 0; i < 10; i++) {
		assert_int_equal(askers[i].count, 1);
		check_foreign(askers[i].image);
		image_unref(askers[i].image);
	}
	to_hop = sent_to(hop);
	assert_in_range(to_hop, FOREIGN_SIZE, FOREIGN_SIZE + 1000);
	assert_in_range(sent_to(below), FOREIGN_SIZE, FOREIGN_SIZE + 1000);
	second = images_add(hop, 200, 100, "second");
	image = fetch(second, foreign);
	check_foreign(image);
	image_unref(image);
	image = fetch(hop, foreign);
	image_unref(image);
	assert_int_equal(sent_to(hop), to_hop); /* a hop has it for all who are behind it */
	assert_in_range(sent_to(second), FOREIGN_SIZE, FOREIGN_SIZE + 1000);
}

static void two_children_at_once(void **state)
{
	struct node *second = images_add(hop, 200, 100, "second");
	struct asker first_asker = {0}, second_asker = {0};

	(void)state;
	ask(below, foreign, &first_asker);
	ask(second, foreign, &second_asker);
	tree_pump();
	check_foreign(first_asker.image);
	check_foreign(second_asker.image);
	assert_in_range(sent_to(hop), FOREIGN_SIZE, FOREIGN_SIZE + 1000);
	image_unref(first_asker.image);
	image_unref(second_asker.image);
}

static void what_nobody_has(void **state)
{
	mitogen_error error = fail_to_fetch(below, absent);

	(void)state;
	assert_int_equal(error.code, MITOGEN_ERR_CONNECT);
	assert_non_null(strstr(error.text, "there is no image for "));
	assert_non_null(strstr(error.text, absent));
	assert_non_null(strstr(error.text, "there are some for "));
	assert_non_null(strstr(error.text, foreign));
	/* it is asked for again, as it may be there now */
	error = fail_to_fetch(below, absent);
	assert_int_equal(error.code, MITOGEN_ERR_CONNECT);
}

static void what_changed_in_memory_is_fetched_again(void **state)
{
	struct image *image = fetch(hop, foreign);

	(void)state;
	((uint8_t *)(uintptr_t)image->data)[1000] ^= 1;
	assert_false(image_is_intact(image));
	image_unref(image);
	image = fetch(below, foreign);
	check_foreign(image);
	image_unref(image);
	assert_non_null(strstr(logged, "has changed in memory"));
	assert_in_range(sent_to(hop), 2 * FOREIGN_SIZE, 2 * FOREIGN_SIZE + 2000);
}

static void the_same_in_the_master(void **state)
{
	struct image *first = fetch(master, foreign), *second;

	(void)state;
	((uint8_t *)first->keeper)[1000] ^= 1;
	second = fetch(master, foreign);
	check_foreign(second);
	image_unref(first);
	image_unref(second);
}

static void *fail_once(size_t size)
{
	(void)size;
	sys.malloc = malloc;
	return NULL;
}

/* As where there is no /proc. */
static void who_does_not_find_its_own_program_asks(void **state)
{
	struct asker asker = {0};

	(void)state;
	sys.malloc = fail_once;
	ask(hop, platform_own(), &asker);
	assert_int_equal(asker.count, 0);
	tree_pump();
	assert_int_equal(asker.count, 1);
	assert_true(image_is_intact(asker.image));
	assert_in_range(sent_to(hop), asker.image->size, asker.image->size + 2000);
	image_unref(asker.image);
	asker.count = 0;
	sys.malloc = fail_once;
	ask(master, platform_own(), &asker);
	assert_int_equal(asker.count, 1);
	assert_int_equal(asker.error.code, MITOGEN_ERR_MEMORY);
}

static void who_has_cancelled_gets_nothing(void **state)
{
	struct asker first = {0}, second = {0};

	(void)state;
	ask(hop, foreign, &first);
	ask(hop, foreign, &second);
	images_cancel(&first.request);
	tree_pump();
	assert_int_equal(first.count, 0);
	assert_int_equal(second.count, 1);
	images_cancel(&second.request); /* after all, too */
	image_unref(second.image);
}

static void a_detached_process_asks_nobody(void **state)
{
	struct asker asker = {0};
	mitogen_error error;

	(void)state;
	ask(hop, foreign, &asker);
	parent_lose_above(&hop->router);
	neighbour_close(&hop->above);
	hop->router.parent = NULL;
	assert_int_equal(asker.count, 1);
	assert_non_null(strstr(asker.error.text, "hop was detached"));
	error = fail_to_fetch(hop, foreign);
	assert_int_equal(error.code, MITOGEN_ERR_UNKNOWN);
	assert_non_null(strstr(error.text, "no parent"));
}

static void closed_while_it_is_on_its_way(void **state)
{
	struct asker asker = {0};

	(void)state;
	ask(below, foreign, &asker);
	images_close(&below->router);
	tree_pump();
	assert_int_equal(asker.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, images_setup, images_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(our_own_is_shared_while_it_is_used),
		TEST(a_file_in_the_master),
		TEST(a_file_that_was_named),
		TEST(one_transfer_over_each_link),
		TEST(two_children_at_once),
		TEST(what_nobody_has),
		TEST(what_changed_in_memory_is_fetched_again),
		TEST(the_same_in_the_master),
		TEST(who_does_not_find_its_own_program_asks),
		TEST(who_has_cancelled_gets_nothing),
		TEST(a_detached_process_asks_nobody),
		TEST(closed_while_it_is_on_its_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
