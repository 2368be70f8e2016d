/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "module/gzip.h"

/* What `printf 123456789 | gzip -n` prints. */
static const uint8_t made[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
			       0x33, 0x34, 0x32, 0x36, 0x31, 0x35, 0x33, 0xb7, 0xb0, 0x04,
			       0x00, 0x26, 0x39, 0xf4, 0xcb, 0x09, 0x00, 0x00, 0x00};

static bool is_of(const char *content)
{
	return gzip_is_of(made, sizeof(made), (const uint8_t *)content, strlen(content));
}

static void what_it_was_made_of(void **state)
{
	(void)state;
	assert_true(gzip_is(made, sizeof(made)));
	assert_true(is_of("123456789"));
	assert_false(is_of("123456780"));
	assert_false(is_of("1234567890"));
	assert_false(is_of(""));
}

static void what_is_too_short(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 18; size++) {
		assert_false(gzip_is(made, size));
		assert_false(gzip_is_of(made, size, (const uint8_t *)"", 0));
	}
	assert_false(gzip_is((const uint8_t *)"\x7f"
					      "ELF...................",
			     23));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_was_made_of),
		cmocka_unit_test(what_is_too_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
