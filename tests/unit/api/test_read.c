/* SPDX-License-Identifier: BSD-3-Clause */
#include <float.h>
#include <limits.h>
#include <math.h>

#include "base/error.h"
#include "base/sys.h"
#include "read_fixture.h"

static mitogen_error err;

static int setup(void **state)
{
	(void)state;
	err = (mitogen_error){0};
	return 0;
}

static int restore_sys(void **state)
{
	(void)state;
	sys.malloc = malloc;
	sys.free = free;
	return 0;
}

/* ---- Numbers ---- */

#define ASSERT_READS(type, value, expected)                                                        \
	do {                                                                                       \
		MITOGEN_AUTO(message, made);                                                       \
		type back;                                                                         \
		memset(&back, 0x55, sizeof(back));                                                 \
		made = MESSAGE(value);                                                             \
		assert_int_equal(mitogen_read(made, &err, &back), 0);                              \
		assert_true(back == (expected));                                                   \
	} while (0)
#define ASSERT_REFUSED(type, value, part)                                                          \
	do {                                                                                       \
		MITOGEN_AUTO(message, made);                                                       \
		type back;                                                                         \
		char before[sizeof(back)];                                                         \
		memset(&back, 0x55, sizeof(back));                                                 \
		memset(before, 0x55, sizeof(before));                                              \
		made = MESSAGE(value);                                                             \
		assert_int_equal(mitogen_read(made, &err, &back), MITOGEN_ERR_TYPE);               \
		assert_int_equal(err.code, MITOGEN_ERR_TYPE);                                      \
		assert_non_null(strstr(err.text, part));                                           \
		assert_memory_equal(&back, before, sizeof(back));                                  \
	} while (0)

static void signed_integers(void **state)
{
	(void)state;
	ASSERT_READS(signed char, SCHAR_MIN, SCHAR_MIN);
	ASSERT_READS(signed char, SCHAR_MAX, SCHAR_MAX);
	ASSERT_READS(short, SHRT_MIN, SHRT_MIN);
	ASSERT_READS(short, SHRT_MAX, SHRT_MAX);
	ASSERT_READS(int, INT_MIN, INT_MIN);
	ASSERT_READS(int, INT_MAX, INT_MAX);
	ASSERT_READS(long, LONG_MIN, LONG_MIN);
	ASSERT_READS(long, LONG_MAX, LONG_MAX);
	ASSERT_READS(long long, LLONG_MIN, LLONG_MIN);
	ASSERT_READS(long long, LLONG_MAX, LLONG_MAX);
	ASSERT_READS(int, 0, 0);
	ASSERT_READS(int, -1, -1);
	ASSERT_READS(long long, 7U, 7);
}

static void unsigned_integers(void **state)
{
	(void)state;
	ASSERT_READS(unsigned char, UCHAR_MAX, UCHAR_MAX);
	ASSERT_READS(unsigned short, USHRT_MAX, USHRT_MAX);
	ASSERT_READS(unsigned, UINT_MAX, UINT_MAX);
	ASSERT_READS(unsigned long, ULONG_MAX, ULONG_MAX);
	ASSERT_READS(unsigned long long, ULLONG_MAX, ULLONG_MAX);
	ASSERT_READS(unsigned char, 0, 0);
}

static void integers_out_of_range(void **state)
{
	(void)state;
	ASSERT_REFUSED(signed char, 128, "cannot hold");
	ASSERT_REFUSED(signed char, -129, "cannot hold");
	ASSERT_REFUSED(unsigned char, 256, "cannot hold");
	ASSERT_REFUSED(unsigned char, -1, "cannot hold");
	ASSERT_REFUSED(short, 32768, "cannot hold");
	ASSERT_REFUSED(unsigned short, 65536, "cannot hold");
	ASSERT_REFUSED(int, INT64_C(2147483648), "cannot hold");
	ASSERT_REFUSED(int, INT64_C(-2147483649), "cannot hold");
	ASSERT_REFUSED(unsigned, INT64_C(4294967296), "cannot hold");
	ASSERT_REFUSED(unsigned, -1, "cannot hold");
	ASSERT_REFUSED(long long, ULLONG_MAX, "cannot hold");
	ASSERT_REFUSED(long long, (unsigned long long)LLONG_MAX + 1, "cannot hold");
	ASSERT_REFUSED(unsigned long long, LLONG_MIN, "cannot hold");
}

