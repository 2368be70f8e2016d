/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sys.h"
#include "read_fixture.h"
#include "wire/cbor.h"

static mitogen_error err;

static int restore_sys(void **state)
{
	(void)state;
	sys.malloc = malloc;
	sys.realloc = realloc;
	return 0;
}

static void assert_cbor(mitogen_message *m, const char *bytes, size_t size)
{
	assert_int_equal(m->size, size);
	assert_memory_equal(m->payload, bytes, size);
	mitogen_message_unref(m);
}

#define ASSERT_CBOR(value, literal) assert_cbor(MESSAGE(value), literal, sizeof(literal) - 1)

static void each_type_has_its_bytes(void **state)
{
	mitogen_sender sender = {.router = 1, .context = 2, .handle = 3};
	mitogen_sender no_sender = {0};
	mitogen_context no_context = {0};
	char changeable[] = "ab";

	(void)state;
	ASSERT_CBOR(mitogen_nil(), "\xf6");
	ASSERT_CBOR((bool)true, "\xf5");
	ASSERT_CBOR((signed char)-1, "\x20");
	ASSERT_CBOR((short)-1, "\x20");
	ASSERT_CBOR(-1L, "\x20");
	ASSERT_CBOR(-1LL, "\x20");
	ASSERT_CBOR((unsigned char)200, "\x18\xc8");
	ASSERT_CBOR((unsigned short)200, "\x18\xc8");
	ASSERT_CBOR(200U, "\x18\xc8");
	ASSERT_CBOR(200UL, "\x18\xc8");
	ASSERT_CBOR(18446744073709551615ULL, "\x1b\xff\xff\xff\xff\xff\xff\xff\xff");
	ASSERT_CBOR(1.0F, "\xf9\x3c\x00");
	ASSERT_CBOR(1.0, "\xf9\x3c\x00");
	ASSERT_CBOR("ab", "\x62"
			  "ab");
	ASSERT_CBOR(changeable, "\x62"
				"ab");
	ASSERT_CBOR((const char *)NULL, "\xf6");
	ASSERT_CBOR(mitogen_text("abc", 2), "\x62"
					    "ab");
	ASSERT_CBOR(mitogen_path("ab"), "\x42"
					"ab");
	ASSERT_CBOR(mitogen_path(NULL), "\xf6");
	ASSERT_CBOR(mitogen_bytes_of("abc", 2), "\x42"
						"ab");
	ASSERT_CBOR(mitogen_blob("ab", 2), "\xda\x4d\x49\x00\x03\x42"
					   "ab");
	ASSERT_CBOR(mitogen_secret_of("ab"), "\xda\x4d\x49\x00\x04\x42"
					     "ab");
	ASSERT_CBOR(mitogen_secret_of(NULL), "\xda\x4d\x49\x00\x04\x40");
	ASSERT_CBOR(sender, "\xda\x4d\x49\x00\x02\x82\x02\x03");
	ASSERT_CBOR(no_sender, "\xf6");
	ASSERT_CBOR(no_context, "\xf6");
}

static void containers(void **state)
{
	(void)state;
	ASSERT_CBOR(mitogen_list(1, "a"), "\x82\x01\x61"
					  "a");
	ASSERT_CBOR(mitogen_list(mitogen_list(1), mitogen_map("k", mitogen_list(2))),
		    "\x82\x81\x01\xa1\x61"
		    "k\x81\x02");
	ASSERT_CBOR(mitogen_map("b", 1, "a", 2), "\xa2\x61"
						 "a\x02\x61"
						 "b\x01");
}

/* ---- Writers ---- */

static void a_writer_grows_in_steps(void **state)
{
	MITOGEN_AUTO(writer, w);

	(void)state;
	w = mitogen_writer_new();
	mitogen_begin_list(w);
	for (int i = 0; i < 3; i++)
		mitogen_write(w, i);
	mitogen_begin_map(w);
	mitogen_write(w, "k", mitogen_nil());
	mitogen_end(w);
	mitogen_end(w);
	ASSERT_CBOR(w, "\x84\x00\x01\x02\xa1\x61"
		       "k\xf6");
	ASSERT_CBOR(mitogen_list(w, w), "\x82\x84\x00\x01\x02\xa1\x61"
					"k\xf6"
					"\x84\x00\x01\x02\xa1\x61"
					"k\xf6"); /* it is not consumed */
}

