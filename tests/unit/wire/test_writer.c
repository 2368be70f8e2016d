/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../canary.h"
#include "base/sys.h"
#include "hex.h"
#include "wire/cbor.h"
#include "wire/cursor.h"
#include "wire/writer.h"

/* ---- Allocation that counts and fails ---- */

static unsigned allocations, fail_at; /* the one of that number, counted from 1, fails */

static bool fails(void)
{
	return ++allocations == fail_at;
}

static void *counted_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

static void *counted_realloc(void *p, size_t size)
{
	return fails() ? NULL : realloc(p, size);
}

static int count_allocations(void **state)
{
	(void)state;
	allocations = fail_at = 0;
	sys.malloc = counted_malloc;
	sys.realloc = counted_realloc;
	return 0;
}

static int restore_allocation(void **state)
{
	(void)state;
	sys.malloc = malloc;
	sys.realloc = realloc;
	return 0;
}

/* ---- Helpers ---- */

static struct mitogen_writer w; /* of the test that runs */

static void fresh(void)
{
	writer_clear(&w);
	writer_init(&w, 0, 0);
}

/* That w holds this, and one item; it is empty afterwards. */
static void assert_wrote(const char *text)
{
	struct hex expected = hex_parse(text);

	assert_int_equal(writer_finish(&w), 0);
	assert_int_equal(w.size - w.headroom, expected.size);
	assert_memory_equal(w.data + w.headroom, expected.data, expected.size);
	assert_int_equal(w.items, 1);
	assert_int_equal(cbor_check(w.data + w.headroom, w.size - w.headroom), 0);
	free(expected.data);
	fresh();
}

static void assert_error(int error)
{
	assert_int_equal(writer_finish(&w), error);
	fresh();
}

static void assert_valid(void)
{
	assert_int_equal(writer_finish(&w), 0);
	assert_int_equal(cbor_check(w.data + w.headroom, w.size - w.headroom), 0);
}

static void pair(const char *key, int64_t value)
{
	writer_string(&w, key);
	writer_int(&w, value);
}

/* ---- Items ---- */