/* -2^63 - 1 and -2^64, which no integer of C holds. */
static void negative_beyond_all_integers(void **state)
{
	static const uint8_t below[] = {0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0};
	MITOGEN_AUTO(message, m);
	long long kept = 5;
	double number = 5;

	(void)state;
	m = message_new(sizeof(below));
	memcpy(m->payload, below, sizeof(below));
	assert_int_equal(mitogen_read(m, &err, &kept), MITOGEN_ERR_TYPE);
	assert_int_equal(mitogen_read(m, &err, &number), MITOGEN_ERR_TYPE);
	assert_true(kept == 5 && number == 5);
	memset(m->payload + 1, 0xff, 8);
	assert_int_equal(mitogen_read(m, &err, &kept), MITOGEN_ERR_TYPE);
	assert_int_equal(mitogen_read(m, &err, &number), 0);
	assert_true(kept == 5 && number == -0x1p64);
}

static void bools(void **state)
{
	(void)state;
	ASSERT_READS(bool, (bool)true, true);
	ASSERT_READS(bool, (bool)false, false);
	ASSERT_READS(bool, 1, true); /* what a comparison is in C */
	ASSERT_READS(bool, 0, false);
	ASSERT_READS(int, (bool)true, 1);
	ASSERT_REFUSED(bool, 2, "cannot hold");
	ASSERT_REFUSED(bool, -1, "cannot hold");
	ASSERT_REFUSED(bool, "true", "text came where a bool was expected");
}

static void doubles(void **state)
{
	MITOGEN_AUTO(message, m);
	double number = 0;

	(void)state;
	m = MESSAGE((double)NAN);
	assert_int_equal(mitogen_read(m, &err, &number), 0);
	assert_true(isnan(number));
	m->payload[0] = 0xf9; /* -0.0, which == does not tell from 0.0 */
	m->payload[1] = 0x80;
	m->payload[2] = 0;
	assert_int_equal(mitogen_read(m, &err, &number), 0);
	assert_true(number == 0 && signbit(number));
	ASSERT_READS(double, 0.1, 0.1);
	ASSERT_READS(double, 5e-324, 5e-324);
	ASSERT_READS(double, DBL_MAX, DBL_MAX);
	ASSERT_READS(double, -INFINITY, -INFINITY);
	ASSERT_READS(float, 0.1F, 0.1F);
	ASSERT_READS(float, 0.1, 0.1F); /* rounded */
	ASSERT_READS(float, INFINITY, INFINITY);
	ASSERT_REFUSED(float, 1e300, "no float");
	ASSERT_REFUSED(int, 1.0, "a double came where an integer was expected");
}

/* Where no digit is lost. */
static void integers_as_doubles(void **state)
{
	(void)state;
	ASSERT_READS(double, 3, 3.0);
	ASSERT_READS(double, -3, -3.0);
	ASSERT_READS(double, INT64_C(1) << 53, 9007199254740992.0);
	ASSERT_REFUSED(double, (INT64_C(1) << 53) + 1, "cannot hold");
	ASSERT_REFUSED(double, -(INT64_C(1) << 53) - 1, "cannot hold");
	ASSERT_READS(double, INT64_C(1) << 60, 1152921504606846976.0);
	ASSERT_READS(double, LLONG_MIN, -9223372036854775808.0);
	ASSERT_REFUSED(double, LLONG_MAX, "cannot hold");
	ASSERT_REFUSED(double, ULLONG_MAX, "cannot hold");
	ASSERT_READS(double, UINT64_C(1) << 63, 9223372036854775808.0);
	ASSERT_READS(float, 1 << 24, 16777216.0F);
	ASSERT_REFUSED(float, (1 << 24) + 1, "cannot hold");
	ASSERT_READS(float, INT64_C(1) << 62, 0x1p62F);
}

/* ---- Strings ---- */

