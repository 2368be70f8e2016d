/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hex.h"
#include "wire/cursor.h"

static int check_hex(const char *text)
{
	struct hex hex = hex_parse(text);
	int r;

	assert_non_null(hex.data);
	r = cbor_check(hex.data, hex.size);
	free(hex.data);
	return r;
}

static void assert_check(const char *text, int expected)
{
	int r = check_hex(text);

	if (r != expected)
		fail_msg("%.60s: %s, not %s", text, cbor_error_text(r), cbor_error_text(expected));
}

#define accepts(text)        assert_check(text, 0)
#define refuses(text, error) assert_check(text, error)

/* Each of several, which spaces separate. */
static void assert_each(const char *texts, int expected)
{
	char text[100];
	int n;

	for (; sscanf(texts, " %99s%n", text, &n) == 1; texts += n)
		assert_check(text, expected);
}

/* Those of RFC 8949, appendix A, that are in our subset. */
static void accepts_the_vectors(void **state)
{
	static const char vectors[] =
		"00 01 0a 17 1818 1819 1864 1903e8 1a000f4240 1b000000e8d4a51000 "
		"1bffffffffffffffff 3bffffffffffffffff 20 29 3863 3903e7 f90000 f98000 "
		"f93c00 fb3ff199999999999a f93e00 f97bff fa47c35000 fa7f7fffff "
		"fb7e37e43c8800759c f90001 f90400 f9c400 fbc010666666666666 f97c00 f97e00 "
		"f9fc00 f4 f5 f6 40 4401020304 60 6161 6449455446 62225c 62c3bc 63e6b0b4 "
		"64f0908591 80 83010203 8301820203820405 "
		"98190102030405060708090a0b0c0d0e0f101112131415161718181819 a0 "
		"a26161016162820203 826161a161626163 "
		"a56161614161626142616361436164614461656145";

	(void)state;
	assert_each(vectors, 0);
}

static void refuses_the_other_vectors(void **state)
{
	static const char vectors[] =
		"c249010000000000000000 f7 f0 f8ff "
		"c074323031332d30332d32315432303a30343a30305a c11a514b67b0 d74401020304 "
		"fa7f800000 fa7fc00000 fb7ff0000000000000 fb7ff8000000000000 "
		"5f42010243030405ff 7f657374726561646d696e67ff 9fff 9f018202039f0405ffff "
		"83018202039f0405ff bf61610161629f0203ffff";

	(void)state;
	assert_each(vectors, CBOR_ERR_MALFORMED);
	refuses("a201020304", CBOR_ERR_KEY);
}

static void takes_the_shortest_heads_only(void **state)
{
	static const char *const heads[] = {
		"1817",   "1900ff", "1a0000ffff",    "1b00000000ffffffff", "3817",
		"3900ff", "5800",   "7801",          "590001 00",          "9800",
		"980101", "b800",   "9a00000001 00", "da00000001 00",      "db000000004d490001 00"};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		refuses(heads[i], CBOR_ERR_MALFORMED);
	for (unsigned major = 0; major < 8; major++) { /* what is reserved, and indefinite */
		for (unsigned info = 28; info < 32; info++) {
			uint8_t head = (uint8_t)(major << 5 | info);

			assert_int_equal(cbor_check(&head, 1), CBOR_ERR_MALFORMED);
		}
	}
}

static void takes_three_simple_values_only(void **state)
{
	(void)state;
	for (unsigned info = 0; info < 24; info++) {
		uint8_t head = (uint8_t)(7 << 5 | info);

		assert_int_equal(cbor_check(&head, 1),
				 info >= 20 && info <= 22 ? 0 : CBOR_ERR_MALFORMED);
	}
	refuses("f814", CBOR_ERR_MALFORMED);
	refuses("f820", CBOR_ERR_MALFORMED);
}

static void takes_the_shortest_doubles_only(void **state)
{
	(void)state;
	accepts("fa3f800001");
	accepts("fa00000001"); /* subnormal */
	accepts("fa477ff000"); /* 65520: above all halves */
	accepts("fb3ff0000000000001");
	accepts("fb47efffffe0000001");
	refuses("fa00000000", CBOR_ERR_MALFORMED);
	refuses("fa3f800000", CBOR_ERR_MALFORMED);
	refuses("fa33800000", CBOR_ERR_MALFORMED); /* the smallest half */
	refuses("fb3ff0000000000000", CBOR_ERR_MALFORMED);
	refuses("fb3ff0000020000000", CBOR_ERR_MALFORMED); /* fits 32 bits */
	refuses("fb36a0000000000000", CBOR_ERR_MALFORMED); /* the smallest of them */
	refuses("fb8000000000000000", CBOR_ERR_MALFORMED);
	refuses("f97e01", CBOR_ERR_MALFORMED);
	refuses("f9fe00", CBOR_ERR_MALFORMED);
	refuses("f97c01", CBOR_ERR_MALFORMED);
	refuses("fa7fc00001", CBOR_ERR_MALFORMED);
	refuses("fb7ff8000000000001", CBOR_ERR_MALFORMED);
}

