/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/self.h"

static void our_own_path_runs(void **state)
{
	(void)state;
	assert_int_equal(access(self_path(), X_OK), 0);
}

static void what_is_gone_is_not_looked_for_by_name(void **state)
{
	(void)state;
	self_set_gone();
	assert_string_equal(self_path(), "/proc/self/exe"); /* be there a /proc or not */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_path_runs),
		cmocka_unit_test(what_is_gone_is_not_looked_for_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