static void strings_are_lent(void **state)
{
	MITOGEN_AUTO(message, m);
	const char *text, *again;

	(void)state;
	m = MESSAGE("gr\xc3\xbc\xc3\x9f");
	assert_int_equal(mitogen_read(m, &err, &text), 0);
	assert_int_equal(mitogen_read(m, &err, &again), 0);
	assert_string_equal(text, "gr\xc3\xbc\xc3\x9f");
	assert_string_equal(again, text);
	mitogen_message_unref(m);
	m = MESSAGE(mitogen_path("/\xff"));
	assert_int_equal(mitogen_read(m, &err, &text), 0);
	assert_string_equal(text, "/\xff");
}

static void copies_are_the_readers(void **state)
{
	MITOGEN_AUTO(text, copy);
	mitogen_message *m = MESSAGE("text");

	(void)state;
	assert_int_equal(mitogen_read(m, &err, &copy), 0);
	mitogen_message_unref(m);
	assert_string_equal(copy, "text");
}

static void bytes_of_any_kind(void **state)
{
	MITOGEN_AUTO(message, m);
	mitogen_bytes bytes;

	(void)state;
	m = MESSAGE(mitogen_bytes_of("a\0b", 3));
	assert_int_equal(mitogen_read(m, &err, &bytes), 0);
	assert_int_equal(bytes.size, 3);
	assert_memory_equal(bytes.data, "a\0b", 3);
	mitogen_message_unref(m);
	m = MESSAGE("text");
	assert_int_equal(mitogen_read(m, &err, &bytes), 0);
	assert_memory_equal(bytes.data, "text", 4);
	mitogen_message_unref(m);
	m = MESSAGE(mitogen_blob("blob", 4));
	assert_int_equal(mitogen_read(m, &err, &bytes), 0);
	assert_int_equal(bytes.size, 4);
	mitogen_message_unref(m);
	m = MESSAGE(mitogen_bytes_of(NULL, 0));
	assert_int_equal(mitogen_read(m, &err, &bytes), 0);
	assert_int_equal(bytes.size, 0);
}

static void no_string_hides_a_nul(void **state)
{
	(void)state;
	ASSERT_REFUSED(const char *, mitogen_bytes_of("a\0b", 3), "NUL");
	ASSERT_REFUSED(char *, mitogen_bytes_of("a\0b", 3), "NUL");
}

static void secrets_are_read_as_secrets_alone(void **state)
{
	MITOGEN_AUTO(message, m);
	mitogen_secret secret;

	(void)state;
	m = MESSAGE(mitogen_secret_of("hush"));
	assert_int_equal(mitogen_read(m, &err, &secret), 0);
	assert_int_equal(secret.size, 4);
	assert_string_equal(secret.data, "hush");
	ASSERT_REFUSED(const char *, mitogen_secret_of("hush"), "a secret came");
	assert_null(strstr(err.text, "hush"));
	ASSERT_REFUSED(mitogen_bytes, mitogen_secret_of("hush"), "a secret came");
	ASSERT_REFUSED(mitogen_secret, "hush", "text came where a secret was expected");
}

/* ---- Addresses ---- */

static void addresses_belong_to_the_router(void **state)
{
	MITOGEN_AUTO(message, m);
	mitogen_router router;
	mitogen_context self, context;
	mitogen_sender sender, sent = {.context = 5, .handle = 4711};

	(void)state;
	mitogen_init(0, NULL);
	router = mitogen_router_new(&err);
	self = mitogen_within(mitogen_self(router), 100);
	sent.router = router.ref;
	m = MESSAGE(mitogen_list(self, sent));
	m->router_ref = router.ref;
	assert_int_equal(mitogen_read(m, &err, &context, &sender), 0);
	assert_int_equal(context.ref, self.ref);
	assert_int_equal(context.within_ms, 0);
	assert_int_equal(mitogen_context_id(context), 0);
	assert_memory_equal(&sender, &sent, sizeof(sent));
	assert_int_equal(mitogen_read(m, &err, &sender, &context), MITOGEN_ERR_TYPE);
	mitogen_router_close(router);
	context.ref = 42;
	assert_int_equal(mitogen_read(m, &err, &context, &sender), MITOGEN_ERR_CLOSED);
	assert_int_equal(context.ref, 42);
}

