/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/utf8.h"

/* Another way to the same answer: decodes to a code point, then asks whether that may be. */
static bool one_sequence(const uint8_t *at, size_t size)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t point = at[0];
	size_t n = 1;

	if (point >= 0xf8 || (point >= 0x80 && point < 0xc0))
		return false;
	if (point >= 0xf0) {
		point &= 7;
		n = 4;
	} else if (point >= 0xe0) {
		point &= 15;
		n = 3;
	} else if (point >= 0xc0) {
		point &= 31;
		n = 2;
	}
	if (size != n)
		return false;
	for (size_t i = 1; i < n; i++) {
		if (at[i] >> 6 != 2)
			return false;
		point = point << 6 | (at[i] & 63);
	}
	return point >= least[n] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

static size_t encode(uint8_t *to, uint32_t point)
{
	size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n - 1; i > 0; i--, point >>= 6)
		to[i] = (uint8_t)(0x80 | (point & 63));
	to[0] = (uint8_t)(first[n] | point);
	return n;
}

static bool valid_exactly(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size + 1);
	bool valid;

	assert_non_null(exact);
	memcpy(exact + 1, data, size);
	valid = utf8_valid(exact + 1, size);
	free(exact);
	return valid;
}

static void every_code_point(void **state)
{
	uint8_t bytes[4];

	(void)state;
	for (uint32_t point = 0; point <= 0x10ffff; point++) {
		size_t n = encode(bytes, point);
		bool valid = point < 0xd800 || point > 0xdfff;

		assert_int_equal(utf8_valid(bytes, n), valid);
		for (size_t cut = 1; cut < n; cut++)
			assert_false(utf8_valid(bytes, cut));
	}
}

static void every_sequence_of_two_bytes(void **state)
{
	uint8_t bytes[2];

	(void)state;
	for (unsigned i = 0; i <= 0xffff; i++) {
		bytes[0] = (uint8_t)(i >> 8);
		bytes[1] = (uint8_t)i;
		assert_int_equal(utf8_valid(bytes, 2),
				 one_sequence(bytes, 2) ||
					 (one_sequence(bytes, 1) && one_sequence(bytes + 1, 1)));
	}
}

static void edges_of_three_and_four_bytes(void **state)
{
	static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
	const size_t count = sizeof(edges);
	uint8_t bytes[4];

	(void)state;
	for (unsigned first = 0xe0; first <= 0xff; first++) {
		bytes[0] = (uint8_t)first;
		for (size_t i = 0; i < count * count * count; i++) {
			bytes[1] = edges[i % count];
			bytes[2] = edges[i / count % count];
			bytes[3] = edges[i / count / count];
			assert_int_equal(utf8_valid(bytes, 4),
					 one_sequence(bytes, 4) || (one_sequence(bytes, 3) &&
								    one_sequence(bytes + 3, 1)));
		}
	}
}

static void ascii_of_any_size_and_alignment(void **state)
{
	uint8_t text[40];

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t from = 0; from < 9; from++) {
		for (size_t size = 0; from + size <= sizeof(text); size++)
			assert_true(utf8_valid(text + from, size));
	}
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid(NULL, 0));
	assert_true(utf8_valid("\0\0\0", 3));
}

/* A sequence, right or wrong, is seen at each place of a longer text. */
static void sequences_in_ascii(void **state)
{
	static const char *const right[] = {"\xc2\x80",     "\xe0\xa0\x80",     "\xed\x9f\xbf",
					    "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
	static const char *const wrong[] = {
		"\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
		"\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xff"};
	uint8_t text[24];

	(void)state;
	for (size_t at = 0; at <= sizeof(text) - 4; at++) {
		for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
			memset(text, 'a', sizeof(text));
			memcpy(text + at, right[i], strlen(right[i]));
			assert_true(valid_exactly(text, sizeof(text)));
			assert_true(valid_exactly(text, at + strlen(right[i])));
			assert_false(valid_exactly(text, at + strlen(right[i]) - 1));
		}
		for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
			memset(text, 'a', sizeof(text));
			memcpy(text + at, wrong[i], strlen(wrong[i]));
			assert_false(valid_exactly(text, sizeof(text)));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point),
		cmocka_unit_test(every_sequence_of_two_bytes),
		cmocka_unit_test(edges_of_three_and_four_bytes),
		cmocka_unit_test(ascii_of_any_size_and_alignment),
		cmocka_unit_test(sequences_in_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