static void takes_known_tags_only(void **state)
{
	(void)state;
	accepts("da4d490001 00");
	accepts("da4d490001 1affffffff");
	accepts("da4d490002 82 05 1903e8");
	accepts("da4d490003 43010203");
	accepts("da4d490004 40");
	accepts("da4d490005 85 27 00 6161 60 6162");
	accepts("82 da4d490005 85 00 182a 60 60 60 01");
	refuses("da4d490000 00", CBOR_ERR_MALFORMED);
	refuses("da4d490006 00", CBOR_ERR_MALFORMED);
	refuses("c0 60", CBOR_ERR_MALFORMED);
	refuses("db4d49000100000000 00", CBOR_ERR_MALFORMED);
}

static void refuses_wrong_content_of_tags(void **state)
{
	static const char *const contents[] = {
		"da4d490001 1b0000000100000000", /* a context ID above 32 bits */
		"da4d490001 20",
		"da4d490001 40",
		"da4d490001 da4d490001 00",
		"da4d490001 f6",
		"da4d490002 00", /* a sender */
		"da4d490002 8100",
		"da4d490002 83000000",
		"da4d490002 820020",
		"da4d490002 82001b0000000100000000",
		"da4d490002 82 da4d490001 00 00",
		"da4d490002 a10000",
		"da4d490003 60", /* a blob */
		"da4d490003 80",
		"da4d490003 da4d490003 40",
		"da4d490004 60", /* a secret */
		"da4d490005 80", /* a call error */
		"da4d490005 00",
		"da4d490005 84 00 00 60 60",
		"da4d490005 86 00 00 60 60 60 60",
		"da4d490005 85 60 00 60 60 60",
		"da4d490005 85 00 f6 60 60 60",
		"da4d490005 85 00 00 40 60 60",
		"da4d490005 85 00 00 60 f6 60",
		"da4d490005 85 00 00 60 60 00"};

	(void)state;
	for (size_t i = 0; i < sizeof(contents) / sizeof(*contents); i++)
		refuses(contents[i], CBOR_ERR_MALFORMED);
	refuses("da4d490005 85 00 00 60 60 61ff", CBOR_ERR_UTF8);
	refuses("da4d490001", CBOR_ERR_TRUNCATED);
}

static void refuses_wrong_keys(void **state)
{
	(void)state;
	accepts("a3 60 01 6162 02 626161 03");
	refuses("a1 01 02", CBOR_ERR_KEY);
	refuses("a1 4161 02", CBOR_ERR_KEY);
	refuses("a1 da4d490003 40 02", CBOR_ERR_KEY);
	refuses("a1 80 02", CBOR_ERR_KEY);
	refuses("a2 6161 01 6161 02", CBOR_ERR_KEY);
	refuses("a2 6162 01 6161 02", CBOR_ERR_KEY);
	refuses("a2 626161 01 6162 02", CBOR_ERR_KEY); /* shorter ones come first */
	refuses("a1 61ff 01", CBOR_ERR_UTF8);
	/* Each map has an order of its own. */
	accepts("a2 6162 a1 6161 00 6163 a1 6161 00");
	accepts("a2 6161 a2 6161 00 6162 00 6162 81 a1 6161 00");
	refuses("a2 6162 a1 6163 00 6161 00", CBOR_ERR_KEY);
	refuses("a2 6161 a1 6162 00 6161 00", CBOR_ERR_KEY);
}

static void refuses_wrong_text(void **state)
{
	(void)state;
	refuses("61ff", CBOR_ERR_UTF8);
	refuses("62c328", CBOR_ERR_UTF8);
	refuses("63eda080", CBOR_ERR_UTF8);
	refuses("82 61c2 6180", CBOR_ERR_UTF8); /* a sequence does not go on in the next text */
	accepts("41ff");
}