static void items_of_a_writer_count(void **state)
{
	MITOGEN_AUTO(writer, w);

	(void)state;
	w = mitogen_writer_new();
	assert_int_equal(values_count(MITOGEN_VALUES(~, w)), 0);
	mitogen_write(w, 1, 2, "c");
	assert_int_equal(values_count(MITOGEN_VALUES(~, 0, w, mitogen_list(1, 2))), 5);
	assert_int_equal(values_count(MITOGEN_VALUES(~, (mitogen_writer *)NULL)), 0);
}

static void no_writer_takes_everything(void **state)
{
	mitogen_writer *none = NULL;

	(void)state;
	mitogen_begin_list(none);
	mitogen_begin_map(none);
	mitogen_write(none, 1, 2);
	mitogen_end(none);
	mitogen_writer_free(none);
}

/* ---- Mistakes ---- */

/* The code and text that the user gets for this value. */
static int fail_to_write(const mitogen_value *values, size_t count)
{
	struct mitogen_writer w;
	mitogen_message *m;
	int error = 0;

	message_writer_init(&w);
	values_write(&w, values, count);
	m = message_from_writer(&w, &error);
	assert_null(m);
	return values_fail(error, "load", &err);
}

#define ASSERT_MISTAKE(value, number, part)                                                        \
	do {                                                                                       \
		assert_int_equal(fail_to_write(MITOGEN_VALUES(~, value)), number);                 \
		assert_int_equal(err.code, number);                                                \
		assert_non_null(strstr(err.text, part));                                           \
	} while (0)

static void mistakes_come_out_where_it_is_used(void **state)
{
	MITOGEN_AUTO(writer, w);

	(void)state;
	ASSERT_MISTAKE("\xff", MITOGEN_ERR_TYPE, "load: ");
	ASSERT_MISTAKE(mitogen_text("\xc3", 1), MITOGEN_ERR_TYPE, "UTF-8");
	ASSERT_MISTAKE(mitogen_bytes_of(NULL, 5), MITOGEN_ERR_TYPE, "load: ");
	ASSERT_MISTAKE(mitogen_map("k", 1, "k", 2), MITOGEN_ERR_TYPE, "key");
	ASSERT_MISTAKE(mitogen_map(1, 2), MITOGEN_ERR_TYPE, "key");
	ASSERT_MISTAKE(mitogen_map("k"), MITOGEN_ERR_TYPE, "load: ");
	ASSERT_MISTAKE((mitogen_writer *)NULL, MITOGEN_ERR_MEMORY, "memory");
	ASSERT_MISTAKE(((mitogen_value){.type = (mitogen_type)3}), MITOGEN_ERR_TYPE, "load: ");
	w = mitogen_writer_new();
	mitogen_begin_list(w);
	ASSERT_MISTAKE(w, MITOGEN_ERR_TYPE, "load: ");
	mitogen_end(w);
	ASSERT_CBOR(w, "\x80");
	mitogen_end(w);
	ASSERT_MISTAKE(w, MITOGEN_ERR_TYPE, "load: ");
	mitogen_write(w, 1); /* the first mistake stays */
	ASSERT_MISTAKE(w, MITOGEN_ERR_TYPE, "load: ");
}

static void *no_memory(size_t size)
{
	(void)size;
	return NULL;
}

static void *no_more_memory(void *p, size_t size)
{
	(void)p;
	(void)size;
	return NULL;
}

static void memory_that_ran_out_is_remembered(void **state)
{
	MITOGEN_AUTO(writer, w);

	(void)state;
	w = mitogen_writer_new();
	sys.malloc = no_memory;
	sys.realloc = no_more_memory;
	assert_null(mitogen_writer_new());
	mitogen_write(w, "text");
	restore_sys(NULL);
	mitogen_write(w, "more");
	ASSERT_MISTAKE(w, MITOGEN_ERR_MEMORY, "memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_has_its_bytes),
		cmocka_unit_test(containers),
		cmocka_unit_test(a_writer_grows_in_steps),
		cmocka_unit_test(items_of_a_writer_count),
		cmocka_unit_test(no_writer_takes_everything),
		cmocka_unit_test(mistakes_come_out_where_it_is_used),
		cmocka_unit_test_teardown(memory_that_ran_out_is_remembered, restore_sys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
