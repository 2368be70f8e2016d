/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/cbor.h"

static void errors_have_texts(void **state)
{
	(void)state;
	for (int a = CBOR_ERR_TYPE; a <= 0; a++) {
		assert_true(strlen(cbor_error_text(a)) > 0);
		for (int b = CBOR_ERR_TYPE; b < a; b++)
			assert_string_not_equal(cbor_error_text(a), cbor_error_text(b));
	}
	assert_string_equal(cbor_error_text(99), "unknown CBOR error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_have_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
