/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/environment.h"
#include "base/sys.h"

static char *variables[] = {(char *)(size_t) "HOMES=x", (char *)(size_t) "HOME=/root",
			    (char *)(size_t) "EMPTY=", (char *)(size_t) "HOME=/second", NULL};

static void copies_are_apart(void **state)
{
	char first[] = "A=1";
	char *original[] = {first, NULL}, **copy = environment_copy_of(original);

	(void)state;
	assert_non_null(copy);
	first[2] = '2';
	assert_string_equal(copy[0], "A=1");
	assert_null(copy[1]);
	sys.free(copy);
}

static void ours_is_copied(void **state)
{
	char **copy;

	(void)state;
	assert_int_equal(setenv("MITOGEN_TEST_COPY", "here", 1), 0);
	copy = environment_copy();
	assert_non_null(copy);
	assert_string_equal(environment_get(copy, "MITOGEN_TEST_COPY"), "here");
	sys.free(copy);
}

static void variables_are_found_by_their_whole_name(void **state)
{
	(void)state;
	assert_string_equal(environment_get(variables, "HOME"), "/root");
	assert_string_equal(environment_get(variables, "EMPTY"), "");
	assert_null(environment_get(variables, "HOM"));
	assert_null(environment_get(variables, "PATH"));
	assert_null(environment_get(NULL, "PATH"));
}

static void a_variable_takes_the_place_of_others(void **state)
{
	char **copy = environment_copy_with(variables, "HOME=/new");

	(void)state;
	assert_non_null(copy);
	assert_string_equal(copy[0], "HOMES=x");
	assert_string_equal(copy[1], "EMPTY=");
	assert_string_equal(copy[2], "HOME=/new");
	assert_null(copy[3]);
	sys.free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_are_apart),
		cmocka_unit_test(ours_is_copied),
		cmocka_unit_test(a_variable_takes_the_place_of_others),
		cmocka_unit_test(variables_are_found_by_their_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
