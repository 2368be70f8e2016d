/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/escape.h"

static void assert_escaped(const char *data, size_t length, const char *expected)
{
	char out[256];

	assert_string_equal(escape_text(out, sizeof(out), data, length), expected);
}

#define ASSERT_ESCAPED(literal, expected) assert_escaped(literal, sizeof(literal) - 1, expected)

static void printable_text_stays(void **state)
{
	(void)state;
	ASSERT_ESCAPED("", "");
	ASSERT_ESCAPED("some words ~!", "some words ~!");
	ASSERT_ESCAPED("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
		       "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
	ASSERT_ESCAPED("\xc2\xa0\xf4\x8f\xbf\xbf", "\xc2\xa0\xf4\x8f\xbf\xbf");
}

static void control_bytes_do_not(void **state)
{
	(void)state;
	ASSERT_ESCAPED("a\nb\tc\rd", "a\\nb\\tc\\rd");
	ASSERT_ESCAPED("\x1b[31m\x07\x7f", "\\x1b[31m\\x07\\x7f");
	ASSERT_ESCAPED("a\0b", "a\\x00b");
	ASSERT_ESCAPED("\xc2\x9b"
		       "31m",
		       "\\xc2\\x9b31m"); /* C1: CSI in one character */
}

/* So that what was escaped can be told from what was sent like that. */
static void backslashes_are_doubled_once(void **state)
{
	char out[64];

	(void)state;
	ASSERT_ESCAPED("\\n", "\\\\n");
	assert_string_equal(escape_again(out, sizeof(out), "a\\x1b\x1b", 6), "a\\x1b\\x1b");
}

static void what_reorders_text_does_not(void **state)
{
	(void)state;
	ASSERT_ESCAPED("\xe2\x80\xae", "\\xe2\\x80\\xae"); /* right-to-left override */
	ASSERT_ESCAPED("\xe2\x81\xa6", "\\xe2\\x81\\xa6"); /* left-to-right isolate */
	ASSERT_ESCAPED("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* line separator */
	ASSERT_ESCAPED("\xe2\x80\xaf", "\xe2\x80\xaf");    /* a narrow space is harmless */
	ASSERT_ESCAPED("\xe2\x81\xaa", "\xe2\x81\xaa");
}

static void what_is_not_utf8_does_not(void **state)
{
	(void)state;
	ASSERT_ESCAPED("\x80", "\\x80");
	ASSERT_ESCAPED("\xff\xfe", "\\xff\\xfe");
	ASSERT_ESCAPED("\xc0\xaf", "\\xc0\\xaf");                   /* overlong */
	ASSERT_ESCAPED("\xe0\x9f\xbf", "\\xe0\\x9f\\xbf");          /* overlong */
	ASSERT_ESCAPED("\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf"); /* overlong */
	ASSERT_ESCAPED("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* a surrogate */
	ASSERT_ESCAPED("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
	ASSERT_ESCAPED("\xc3", "\\xc3");                            /* cut off */
	ASSERT_ESCAPED("\xe2\x82", "\\xe2\\x82");
	ASSERT_ESCAPED("\xc3x\xc3\xbc", "\\xc3x\xc3\xbc");
}

static void cut_to_fit(void **state)
{
	char out[8];

	(void)state;
	assert_string_equal(escape_text(out, 8, "1234567", 7), "1234567");
	assert_string_equal(escape_text(out, 8, "12345678", 8), "1234...");
	assert_string_equal(escape_text(out, 8, "123\n\n\n", 6), "123...");
	assert_string_equal(escape_text(out, 8, "12345\xe2\x82\xac", 8), "1234...");
	assert_string_equal(escape_text(out, 4, "\n\n", 2), "...");
	assert_string_equal(escape_text(out, 3, "xyz", 3), "..");
	assert_string_equal(escape_text(out, 2, "xyz", 3), ".");
	assert_string_equal(escape_text(out, 1, "xyz", 3), "");
}

/* Whatever comes, what leaves is printable and fits. */
static void anything_becomes_printable(void **state)
{
	unsigned char data[64];
	unsigned random = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char out[40];

		for (size_t i = 0; i < sizeof(data); i++) {
			random = random * 1103515245 + 12345;
			data[i] = (unsigned char)(random >> 16);
			if (round % 2)
				data[i] |= 0x80;
		}
		escape_text(out, sizeof(out), data, sizeof(data));
		assert_true(strlen(out) < sizeof(out));
		for (const char *c = out; *c; c++)
			assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printable_text_stays),
		cmocka_unit_test(control_bytes_do_not),
		cmocka_unit_test(backslashes_are_doubled_once),
		cmocka_unit_test(what_reorders_text_does_not),
		cmocka_unit_test(what_is_not_utf8_does_not),
		cmocka_unit_test(cut_to_fit),
		cmocka_unit_test(anything_becomes_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
