/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/platforms_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "module/platform.h"

static struct platforms platforms;

static int setup(void **state)
{
	(void)state;
	platforms_init(&platforms);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	platforms_drop(&platforms);
	return 0;
}

static void parse(const char *text)
{
	platforms_parse(&platforms, text, strlen(text));
}

static void what_was_set(void **state)
{
	(void)state;
	assert_null(platforms_get(&platforms, 5));
	platforms_set(&platforms, 5, platform_at(0), true);
	platforms_set(&platforms, 5 | 1ull << 32, platform_at(1), true); /* the same half */
	assert_ptr_equal(platforms_get(&platforms, 5), platform_at(0));
	assert_ptr_equal(platforms_get(&platforms, 5 | 1ull << 32), platform_at(1));
	platforms_set(&platforms, 5, platform_at(2), true);
	assert_ptr_equal(platforms_get(&platforms, 5), platform_at(2));
	assert_int_equal(platforms.by_target.count, 2);
}

static void the_oldest_go(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < PLATFORMS_MAX; i++)
		platforms_set(&platforms, i, platform_at(0), true);
	platforms_set(&platforms, 0, platform_at(0), true); /* is new again */
	platforms_set(&platforms, PLATFORMS_MAX, platform_at(0), true);
	assert_int_equal(platforms.by_target.count, PLATFORMS_MAX);
	assert_non_null(platforms_get(&platforms, 0));
	assert_null(platforms_get(&platforms, 1));
}

static void lines_are_read_again(void **state)
{
	char line[PLATFORMS_LINE_MAX];

	(void)state;
	for (size_t i = 0; platform_at(i); i++) {
		struct platforms_entry entry = {.target = UINT64_MAX - i,
						.platform = platform_at(i)};
		size_t size = platforms_print(&entry, line);

		assert_int_equal(size, strlen(line));
		platforms_parse(&platforms, line, size);
		assert_ptr_equal(platforms_get(&platforms, entry.target), platform_at(i));
	}
}

static void what_is_no_line_is_passed_over(void **state)
{
	(void)state;
	parse("\n\n \n0123456789abcdef\n0123456789abcdef \n0123456789abcdef linux-vax\n"
	      "0123456789abcdeg linux-x86_64\n0123456789ABCDEF linux-x86_64\n"
	      "123456789abcdef linux-x86_64\n0123456789abcdef\tlinux-x86_64\n"
	      "0123456789abcdef linux-x86_64 \n 0123456789abcdef linux-x86_64\n"
	      "0123456789abcdef linux-x86_64"); /* cut */
	assert_int_equal(platforms.by_target.count, 0);
	platforms_parse(&platforms, "0123456789abcde\0 linux-x86_64\n", 30);
	assert_int_equal(platforms.by_target.count, 0);
	parse("rubbish\n0123456789abcdef linux-x86_64\nmore of it");
	assert_string_equal(platforms_get(&platforms, 0x0123456789abcdef), "linux-x86_64");
}

static void only_what_is_learned_is_news(void **state)
{
	struct platforms_entry *entry;

	(void)state;
	parse("0000000000000005 linux-x86_64\n");
	entry = LIST_OWNER(platforms.oldest_first.next, struct platforms_entry, link);
	assert_false(entry->is_news);
	platforms_set(&platforms, 5, platform_at(0), true);
	assert_false(entry->is_news); /* it was known */
	platforms_set(&platforms, 5, platform_at(1), true);
	assert_true(entry->is_news);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_set),
		TEST(the_oldest_go),
		TEST(lines_are_read_again),
		TEST(what_is_no_line_is_passed_over),
		TEST(only_what_is_learned_is_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