static void writes_integers(void **state)
{
	static const struct {
		uint64_t value;
		const char *text;
	} positive[] = {
		{0, "00"},
		{23, "17"},
		{24, "1818"},
		{255, "18ff"},
		{256, "190100"},
		{65535, "19ffff"},
		{65536, "1a00010000"},
		{UINT32_MAX, "1affffffff"},
		{UINT64_C(0x100000000), "1b0000000100000000"},
		{INT64_MAX, "1b7fffffffffffffff"},
		{UINT64_MAX, "1bffffffffffffffff"},
	};
	static const struct {
		int64_t value;
		const char *text;
	} negative[] = {
		{-1, "20"},
		{-24, "37"},
		{-25, "3818"},
		{INT64_MIN, "3b7fffffffffffffff"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(positive) / sizeof(*positive); i++) {
		writer_uint(&w, positive[i].value);
		assert_wrote(positive[i].text);
		if (positive[i].value <= INT64_MAX) {
			writer_int(&w, (int64_t)positive[i].value);
			assert_wrote(positive[i].text);
		}
	}
	for (size_t i = 0; i < sizeof(negative) / sizeof(*negative); i++) {
		writer_int(&w, negative[i].value);
		assert_wrote(negative[i].text);
	}
}

static void writes_doubles(void **state)
{
	static const struct {
		double value;
		const char *text;
	} items[] = {
		{0.0, "f90000"},
		{-0.0, "f98000"},
		{1.0, "f93c00"},
		{1.1, "fb3ff199999999999a"},
		{1.5, "f93e00"},
		{65504.0, "f97bff"},
		{65520.0, "fa477ff000"},
		{100000.0, "fa47c35000"},
		{3.4028234663852886e+38, "fa7f7fffff"},
		{1.0e+300, "fb7e37e43c8800759c"},
		{5.960464477539063e-8, "f90001"},
		{0.00006103515625, "f90400"},
		{-4.0, "f9c400"},
		{-4.1, "fbc010666666666666"},
		{(double)INFINITY, "f97c00"},
		{-(double)INFINITY, "f9fc00"},
		{(double)NAN, "f97e00"},
		{-(double)NAN, "f97e00"},
		{5e-324, "fb0000000000000001"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
		writer_double(&w, items[i].value);
		assert_wrote(items[i].text);
	}
}

static void writes_simple_values(void **state)
{
	(void)state;
	writer_nil(&w);
	assert_wrote("f6");
	writer_bool(&w, false);
	assert_wrote("f4");
	writer_bool(&w, true);
	assert_wrote("f5");
}

static void writes_strings(void **state)
{
	(void)state;
	writer_string(&w, "");
	assert_wrote("60");
	writer_string(&w, "IETF");
	assert_wrote("6449455446");
	writer_text(&w, "\xf0\x90\x85\x91 not this", 4);
	assert_wrote("64f0908591");
	writer_text(&w, NULL, 0);
	assert_wrote("60");
	writer_bytes(&w, "\1\2\3\xff", 4);
	assert_wrote("44010203ff");
	writer_bytes(&w, NULL, 0);
	assert_wrote("40");
	writer_blob(&w, "a", 1);
	assert_wrote("da4d490003 4161");
	writer_secret(&w, "a", 1);
	assert_wrote("da4d490004 4161");
	writer_text(&w, "\xff", 1);
	assert_error(CBOR_ERR_UTF8);
	writer_text(&w, "\xc3\xbc", 1);
	assert_error(CBOR_ERR_UTF8);
}

static void writes_contexts_and_senders(void **state)
{
	(void)state;
	writer_context(&w, 1000);
	assert_wrote("da4d490001 1903e8");
	writer_sender(&w, 5, UINT32_MAX);
	assert_wrote("da4d490002 82 05 1affffffff");
}

static void writes_call_errors(void **state)
{
	(void)state;
	writer_call_error_tag(&w);
	writer_list_head(&w, 5);
	writer_int(&w, -8);
	writer_int(&w, 2);
	writer_string(&w, "OSError");
	writer_string(&w, "");
	writer_string(&w, "b");
	assert_wrote("da4d490005 85 27 02 674f534572726f72 60 6162");
}

/* ---- Lists and maps ---- */

static void nests(void **state)
{
	(void)state;
	writer_begin_list(&w);
	writer_end(&w);
	assert_wrote("80");
	writer_begin_map(&w);
	writer_end(&w);
	assert_wrote("a0");

	writer_begin_list(&w);
	writer_int(&w, 1);
	writer_begin_list(&w);
	writer_int(&w, 2);
	writer_int(&w, 3);
	writer_end(&w);
	writer_begin_map(&w);
	writer_string(&w, "k");
	writer_begin_list(&w);
	writer_nil(&w);
	writer_end(&w);
	writer_end(&w);
	writer_end(&w);
	assert_wrote("83 01 82 02 03 a1 616b 81 f6");
}

static void counts_tags_as_one_item(void **state)
{
	(void)state;
	writer_begin_list(&w);
	writer_context(&w, 1);
	writer_sender(&w, 1, 2);
	writer_blob(&w, "", 0);
	writer_secret(&w, "", 0);
	writer_end(&w);
	assert_wrote("84 da4d490001 01 da4d490002 820102 da4d490003 40 da4d490004 40");
}

/* Heads that take more than the byte that was left for them push the content up. */
static void lists_of_any_length(void **state)
{
	static const unsigned lengths[] = {0, 1, 23, 24, 255, 256, 65535, 65536};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct cursor c;
		uint64_t count;

		writer_begin_list(&w);
		for (unsigned j = 0; j < lengths[i]; j++)
			writer_uint(&w, j);
		writer_end(&w);
		assert_valid();
		c = (struct cursor){w.data, w.data + w.size};
		assert_int_equal(cursor_list(&c, &count), 0);
		assert_int_equal(count, lengths[i]);
		for (unsigned j = 0; j < lengths[i]; j++) {
			uint32_t value;

			assert_int_equal(cursor_u32(&c, &value), 0);
			assert_int_equal(value, j);
		}
		fresh();
	}
}

static void sorts_maps(void **state)
{
	(void)state;
	writer_begin_map(&w);
	pair("b", 1);
	pair("aa", 2);
	pair("", 3);
	pair("a", 4);
	writer_end(&w);
	assert_wrote("a4 60 03 6161 04 6162 01 626161 02");

	writer_begin_map(&w); /* a map in a map, and what comes behind it */
	writer_string(&w, "z");
	writer_begin_map(&w);
	pair("y", 1);
	pair("x", 2);
	writer_end(&w);
	pair("a", 3);
	writer_end(&w);
	assert_wrote("a2 6161 03 617a a2 6178 02 6179 01");
}

static void sorts_large_maps(void **state)
{
	(void)state;
	writer_begin_map(&w);
	for (uint32_t i = 0; i < 50000; i++) {
		char key[40];

		snprintf(key, sizeof(key), "%.*x", (int)(i % 30) + 8, i * 0x9e3779b1u);
		pair(key, i);
	}
	writer_end(&w);
	assert_valid();
	assert_memory_equal(w.data, "\xb9\xc3\x50", 3);
	fresh();
}

static void refuses_keys(void **state)
{
	(void)state;
	writer_begin_map(&w);
	pair("a", 1);
	pair("a", 2);
	writer_end(&w);
	assert_error(CBOR_ERR_KEY);

	writer_begin_map(&w);
	pair("b", 1);
	pair("a", 2);
	pair("b", 1);
	writer_end(&w);
	assert_error(CBOR_ERR_KEY);

	writer_begin_map(&w);
	writer_int(&w, 1);
	writer_int(&w, 2);
	writer_end(&w);
	assert_error(CBOR_ERR_KEY);

	writer_begin_map(&w);
	writer_string(&w, "without a value");
	writer_end(&w);
	assert_error(CBOR_ERR_KEY);
}

static void refuses_what_does_not_nest(void **state)
{
	(void)state;
	writer_end(&w);
	assert_error(CBOR_ERR_NESTING);
	writer_begin_list(&w);
	assert_error(CBOR_ERR_NESTING);
	writer_begin_list(&w);
	writer_end(&w);
	writer_end(&w);
	assert_error(CBOR_ERR_NESTING);
	writer_list_head(&w, 2);
	writer_nil(&w);
	assert_error(CBOR_ERR_NESTING);
	writer_list_head(&w, 2);
	writer_nil(&w);
	writer_end(&w);
	assert_error(CBOR_ERR_NESTING);
}

static void list_heads_close_themselves(void **state)
{
	(void)state;
	writer_list_head(&w, 0);
	assert_wrote("80");

	writer_list_head(&w, 3);
	writer_nil(&w);
	writer_list_head(&w, 2);
	writer_nil(&w);
	writer_list_head(&w, 1); /* closes both */
	writer_nil(&w);
	writer_list_head(&w, 0);
	assert_wrote("83 f6 82 f6 81 f6 80");

	writer_begin_map(&w); /* each is one item for what it is in */
	writer_string(&w, "b");
	writer_list_head(&w, 2);
	writer_nil(&w);
	writer_begin_list(&w);
	writer_end(&w);
	writer_string(&w, "a");
	writer_list_head(&w, 0);
	writer_end(&w);
	assert_wrote("a2 6161 80 6162 82 f6 80");

	writer_list_head(&w, 24);
	for (int i = 0; i < 24; i++)
		writer_nil(&w);
	assert_valid();
	assert_int_equal(w.size, 2 + 24);
	fresh();
}

/* ---- Depth ---- */

static void begin_lists(unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		writer_begin_list(&w);
}

static void end_lists(unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		writer_end(&w);
}

static void bounds_depth(void **state)
{
	(void)state;
	begin_lists(64);
	writer_context(&w, 1);
	end_lists(64);
	assert_valid();
	fresh();
	begin_lists(65);
	end_lists(65);
	assert_error(CBOR_ERR_NESTING);
	begin_lists(64);
	writer_list_head(&w, 0);
	end_lists(64);
	assert_error(CBOR_ERR_NESTING);
	begin_lists(64);
	writer_begin_map(&w);
	assert_error(CBOR_ERR_NESTING);

	begin_lists(63);
	writer_sender(&w, 1, 2);
	end_lists(63);
	assert_valid();
	fresh();
	begin_lists(64);
	writer_sender(&w, 1, 2);
	end_lists(64);
	assert_error(CBOR_ERR_NESTING);

	for (unsigned i = 0; i < 64; i++)
		writer_list_head(&w, 1);
	writer_nil(&w);
	assert_valid();
	fresh();
	for (unsigned i = 0; i < 65; i++)
		writer_list_head(&w, 1);
	assert_error(CBOR_ERR_NESTING);
}

/* ---- Appending ---- */

static void appends(void **state)
{
	struct mitogen_writer items;

	(void)state;
	writer_init(&items, 7, 0);
	writer_begin_list(&w);
	writer_append(&w, &items); /* nothing */
	writer_nil(&items);
	writer_begin_list(&items);
	writer_int(&items, 1);
	writer_end(&items);
	writer_append(&w, &items);
	writer_append(&w, &items);
	writer_end(&w);
	assert_wrote("84 f6 81 01 f6 81 01");

	writer_list_head(&w, 2);
	writer_append(&w, &items);
	assert_wrote("82 f6 81 01");

	writer_begin_list(&w); /* more than the inner list needs: the rest is the outer one's */
	writer_list_head(&w, 1);
	writer_append(&w, &items);
	writer_end(&w);
	assert_wrote("82 81 f6 81 01");
	writer_clear(&items);
}

static void append_counts_depth(void **state)
{
	struct mitogen_writer items;

	(void)state;
	writer_init(&items, 0, 0);
	writer_begin_list(&items);
	writer_sender(&items, 1, 2);
	writer_end(&items);
	begin_lists(62);
	writer_append(&w, &items);
	end_lists(62);
	assert_valid();
	fresh();
	begin_lists(63);
	writer_append(&w, &items);
	end_lists(63);
	assert_error(CBOR_ERR_NESTING);
	writer_clear(&items);
}

static void append_counts_depth_of_what_was_appended(void **state)
{
	struct mitogen_writer middle, outer;

	(void)state;
	writer_init(&middle, 0, 0);
	writer_init(&outer, 0, 0);
	begin_lists(60);
	end_lists(60);
	writer_append(&middle, &w);
	writer_begin_list(&middle);
	writer_append(&middle, &w);
	writer_end(&middle);
	for (unsigned i = 0; i < 3; i++) {
		writer_begin_list(&outer);
		writer_append(&outer, &middle);
	}
	assert_int_equal(outer.error, 0);
	writer_begin_list(&outer);
	assert_int_equal(outer.error, 0);
	writer_append(&outer, &middle);
	assert_int_equal(outer.error, CBOR_ERR_NESTING);
	writer_clear(&outer);
	writer_clear(&middle);
	fresh();
}

static void append_takes_over_errors(void **state)
{
	struct mitogen_writer items;

	(void)state;
	writer_init(&items, 0, 0);
	writer_text(&items, "\xff", 1);
	writer_append(&w, &items);
	assert_error(CBOR_ERR_UTF8);
	writer_clear(&items);
	writer_begin_list(&items);
	writer_append(&w, &items);
	assert_error(CBOR_ERR_NESTING);
	writer_clear(&items);
}

/* ---- Buffer and errors ---- */

static void first_error_stays(void **state)
{
	(void)state;
	writer_begin_map(&w);
	writer_text(&w, "\xff", 1);
	writer_string(&w, "a");
	writer_int(&w, 1);
	writer_double(&w, 1);
	writer_sender(&w, 1, 2);
	writer_begin_list(&w);
	writer_list_head(&w, 3);
	writer_end(&w);
	writer_end(&w);
	writer_end(&w);
	assert_int_equal(w.size, 1);
	assert_error(CBOR_ERR_UTF8);
}

static void leaves_headroom(void **state)
{
	(void)state;
	for (size_t headroom = 0; headroom < 2000; headroom += 111) {
		writer_init(&w, headroom, 0);
		assert_int_equal(w.size, 0);
		writer_begin_map(&w);
		pair("b", 1);
		pair("a", 2);
		writer_end(&w);
		assert_int_equal(w.size, headroom + 7);
		memset(w.data, 0xff, headroom);
		assert_memory_equal(w.data + headroom, "\xa2\x61\x61\x02\x61\x62\x01", 7);
		fresh();
	}
}

static void keeps_the_limit(void **state)
{
	(void)state;
	writer_init(&w, 28, 5);
	writer_bytes(&w, "1234", 4);
	assert_wrote("4431323334");
	writer_init(&w, 28, 5);
	writer_bytes(&w, "12345", 5);
	assert_error(CBOR_ERR_TOO_BIG);
	writer_init(&w, 28, 5);
	writer_bytes(&w, "1", SIZE_MAX);
	assert_error(CBOR_ERR_TOO_BIG);
	writer_bytes(&w, "1", SIZE_MAX - 20);
	assert_error(CBOR_ERR_TOO_BIG);

	writer_init(&w, 0, 25); /* the longer head counts, too */
	writer_begin_list(&w);
	for (int i = 0; i < 24; i++)
		writer_nil(&w);
	writer_end(&w);
	assert_error(CBOR_ERR_TOO_BIG);
}

static void write_small_message(void)
{
	writer_init(&w, 28, 0);
	writer_list_head(&w, 6);
	writer_uint(&w, 123456);
	writer_string(&w, "a module");
	writer_nil(&w);
	writer_string(&w, "a function");
	writer_begin_list(&w);
	writer_bytes(&w, "/etc/passwd", 11);
	writer_end(&w);
	writer_begin_map(&w);
	pair("a", 1);
	pair("b", 2);
	writer_end(&w);
}

static void small_messages_take_one_allocation(void **state)
{
	(void)state;
	write_small_message();
	assert_valid();
	assert_int_equal(allocations, 1);
	fresh();
}

static void write_large_message(void)
{
	begin_lists(6);
	writer_begin_map(&w);
	pair("b", 1);
	pair("a", 1);
	writer_end(&w);
	for (int i = 0; i < 300; i++)
		writer_nil(&w);
	end_lists(6);
}

static void reports_each_failed_allocation(void **state)
{
	unsigned needed;

	(void)state;
	write_large_message();
	assert_valid();
	fresh();
	needed = allocations;
	assert_true(needed >= 4); /* buffer, levels, sorting, a larger buffer */
	for (unsigned i = 1; i <= needed; i++) {
		allocations = 0;
		fail_at = i;
		write_large_message();
		assert_error(CBOR_ERR_MEMORY);
	}
}

static void clears(void **state)
{
	struct mitogen_writer zeroed = {.headroom = 3, .limit = 10};

	(void)state;
	writer_clear(NULL);
	writer_clear(&zeroed);
	writer_nil(&zeroed);
	assert_int_equal(writer_finish(&zeroed), 0);
	assert_int_equal(zeroed.size, 4);
	writer_clear(&zeroed);
	assert_int_equal(zeroed.headroom, 3);
	assert_int_equal(zeroed.limit, 10);
	assert_int_equal(zeroed.size, 0);
	begin_lists(64); /* half built */
	fresh();
	writer_nil(&w);
	assert_wrote("f6");
}

/* However large it grows, and whatever is moved in it. */
static void secrets_leave_no_copies(void **state)
{
	struct mitogen_writer inner = {0};

	(void)state;
	canary_watch();
	writer_secret(&inner, CANARY, strlen(CANARY));
	writer_begin_map(&w);
	writer_string(&w, "z");
	writer_append(&w, &inner);
	writer_clear(&inner);
	for (char name[2] = "y"; *name >= 'a'; --*name) { /* backwards, so that they are sorted */
		writer_string(&w, name);
		writer_begin_list(&w);
		for (int i = 0; i < 50; i++)
			writer_secret(&w, CANARY, strlen(CANARY));
		writer_end(&w);
	}
	writer_end(&w);
	assert_int_equal(writer_finish(&w), 0);
	assert_true(w.has_secret);
	writer_clear(&w);
	assert_false(canary_was_freed);
	writer_bytes(&w, CANARY, strlen(CANARY));
	writer_clear(&w);
	assert_true(canary_was_freed); /* so that the test would see one */
	canary_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_integers),
		cmocka_unit_test(writes_doubles),
		cmocka_unit_test(writes_simple_values),
		cmocka_unit_test(writes_strings),
		cmocka_unit_test(writes_contexts_and_senders),
		cmocka_unit_test(writes_call_errors),
		cmocka_unit_test(nests),
		cmocka_unit_test(counts_tags_as_one_item),
		cmocka_unit_test(lists_of_any_length),
		cmocka_unit_test(sorts_maps),
		cmocka_unit_test(sorts_large_maps),
		cmocka_unit_test(refuses_keys),
		cmocka_unit_test(refuses_what_does_not_nest),
		cmocka_unit_test(list_heads_close_themselves),
		cmocka_unit_test(bounds_depth),
		cmocka_unit_test(appends),
		cmocka_unit_test(append_counts_depth),
		cmocka_unit_test(append_counts_depth_of_what_was_appended),
		cmocka_unit_test(append_takes_over_errors),
		cmocka_unit_test(first_error_stays),
		cmocka_unit_test(leaves_headroom),
		cmocka_unit_test(keeps_the_limit),
		cmocka_unit_test_setup_teardown(small_messages_take_one_allocation,
						count_allocations, restore_allocation),
		cmocka_unit_test_setup_teardown(reports_each_failed_allocation, count_allocations,
						restore_allocation),
		cmocka_unit_test(clears),
		cmocka_unit_test(secrets_leave_no_copies)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
