/* SPDX-License-Identifier: BSD-3-Clause */
#include "../canary.h"

#include "base/error.h"
#include "base/sys.h"
#include "fixture.h"
#include "wire/cursor.h"

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

static int restore_sys(void **state)
{
	(void)state;
	sys.malloc = malloc;
	sys.realloc = realloc;
	sys.free = free;
	return 0;
}

static void a_writer_builds_in_place(void **state)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error = 0;

	(void)state;
	message_writer_init(&w);
	writer_string(&w, "hello");
	m = message_from_writer(&w, &error);
	assert_non_null(m);
	assert_int_equal(m->header.kind, FRAME_CBOR);
	assert_int_equal(m->size, 6);
	assert_memory_equal(m->payload, "\x65hello", 6);
	assert_null(w.data);
	message_unref(m);
}

static void an_empty_writer_makes_nil(void **state)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error = 0;

	(void)state;
	message_writer_init(&w);
	m = message_from_writer(&w, &error);
	assert_non_null(m);
	assert_int_equal(m->size, 1);
	assert_int_equal(m->payload[0], 0xf6);
	message_unref(m);
}

static void a_mistake_of_the_writer_comes_out(void **state)
{
	struct mitogen_writer w;
	int error = 0;

	(void)state;
	message_writer_init(&w);
	writer_begin_list(&w);
	assert_null(message_from_writer(&w, &error));
	assert_int_equal(error, CBOR_ERR_NESTING);
	assert_null(w.data);
}

static void slices_keep_the_whole(void **state)
{
	struct mitogen_message *m = message_of_bytes("0123456789", 10), *piece;

	(void)state;
	m->header.dst_id = 7;
	piece = message_slice(m, 3, 4);
	assert_non_null(piece);
	message_unref(m);
	assert_int_equal(piece->size, 4);
	assert_int_equal(piece->header.dst_id, 7);
	assert_memory_equal(piece->whole->payload + piece->slice, "3456", 4);
	message_unref(piece);
}

static void joined_in_order(void **state)
{
	struct mitogen_message *first = message_of_bytes("ab", 2),
			       *more = message_of_bytes("cd", 2);

	(void)state;
	first->header.flags = FRAME_MORE;
	more->header.reply_to = 5;
	first = message_join(first, more);
	assert_non_null(first);
	assert_int_equal(first->size, 4);
	assert_memory_equal(first->payload, "abcd", 4);
	assert_int_equal(first->header.flags, 0);
	assert_int_equal(first->header.reply_to, 5);
	message_unref(first);
}

static int reallocations;

static void *counted_realloc(void *p, size_t size)
{
	reallocations++;
	return realloc(p, size);
}

/* Or a long message would be copied again with each of its frames. */
static void joining_many_copies_little(void **state)
{
	struct mitogen_message *m = message_of_bytes("x", 1);

	(void)state;
	reallocations = 0;
	sys.realloc = counted_realloc;
	for (int i = 1; i < 2000; i++) {
		char byte = (char)i;

		m = message_join(m, message_of_bytes(&byte, 1));
		assert_non_null(m);
	}
	assert_int_equal(m->size, 2000);
	for (int i = 1; i < 2000; i++)
		assert_int_equal(m->payload[i], (uint8_t)i);
	assert_in_range(reallocations, 1, 12);
	message_unref(m);
}

static void a_failed_join_changes_nothing(void **state)
{
	struct mitogen_message *first = message_of_bytes("ab", 2),
			       *more = message_of_bytes("cd", 2);

	(void)state;
	sys.realloc = no_more_memory;
	assert_null(message_join(first, more));
	assert_memory_equal(first->payload, "ab", 2);
	assert_int_equal(more->references, 1);
	message_unref(first);
	message_unref(more);
}

