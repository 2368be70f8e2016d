/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static mitogen_error err;
static char long_text[3000];

static int setup(void **state)
{
	(void)state;
	memset(&err, 'x', sizeof(err)); /* as nobody has set it yet */
	memset(long_text, 'y', sizeof(long_text) - 1);
	return 0;
}

static void set_replaces_everything(void **state)
{
	(void)state;
	assert_int_equal(error_set(&err, MITOGEN_ERR_LOST, "%s %d", "gone", 7), MITOGEN_ERR_LOST);
	assert_int_equal(err.code, MITOGEN_ERR_LOST);
	assert_int_equal(err.sys, 0);
	assert_string_equal(err.type, "");
	assert_string_equal(err.where, "");
	assert_string_equal(err.text, "gone 7");
}

static void without_an_object_the_code_remains(void **state)
{
	(void)state;
	errno = ENOENT;
	assert_int_equal(error_set(NULL, MITOGEN_ERR_LOST, "gone"), MITOGEN_ERR_LOST);
	assert_int_equal(error_set_errno(NULL, "gone"), MITOGEN_ERR_SYSTEM);
	assert_int_equal(error_set_memory(NULL), MITOGEN_ERR_MEMORY);
	assert_int_equal(error_prefix(NULL, "x"), MITOGEN_OK);
	error_set_type(NULL, "x");
	error_set_where(NULL, "x", "y");
}

static void errno_is_told_by_number_name_and_text(void **state)
{
	(void)state;
	errno = ENOENT;
	assert_int_equal(error_set_errno(&err, "cannot open %s", "x"), MITOGEN_ERR_SYSTEM);
	assert_int_equal(err.sys, ENOENT);
	assert_string_equal(err.type, "ENOENT");
	assert_string_equal(err.text, "cannot open x: No such file or directory");
	assert_string_equal(error_errno_name(4711), "OSError");
}

static void long_texts_are_cut(void **state)
{
	(void)state;
	error_set(&err, MITOGEN_ERR_LOST, "%s", long_text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	errno = ENOENT;
	error_set_errno(&err, "%s", long_text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_set_type(&err, long_text);
	assert_int_equal(strlen(err.type), sizeof(err.type) - 1);
	error_set_where(&err, long_text, "f");
	assert_int_equal(strlen(err.where), sizeof(err.where) - 1);
}

static void context_is_put_in_front(void **state)
{
	(void)state;
	error_set(&err, MITOGEN_ERR_LOST, "gone");
	assert_int_equal(error_prefix(&err, "%s: ", "local.1"), MITOGEN_ERR_LOST);
	assert_string_equal(err.text, "local.1: gone");
	error_set(&err, MITOGEN_ERR_LOST, "%s", long_text);
	error_prefix(&err, "local.1: ");
	assert_memory_equal(err.text, "local.1: yyy", 12);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_set(&err, MITOGEN_ERR_LOST, "gone");
	error_prefix(&err, "%s", long_text); /* no room for both: what failed stays */
	assert_string_equal(err.text, "gone");
}

static void place_is_path_and_function(void **state)
{
	(void)state;
	error_set_where(&err, "local.1", "load");
	assert_string_equal(err.where, "local.1: load");
	error_set_where(&err, "local.1", NULL);
	assert_string_equal(err.where, "local.1");
	error_set_where(&err, "", "load");
	assert_string_equal(err.where, "load");
	error_set_where(&err, NULL, NULL);
	assert_string_equal(err.where, "");
}

static void codes_have_names(void **state)
{
	(void)state;
	assert_string_equal(error_code_name(MITOGEN_OK), "MITOGEN_OK");
	assert_string_equal(error_code_name(MITOGEN_ERR_USAGE), "MITOGEN_ERR_USAGE");
	assert_string_equal(error_code_name(MITOGEN_ERR_LOST), "MITOGEN_ERR_LOST");
	assert_string_equal(error_code_name(MITOGEN_ERR_TYPE), "MITOGEN_ERR_TYPE");
	assert_string_equal(error_code_name(MITOGEN_ERR_FORKED), "MITOGEN_ERR_FORKED");
	assert_string_equal(error_code_name(MITOGEN_ERR_FORKED - 1), "");
	assert_string_equal(error_code_name(1), "");
	assert_string_equal(error_code_name(INT32_MIN), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(set_replaces_everything, setup),
		cmocka_unit_test_setup(without_an_object_the_code_remains, setup),
		cmocka_unit_test_setup(errno_is_told_by_number_name_and_text, setup),
		cmocka_unit_test_setup(long_texts_are_cut, setup),
		cmocka_unit_test_setup(context_is_put_in_front, setup),
		cmocka_unit_test_setup(place_is_path_and_function, setup),
		cmocka_unit_test_setup(codes_have_names, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
