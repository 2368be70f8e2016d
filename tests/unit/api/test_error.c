/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mitogen/mitogen.h>

static mitogen_error err;

static void a_failure_of_ones_own(void **state)
{
	(void)state;
	assert_int_equal(mitogen_fail(&err, "KeyError", "no user \"%s\"", "x"), MITOGEN_ERR_CALL);
	assert_int_equal(err.code, MITOGEN_ERR_CALL);
	assert_string_equal(err.type, "KeyError");
	assert_string_equal(err.text, "no user \"x\"");
	assert_int_equal(mitogen_fail(&err, NULL, "again"), MITOGEN_ERR_CALL);
	assert_string_equal(err.type, "");
	assert_int_equal(mitogen_fail(NULL, "KeyError", "nobody listens"), MITOGEN_ERR_CALL);
}

static void of_a_system_call(void **state)
{
	(void)state;
	errno = ENOENT;
	assert_int_equal(mitogen_fail_errno(&err, "cannot open %s", "x"), MITOGEN_ERR_CALL);
	assert_int_equal(err.code, MITOGEN_ERR_CALL);
	assert_int_equal(err.sys, ENOENT);
	assert_string_equal(err.type, "ENOENT");
	assert_string_equal(err.text, "cannot open x: No such file or directory");
	assert_int_equal(mitogen_fail_errno(NULL, "nobody listens"), MITOGEN_ERR_CALL);
}

/* The error that is passed on may be made of the one that came. */
static void made_of_itself(void **state)
{
	(void)state;
	mitogen_fail(&err, "KeyError", "inner");
	mitogen_fail(&err, err.type, "outer: %s", err.text);
	assert_string_equal(err.type, "KeyError");
	assert_string_equal(err.text, "outer: inner");
	errno = EACCES;
	mitogen_fail_errno(&err, "more: %s", err.text);
	assert_string_equal(err.text, "more: outer: inner: Permission denied");
}

static void codes_are_named(void **state)
{
	(void)state;
	assert_string_equal(mitogen_code_name(MITOGEN_ERR_LOST), "MITOGEN_ERR_LOST");
	assert_string_equal(mitogen_version(), "0.1.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_of_ones_own),
		cmocka_unit_test(of_a_system_call),
		cmocka_unit_test(made_of_itself),
		cmocka_unit_test(codes_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