static void failures_are_copied(void **state)
{
	struct mitogen_message *m = message_new(0);
	mitogen_error error = {.code = MITOGEN_ERR_LOST, .text = "gone"};

	(void)state;
	assert_null(message_failure(m));
	message_set_failure(m, &error);
	strcpy(error.text, "changed");
	assert_string_equal(message_failure(m)->text, "gone");
	message_set_failure(m, &error);
	assert_string_equal(message_failure(m)->text, "changed");
	message_unref(m);
}

static void without_memory_that_is_the_failure(void **state)
{
	struct mitogen_message *m = message_new(0);
	mitogen_error error = {.code = MITOGEN_ERR_LOST, .text = "gone"};

	(void)state;
	sys.malloc = no_memory;
	message_set_failure(m, &error);
	assert_int_equal(message_failure(m)->code, MITOGEN_ERR_MEMORY);
	sys.malloc = malloc;
	message_set_failure(m, &error);
	assert_int_equal(message_failure(m)->code, MITOGEN_ERR_LOST);
	message_unref(m);
}

static void strings_are_lent(void **state)
{
	struct mitogen_message *m = message_new(0);
	const char *a = message_lend_string(m, "abc", 2, false);
	const char *b = message_lend_string(m, "\0x", 2, true);
	const char *none = message_lend_string(m, NULL, 0, false);

	(void)state;
	assert_string_equal(a, "ab");
	assert_memory_equal(b, "\0x\0", 3);
	assert_string_equal(none, "");
	message_unref(m);
}

/* A secret is not to be found in memory that was freed. */
static void secrets_are_wiped(void **state)
{
	struct mitogen_message *m = message_new(0);

	(void)state;
	assert_non_null(message_lend_string(m, CANARY, sizeof(CANARY), true));
	canary_watch();
	message_unref(m);
	assert_false(canary_was_freed);
	/* what is no secret is seen, so that the test would see one */
	m = message_new(0);
	assert_non_null(message_lend_string(m, CANARY, sizeof(CANARY), false));
	message_unref(m);
	assert_true(canary_was_freed);
}

static struct mitogen_message *secret_of(size_t padding)
{
	struct mitogen_message *m = message_new(padding + strlen(CANARY));

	assert_non_null(m);
	memset(m->payload, 'x', padding);
	memcpy(m->payload + padding, CANARY, strlen(CANARY));
	m->is_secret = true;
	return m;
}

static void payloads_of_secret_messages_are_wiped(void **state)
{
	struct mitogen_message *m = secret_of(1000), *piece = message_slice(m, 900, 120);

	(void)state;
	canary_watch();
	message_unref(m);
	message_unref(piece);
	assert_false(canary_was_freed);
	m = secret_of(0);
	m->is_secret = false;
	message_unref(m);
	assert_true(canary_was_freed);
}

static void joined_secrets_leave_no_copies(void **state)
{
	struct mitogen_message *m = secret_of(10);

	(void)state;
	canary_watch();
	for (int i = 0; i < 5; i++)
		m = message_join(m, secret_of(3000));
	assert_true(m->is_secret);
	assert_memory_equal(m->payload + 10, CANARY, strlen(CANARY));
	assert_memory_equal(m->payload + m->size - strlen(CANARY), CANARY, strlen(CANARY));
	message_unref(m);
	assert_false(canary_was_freed);
}

static void what_holds_a_secret_is_one(void **state)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	(void)state;
	message_writer_init(&w);
	writer_secret(&w, CANARY, strlen(CANARY));
	m = message_from_writer(&w, &error);
	assert_true(m->is_secret);
	canary_watch();
	message_unref(m);
	assert_false(canary_was_freed);
}

static void dead_messages_say_why(void **state)
{
	struct mitogen_message *m = message_new_dead(MITOGEN_ERR_REFUSED, "not\nhere");
	mitogen_error error;

	(void)state;
	assert_int_equal(m->header.kind, FRAME_DEAD);
	message_decode_failure(m, &error);
	assert_int_equal(error.code, MITOGEN_ERR_REFUSED);
	assert_string_equal(error.text, "not\\nhere");
	message_unref(m);
}

