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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(our_own_path_runs)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