static void refuses_what_is_missing_or_over(void **state)
{
	static const char *const whole = "a3 6161 82 da4d490002 82 1903e8 1a00010000 f93c00"
					 " 6162 da4d490003 43010203"
					 " 6163 da4d490005 85 20 00 6161 60 6162";
	struct hex hex = hex_parse(whole);

	(void)state;
	assert_int_equal(cbor_check(hex.data, hex.size), 0);
	for (size_t size = 0; size < hex.size; size++) {
		uint8_t *cut = malloc(size + 1);

		assert_non_null(cut);
		memcpy(cut + 1, hex.data, size);
		assert_int_equal(cbor_check(cut + 1, size), CBOR_ERR_TRUNCATED);
		free(cut);
	}
	free(hex.data);
	assert_int_equal(cbor_check(NULL, 0), CBOR_ERR_TRUNCATED);
	refuses("0000", CBOR_ERR_TRAILING);
	refuses("8000", CBOR_ERR_TRAILING);
	refuses("81 00 ff", CBOR_ERR_TRAILING);
}

/* C23: counts that the rest cannot hold are refused where they stand, before anything is counted. */
static void refuses_counts_that_cannot_be(void **state)
{
	static const char *const counts[] = {"9bffffffffffffffff 00",
					     "bbffffffffffffffff 00",
					     "bb8000000000000000 00",
					     "5bffffffffffffffff 00",
					     "7bffffffffffffffff 00",
					     "9affffffff 00",
					     "8200",
					     "a2 6161 01 6162",
					     "da4d490003 5bffffffffffffffff 00"};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		refuses(counts[i], CBOR_ERR_TRUNCATED);
}

/* Checks before, so many times over, and then last. */
static int check_nested(const char *before, unsigned depth, const char *last)
{
	struct hex outer = hex_parse(before), inner = hex_parse(last);
	size_t size = outer.size * depth + inner.size;
	uint8_t *data = malloc(size);
	int r;

	assert_non_null(data);
	for (unsigned i = 0; i < depth; i++)
		memcpy(data + i * outer.size, outer.data, outer.size);
	memcpy(data + outer.size * depth, inner.data, inner.size);
	r = cbor_check(data, size);
	free(data);
	free(outer.data);
	free(inner.data);
	return r;
}

static void bounds_depth(void **state)
{
	(void)state;
	assert_int_equal(check_nested("81", 64, "00"), 0);
	assert_int_equal(check_nested("81", 63, "80"), 0);
	assert_int_equal(check_nested("81", 64, "80"), CBOR_ERR_NESTING);
	assert_int_equal(check_nested("81", 64, "a0"), CBOR_ERR_NESTING);
	assert_int_equal(check_nested("81", 100000, "00"), CBOR_ERR_NESTING);
	assert_int_equal(check_nested("a16161", 64, "00"), 0);
	assert_int_equal(check_nested("a16161", 65, "00"), CBOR_ERR_NESTING);
	/* The lists in tags count, the tags do not. */
	assert_int_equal(check_nested("81", 64, "da4d49000100"), 0);
	assert_int_equal(check_nested("81", 63, "da4d490002820000"), 0);
	assert_int_equal(check_nested("81", 64, "da4d490002820000"), CBOR_ERR_NESTING);
	assert_int_equal(check_nested("81", 63, "da4d490005850000606060"), 0);
	assert_int_equal(check_nested("81", 64, "da4d490005850000606060"), CBOR_ERR_NESTING);
}

/* Closed levels give their place back. */
static void depth_is_not_a_sum(void **state)
{
	uint8_t data[3 + 1000];

	(void)state;
	memcpy(data, "\x99\x03\xe8", 3);
	memset(data + 3, 0x80, 1000);
	assert_int_equal(cbor_check(data, sizeof(data)), 0);
	memset(data + 3, 0xa0, 1000);
	assert_int_equal(cbor_check(data, sizeof(data)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(accepts_the_vectors),
					   cmocka_unit_test(refuses_the_other_vectors),
					   cmocka_unit_test(takes_the_shortest_heads_only),
					   cmocka_unit_test(takes_three_simple_values_only),
					   cmocka_unit_test(takes_the_shortest_doubles_only),
					   cmocka_unit_test(takes_known_tags_only),
					   cmocka_unit_test(refuses_wrong_content_of_tags),
					   cmocka_unit_test(refuses_wrong_keys),
					   cmocka_unit_test(refuses_wrong_text),
					   cmocka_unit_test(refuses_what_is_missing_or_over),
					   cmocka_unit_test(refuses_counts_that_cannot_be),
					   cmocka_unit_test(bounds_depth),
					   cmocka_unit_test(depth_is_not_a_sum)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
