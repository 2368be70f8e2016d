/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
	char name;
	struct list link;
};

static struct list head;
static struct item a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};

static int setup(void **state)
{
	(void)state;
	list_init(&head);
	a.link = b.link = c.link = (struct list){0};
	return 0;
}

static const char *names(const struct list *of)
{
	static char out[8];
	size_t used = 0;

	LIST_FOR_EACH (node, of)
		out[used++] = LIST_OWNER(node, struct item, link)->name;
	out[used] = '\0';
	return out;
}

static void fill(void)
{
	list_append(&head, &a.link);
	list_append(&head, &b.link);
	list_append(&head, &c.link);
}

static void in_order_of_appending(void **state)
{
	(void)state;
	assert_true(list_is_empty(&head));
	fill();
	assert_false(list_is_empty(&head));
	assert_string_equal(names(&head), "abc");
}

static void removed_from_anywhere(void **state)
{
	(void)state;
	fill();
	list_remove(&b.link);
	assert_string_equal(names(&head), "ac");
	assert_false(list_is_linked(&b.link));
	list_remove(&b.link);
	list_remove(&a.link);
	list_remove(&c.link);
	assert_true(list_is_empty(&head));
}

static void zeroed_nodes_are_in_no_list(void **state)
{
	(void)state;
	assert_false(list_is_linked(&a.link));
	list_remove(&a.link);
	assert_false(list_is_linked(&a.link));
	list_append(&head, &a.link);
	assert_true(list_is_linked(&a.link));
}

static void popped_from_the_front(void **state)
{
	(void)state;
	fill();
	assert_ptr_equal(list_pop(&head), &a.link);
	assert_false(list_is_linked(&a.link));
	assert_ptr_equal(list_pop(&head), &b.link);
	assert_ptr_equal(list_pop(&head), &c.link);
	assert_null(list_pop(&head));
}

static void removed_while_it_is_walked(void **state)
{
	(void)state;
	fill();
	LIST_FOR_EACH_SAFE (node, &head)
		if (node != &b.link)
			list_remove(node);
	assert_string_equal(names(&head), "b");
}

static void spliced_behind(void **state)
{
	struct list other;

	(void)state;
	list_init(&other);
	list_append(&head, &a.link);
	list_splice(&head, &other);
	assert_string_equal(names(&head), "a");
	list_append(&other, &b.link);
	list_append(&other, &c.link);
	list_splice(&head, &other);
	assert_string_equal(names(&head), "abc");
	assert_true(list_is_empty(&other));
	list_splice(&other, &head);
	assert_string_equal(names(&other), "abc");
	assert_true(list_is_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(in_order_of_appending, setup),
		cmocka_unit_test_setup(removed_from_anywhere, setup),
		cmocka_unit_test_setup(zeroed_nodes_are_in_no_list, setup),
		cmocka_unit_test_setup(popped_from_the_front, setup),
		cmocka_unit_test_setup(removed_while_it_is_walked, setup),
		cmocka_unit_test_setup(spliced_behind, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