/* ---- Nil ---- */

static void nil_reads_as_nothing_into_anything(void **state)
{
	MITOGEN_AUTO(message, m);
	bool boolean = true;
	int integer = 5;
	unsigned char small = 5;
	double real = 5;
	float single = 5;
	const char *text = "x";
	MITOGEN_AUTO(text, copy);
	mitogen_bytes bytes = {"x", 1};
	mitogen_secret secret = {"x", 1};
	mitogen_context context = {1, 2, 3, 4};
	mitogen_sender sender = {1, 2, 3, 4};
	mitogen_cursor cursor;

	(void)state;
	m = MESSAGE(mitogen_nil());
	assert_int_equal(mitogen_read(m, &err, &boolean), 0);
	assert_int_equal(mitogen_read(m, &err, &integer), 0);
	assert_int_equal(mitogen_read(m, &err, &small), 0);
	assert_int_equal(mitogen_read(m, &err, &real), 0);
	assert_int_equal(mitogen_read(m, &err, &single), 0);
	assert_int_equal(mitogen_read(m, &err, &text), 0);
	assert_int_equal(mitogen_read(m, &err, &copy), 0);
	assert_int_equal(mitogen_read(m, &err, &bytes), 0);
	assert_int_equal(mitogen_read(m, &err, &secret), 0);
	assert_int_equal(mitogen_read(m, &err, &context), 0);
	assert_int_equal(mitogen_read(m, &err, &sender), 0);
	assert_int_equal(mitogen_read(m, &err, &cursor), 0);
	assert_true(!boolean && integer == 0 && small == 0 && real == 0 && single == 0);
	assert_true(!text && !copy && !bytes.data && bytes.size == 0 && !secret.data);
	assert_true(context.ref == 0 && context.router == 0 && sender.router == 0);
	assert_int_equal(mitogen_cursor_type(&cursor), MITOGEN_NIL);
}

/* ---- Several ---- */

static void several_from_a_list(void **state)
{
	MITOGEN_AUTO(message, m);
	const char *text;
	int number;
	double real;

	(void)state;
	m = MESSAGE(mitogen_list("a", 2, 3.5));
	assert_int_equal(mitogen_read(m, &err, &text, &number, &real), 0);
	assert_string_equal(text, "a");
	assert_true(number == 2 && real == 3.5);
}

static int allocated;

static void *count_malloc(size_t size)
{
	allocated++;
	return malloc(size);
}

static void count_free(void *p)
{
	allocated -= p != NULL;
	free(p);
}

static void all_or_nothing(void **state)
{
	MITOGEN_AUTO(message, m);
	MITOGEN_AUTO(text, copy);
	int number = 5;
	bool boolean = true;

	(void)state;
	m = MESSAGE(mitogen_list("a", 2, "no bool"));
	sys.malloc = count_malloc;
	sys.free = count_free;
	assert_int_equal(mitogen_read(m, &err, &copy, &number, &boolean), MITOGEN_ERR_TYPE);
	assert_int_equal(allocated, 0);
	assert_null(copy);
	assert_int_equal(number, 5);
	assert_true(boolean);
	assert_non_null(strstr(err.text, "value 3: "));
}

static void as_many_as_there_are(void **state)
{
	MITOGEN_AUTO(message, m);
	int a = 5, b = 5, c = 5;

	(void)state;
	m = MESSAGE(mitogen_list(1, 2));
	assert_int_equal(mitogen_read(m, &err, &a, &b, &c), MITOGEN_ERR_TYPE);
	assert_string_equal(err.text, "a list of 2 came where one of 3 was expected");
	assert_int_equal(a, 5);
	assert_int_equal(mitogen_read(m, &err, &a), MITOGEN_ERR_TYPE);
	mitogen_message_unref(m);
	m = MESSAGE(1);
	assert_int_equal(mitogen_read(m, &err, &a, &b), MITOGEN_ERR_TYPE);
	assert_int_equal(a, 5);
}

