/* SPDX-License-Identifier: BSD-3-Clause */
#include "connect/arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sys.h"
#include "parent/launch.h"

static char *environment[] = {(char *)(uintptr_t) "PATH=/nowhere:/bin", NULL};
static struct sys original;
static int allocations; /* until one fails */

static void *failing_realloc(void *p, size_t size)
{
	return allocations-- > 0 ? original.realloc(p, size) : NULL;
}

static int restore(void **state)
{
	(void)state;
	sys = original;
	return 0;
}

static void a_program_is_found_and_gets_its_arguments(void **state)
{
	const char *const more[] = {"-v", "two words", NULL};
	struct arguments arguments = {.list = NULL};
	struct launch_command command = {.path = NULL};

	(void)state;
	arguments_add(&arguments, "sh");
	arguments_add_all(&arguments, more);
	arguments_add_all(&arguments, NULL);
	arguments_print(&arguments, "Port=%d", 22);
	assert_int_equal(arguments_command(&arguments, environment, &command, NULL), 0);
	assert_string_equal(command.path, "/bin/sh");
	assert_string_equal(command.argv[0], "sh");
	assert_string_equal(command.argv[1], "-v");
	assert_string_equal(command.argv[2], "two words");
	assert_string_equal(command.argv[3], "Port=22");
	assert_null(command.argv[4]);
	assert_null(arguments.list);
	launch_command_clear(&command);
}

static void what_is_missing_is_named_with_the_path(void **state)
{
	struct arguments arguments = {.list = NULL};
	struct launch_command command = {.path = NULL};
	mitogen_error err;

	(void)state;
	arguments_add(&arguments, "no-such-tool");
	assert_int_equal(arguments_command(&arguments, environment, &command, &err),
			 MITOGEN_ERR_CONNECT);
	assert_string_equal(err.text,
			    "there is no program no-such-tool here (PATH is /nowhere:/bin)");
	assert_null(command.argv);
	assert_null(arguments.list);
}

static void without_memory_nothing_is_left(void **state)
{
	int tries = 0;

	(void)state;
	for (int r = -1; r < 0; tries++) {
		struct arguments arguments = {.list = NULL};
		struct launch_command command = {.path = NULL};

		allocations = tries;
		sys.realloc = failing_realloc;
		arguments_add(&arguments, "sh");
		arguments_print(&arguments, "%s", "-v");
		r = arguments_command(&arguments, environment, &command, NULL);
		assert_true(r == 0 || r == MITOGEN_ERR_MEMORY);
		assert_null(arguments.list);
		launch_command_clear(&command);
	}
	assert_int_equal(tries, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_is_found_and_gets_its_arguments),
		cmocka_unit_test(what_is_missing_is_named_with_the_path),
		cmocka_unit_test_teardown(without_memory_nothing_is_left, restore),
	};

	original = sys;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