static void an_empty_dead_message_is_an_end(void **state)
{
	struct mitogen_message *m = message_new(0);
	mitogen_error error;

	(void)state;
	m->header.kind = FRAME_DEAD;
	message_decode_failure(m, &error);
	assert_int_equal(error.code, MITOGEN_ERR_CLOSED);
	message_unref(m);
}

static struct mitogen_message *call_error(int64_t code, int64_t number, const char *text)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	writer_call_error_tag(&w);
	writer_list_head(&w, 5);
	writer_int(&w, code);
	writer_int(&w, number);
	writer_string(&w, "KeyError");
	writer_string(&w, "local.1: load");
	writer_string(&w, text);
	m = message_from_writer(&w, &error);
	assert_non_null(m);
	return m;
}

static void call_errors_are_decoded(void **state)
{
	struct mitogen_message *m = call_error(MITOGEN_ERR_CALL, 2, "no \x1b[31m key");
	mitogen_error error;

	(void)state;
	assert_true(message_is_call_error(m));
	message_decode_failure(m, &error);
	assert_int_equal(error.code, MITOGEN_ERR_CALL);
	assert_int_equal(error.sys, 2);
	assert_string_equal(error.type, "KeyError");
	assert_string_equal(error.where, "local.1: load");
	assert_string_equal(error.text, "no \\x1b[31m key");
	message_unref(m);
}

/* What a child makes up does not become a success, or an errno that is none. */
static void call_errors_are_failures_whatever_they_say(void **state)
{
	static const int64_t codes[] = {0, 1, INT64_MAX, INT64_MIN, -1000};
	mitogen_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct mitogen_message *m = call_error(codes[i], INT64_MIN + (int64_t)i, "");

		message_decode_failure(m, &error);
		assert_int_equal(error.code, MITOGEN_ERR_CALL);
		assert_int_equal(error.sys, 0);
		message_unref(m);
	}
}

static void long_texts_are_cut(void **state)
{
	char text[4000];
	struct mitogen_message *m;
	mitogen_error error;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	m = call_error(-8, 0, text);
	message_decode_failure(m, &error);
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
	assert_string_equal(error.text + sizeof(error.text) - 5, "x...");
	message_unref(m);
}

static void other_values_are_no_call_errors(void **state)
{
	struct mitogen_message *m = message_of_text("x");
	mitogen_error error;

	(void)state;
	assert_false(message_is_call_error(m));
	message_decode_failure(m, &error);
	assert_true(error.code < 0);
	message_unref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_writer_builds_in_place),
		cmocka_unit_test(an_empty_writer_makes_nil),
		cmocka_unit_test(a_mistake_of_the_writer_comes_out),
		cmocka_unit_test(slices_keep_the_whole),
		cmocka_unit_test(joined_in_order),
		cmocka_unit_test_teardown(joining_many_copies_little, restore_sys),
		cmocka_unit_test_teardown(a_failed_join_changes_nothing, restore_sys),
		cmocka_unit_test(failures_are_copied),
		cmocka_unit_test_teardown(without_memory_that_is_the_failure, restore_sys),
		cmocka_unit_test(strings_are_lent),
		cmocka_unit_test_teardown(secrets_are_wiped, restore_sys),
		cmocka_unit_test_teardown(payloads_of_secret_messages_are_wiped, restore_sys),
		cmocka_unit_test_teardown(joined_secrets_leave_no_copies, restore_sys),
		cmocka_unit_test_teardown(what_holds_a_secret_is_one, restore_sys),
		cmocka_unit_test(dead_messages_say_why),
		cmocka_unit_test(an_empty_dead_message_is_an_end),
		cmocka_unit_test(call_errors_are_decoded),
		cmocka_unit_test(call_errors_are_failures_whatever_they_say),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(other_values_are_no_call_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