static void many_at_once(void **state)
{
	MITOGEN_AUTO(message, m);
	int v[16], sum = 0;

	(void)state;
	m = MESSAGE(mitogen_list(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
	assert_int_equal(mitogen_read(m, &err, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6],
				      &v[7], &v[8], &v[9], &v[10], &v[11], &v[12], &v[13], &v[14]),
			 0);
	for (int i = 0; i < 15; i++)
		sum += v[i];
	assert_int_equal(sum, 120);
}

/* In a called function; dispatch has checked that a list begins at .arguments. */
static void arguments_that_were_left_out_are_nil(void **state)
{
	static const mitogen_export function = {.name = "f"};
	MITOGEN_AUTO(message, m);
	int one = 5, two = 5;

	(void)state;
	m = MESSAGE(mitogen_list(7));
	m->function = &function;
	assert_int_equal(mitogen_read(m, &err, &one), 0);
	assert_int_equal(one, 7);
	assert_int_equal(mitogen_read(m, &err, &one, &two), 0);
	assert_int_equal(two, 0);
	mitogen_message_unref(m);
	m = MESSAGE(mitogen_list(1, 2));
	m->function = &function;
	assert_int_equal(mitogen_read(m, &err, &one), MITOGEN_ERR_TYPE);
	assert_string_equal(err.text, "2 arguments came, 1 are read");
	assert_int_equal(one, 7);
}

/* From a program that was compiled for a newer library. */
static void unknown_variables_are_refused(void **state)
{
	MITOGEN_AUTO(message, m);
	int variable = 5;
	mitogen_out unknown = {(mitogen_out_type)99, sizeof(variable), &variable};
	mitogen_out huge = {MITOGEN_OUT_INT, 4096, &variable};

	(void)state;
	m = MESSAGE(1);
	assert_int_equal(mitogen_read_with(m, &err, &unknown, 1), MITOGEN_ERR_USAGE);
	assert_int_equal(mitogen_read_with(m, &err, &huge, 1), MITOGEN_ERR_USAGE);
	assert_int_equal(variable, 5);
}

/* ---- Cursors ---- */

static void lists_are_walked(void **state)
{
	MITOGEN_AUTO(message, m);
	mitogen_cursor list;
	int a, b, sum = 0;

	(void)state;
	m = MESSAGE(mitogen_list(1, 2, 3, 4, 5));
	assert_int_equal(mitogen_read(m, &err, &list), 0);
	assert_int_equal(mitogen_cursor_type(&list), MITOGEN_LIST);
	assert_int_equal(mitogen_cursor_count(&list), 5);
	while (mitogen_next(&list, &err, &a) == 1)
		sum += a;
	assert_int_equal(sum, 15);
	assert_int_equal(mitogen_next(&list, &err, &a), 0);
	assert_int_equal(mitogen_cursor_count(&list), 5);
	assert_int_equal(mitogen_read(m, &err, &list), 0);
	assert_int_equal(mitogen_next(&list, &err, &a, &b), 1);
	assert_int_equal(mitogen_next(&list, &err, &a, &b), 1);
	assert_true(a == 3 && b == 4);
	assert_int_equal(mitogen_next(&list, &err, &a, &b), MITOGEN_ERR_TYPE);
	assert_string_equal(err.text, "2 items are asked for, 1 are left");
	assert_int_equal(mitogen_next(&list, &err, &a), 1);
	assert_int_equal(a, 5);
}

/* An item that does not fit stays where it is, for another try. */
static void a_failed_step_does_not_move(void **state)
{
	MITOGEN_AUTO(message, m);
	mitogen_cursor list;
	const char *text;
	int number = 5;

	(void)state;
	m = MESSAGE(mitogen_list("a", 2));
	assert_int_equal(mitogen_read(m, &err, &list), 0);
	assert_int_equal(mitogen_next(&list, &err, &number), MITOGEN_ERR_TYPE);
	assert_int_equal(number, 5);
	assert_int_equal(mitogen_next(&list, &err, &text), 1);
	assert_int_equal(mitogen_next(&list, &err, &number), 1);
	assert_int_equal(number, 2);
}

static void maps_are_walked_and_searched(void **state)
{
	MITOGEN_AUTO(message, m);
	mitogen_cursor map, copy;
	const char *key;
	int value, pairs = 0, sum = 0;

	(void)state;
	m = MESSAGE(mitogen_map("two", 2, "one", 1, "three", 3));
	assert_int_equal(mitogen_read(m, &err, &map), 0);
	assert_int_equal(mitogen_cursor_type(&map), MITOGEN_MAP);
	assert_int_equal(mitogen_cursor_count(&map), 3);
	copy = map;
	for (; mitogen_next(&map, &err, &key, &value) == 1; pairs++)
		sum += value * (int)strlen(key);
	assert_int_equal(pairs, 3);
	assert_int_equal(sum, 3 + 6 + 15);
	assert_int_equal(mitogen_find(&map, "two", &err, &value), 1);
	assert_int_equal(value, 2);
	assert_int_equal(mitogen_find(&copy, "tw", &err, &value), 0);
	assert_int_equal(mitogen_find(&copy, "twos", &err, &value), 0);
	assert_int_equal(value, 2);
	assert_int_equal(mitogen_find(&copy, "two", &err, &key), MITOGEN_ERR_TYPE);
	assert_non_null(strstr(err.text, "two: an integer came"));
	assert_int_equal(mitogen_next(&copy, &err, &key), MITOGEN_ERR_USAGE);
}

static void values_inside_values(void **state)
{
	MITOGEN_AUTO(message, m);
	mitogen_cursor map, list, item;
	int a, b;

	(void)state;
	m = MESSAGE(mitogen_map("x", mitogen_list(1, mitogen_list(2, 3), mitogen_map("y", 4))));
	assert_int_equal(mitogen_read(m, &err, &map), 0);
	assert_int_equal(mitogen_find(&map, "x", &err, &list), 1);
	assert_int_equal(mitogen_next(&list, &err, &a), 1);
	assert_int_equal(mitogen_next(&list, &err, &item), 1);
	assert_int_equal(mitogen_read(&item, &err, &a, &b), 0);
	assert_true(a == 2 && b == 3);
	assert_int_equal(mitogen_next(&list, &err, &item), 1);
	assert_int_equal(mitogen_find(&item, "y", &err, &a), 1);
	assert_int_equal(a, 4);
	assert_int_equal(mitogen_next(&list, &err, &item), 0);
}

static void cursors_of_other_values(void **state)
{
	static const mitogen_cursor nowhere;
	MITOGEN_AUTO(message, m);
	mitogen_cursor cursor = nowhere;
	int number = 5;

	(void)state;
	assert_int_equal(mitogen_cursor_type(&nowhere), MITOGEN_NIL);
	assert_int_equal(mitogen_cursor_count(&nowhere), 0);
	assert_int_equal(mitogen_next(&cursor, &err, &number), 0);
	assert_int_equal(mitogen_read(&cursor, &err, &number), MITOGEN_ERR_TYPE);
	assert_int_equal(mitogen_find(&cursor, "x", &err, &number), MITOGEN_ERR_TYPE);
	m = MESSAGE(7);
	assert_int_equal(mitogen_read(m, &err, &cursor), 0);
	assert_int_equal(mitogen_cursor_type(&cursor), MITOGEN_INT);
	assert_int_equal(mitogen_cursor_count(&cursor), 0);
	assert_int_equal(mitogen_find(&cursor, "x", &err, &number), MITOGEN_ERR_TYPE);
	assert_string_equal(err.text, "an integer came where a map was expected");
	assert_int_equal(mitogen_next(&cursor, &err, &number), 0);
	assert_int_equal(number, 5);
	assert_int_equal(mitogen_read(&cursor, &err, &number), 0);
	assert_int_equal(number, 7);
}

/* ---- Messages that are no values ---- */

static void a_failure_is_what_reading_gives(void **state)
{
	MITOGEN_AUTO(message, m);
	mitogen_error failure = {.code = MITOGEN_ERR_LOST, .text = "gone"};
	int number = 5;

	(void)state;
	m = MESSAGE(7);
	message_set_failure(m, &failure);
	assert_int_equal(mitogen_read(m, &err, &number), MITOGEN_ERR_LOST);
	assert_string_equal(err.text, "gone");
	assert_int_equal(mitogen_read(m, NULL), MITOGEN_ERR_LOST);
	assert_int_equal(number, 5);
}

static void no_message_keeps_the_first_error(void **state)
{
	mitogen_message *none = NULL;
	int number;

	(void)state;
	error_set(&err, MITOGEN_ERR_TIMEOUT, "no answer in time");
	assert_int_equal(mitogen_read(none, &err, &number), MITOGEN_ERR_TIMEOUT);
	assert_string_equal(err.text, "no answer in time");
	err.code = 0;
	assert_int_equal(mitogen_read(none, &err, &number), MITOGEN_ERR_USAGE);
}

static void raw_bytes_are_read_as_bytes_alone(void **state)
{
	MITOGEN_AUTO(message, m);
	mitogen_bytes bytes;
	int number;

	(void)state;
	m = MESSAGE("abc");
	m->header.kind = FRAME_RAW;
	assert_int_equal(mitogen_read(m, &err, &bytes), 0);
	assert_int_equal(bytes.size, 4);
	assert_memory_equal(bytes.data,
			    "\x63"
			    "abc",
			    4);
	assert_int_equal(mitogen_read(m, &err, &number), MITOGEN_ERR_TYPE);
	assert_int_equal(mitogen_read(m, &err), MITOGEN_ERR_TYPE);
	assert_int_equal(mitogen_read(m, &err, &bytes, &bytes), MITOGEN_ERR_TYPE);
}

/* ---- Without memory ---- */

static void *no_memory(size_t size)
{
	(void)size;
	return NULL;
}

static void strings_need_memory(void **state)
{
	MITOGEN_AUTO(message, m);
	MITOGEN_AUTO(text, copy);
	const char *text = "as before";
	int number = 5;

	(void)state;
	m = MESSAGE(mitogen_list(1, "text"));
	sys.malloc = no_memory;
	assert_int_equal(mitogen_read(m, &err, &number, &text), MITOGEN_ERR_MEMORY);
	assert_int_equal(mitogen_read(m, &err, &number, &copy), MITOGEN_ERR_MEMORY);
	sys.malloc = malloc;
	assert_string_equal(text, "as before");
	assert_null(copy);
	assert_int_equal(number, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(signed_integers, setup),
		cmocka_unit_test_setup(unsigned_integers, setup),
		cmocka_unit_test_setup(integers_out_of_range, setup),
		cmocka_unit_test_setup(negative_beyond_all_integers, setup),
		cmocka_unit_test_setup(bools, setup),
		cmocka_unit_test_setup(doubles, setup),
		cmocka_unit_test_setup(integers_as_doubles, setup),
		cmocka_unit_test_setup(strings_are_lent, setup),
		cmocka_unit_test_setup(copies_are_the_readers, setup),
		cmocka_unit_test_setup(bytes_of_any_kind, setup),
		cmocka_unit_test_setup(no_string_hides_a_nul, setup),
		cmocka_unit_test_setup(secrets_are_read_as_secrets_alone, setup),
		cmocka_unit_test_setup(addresses_belong_to_the_router, setup),
		cmocka_unit_test_setup(nil_reads_as_nothing_into_anything, setup),
		cmocka_unit_test_setup(several_from_a_list, setup),
		cmocka_unit_test_setup_teardown(all_or_nothing, setup, restore_sys),
		cmocka_unit_test_setup(as_many_as_there_are, setup),
		cmocka_unit_test_setup(many_at_once, setup),
		cmocka_unit_test_setup(arguments_that_were_left_out_are_nil, setup),
		cmocka_unit_test_setup(unknown_variables_are_refused, setup),
		cmocka_unit_test_setup(lists_are_walked, setup),
		cmocka_unit_test_setup(a_failed_step_does_not_move, setup),
		cmocka_unit_test_setup(maps_are_walked_and_searched, setup),
		cmocka_unit_test_setup(values_inside_values, setup),
		cmocka_unit_test_setup(cursors_of_other_values, setup),
		cmocka_unit_test_setup(a_failure_is_what_reading_gives, setup),
		cmocka_unit_test_setup(no_message_keeps_the_first_error, setup),
		cmocka_unit_test_setup(raw_bytes_are_read_as_bytes_alone, setup),
		cmocka_unit_test_setup_teardown(strings_need_memory, setup, restore_sys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
