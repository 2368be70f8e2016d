/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/exchange.h"

#include "../core/fixture.h"
#include "wire/handles.h"

static const struct module_name name = {"image", "linux-aarch64"};

static void a_request(void **state)
{
	struct mitogen_message *m = exchange_make_request(&name);
	struct module_name read;

	(void)state;
	assert_int_equal(m->header.handle, HANDLE_GET_MODULE);
	assert_int_equal(m->header.flags, 0);
	assert_true(exchange_read_request(m->payload, m->size, &read));
	assert_true(module_name_is(&read, &name));
	message_unref(m);
}

static void an_answer(void **state)
{
	static const uint8_t hash[SHA256_SIZE] = {1, 2, 3};
	struct mitogen_message *m = exchange_make_answer(&name, hash, "content", 7);
	struct module_answer answer;

	(void)state;
	assert_int_equal(m->header.handle, HANDLE_LOAD_MODULE);
	assert_int_equal(m->header.flags, FRAME_BULK); /* calls go before it */
	assert_true(m->size <= 7 + EXCHANGE_ANSWER_OVERHEAD);
	assert_true(exchange_read_answer(m->payload, m->size, &answer));
	assert_true(module_name_is(&answer.name, &name));
	assert_int_equal(answer.code, 0);
	assert_memory_equal(answer.hash, hash, sizeof(hash));
	assert_int_equal(answer.size, 7);
	assert_memory_equal(answer.content, "content", 7);
	message_unref(m);
}

static void a_failure(void **state)
{
	struct mitogen_message *m = exchange_make_failure(&name, MITOGEN_ERR_UNKNOWN, "no such");
	struct module_answer answer;

	(void)state;
	assert_true(exchange_read_answer(m->payload, m->size, &answer));
	assert_int_equal(answer.code, MITOGEN_ERR_UNKNOWN);
	assert_int_equal(answer.text_size, 7);
	assert_memory_equal(answer.text, "no such", 7);
	assert_null(answer.content);
	message_unref(m);
}

static void refuse(const char *kind, size_t kind_size, const char *text, size_t text_size)
{
	struct mitogen_writer w;
	struct module_name read;
	struct mitogen_message *m;
	int ignored;

	message_writer_init(&w);
	writer_begin_list(&w);
	writer_text(&w, kind, kind_size);
	writer_text(&w, text, text_size);
	writer_end(&w);
	m = message_from_writer(&w, &ignored);
	assert_false(exchange_read_request(m->payload, m->size, &read));
	message_unref(m);
}

static void names_that_are_none(void **state)
{
	char longest[sizeof(name.name)];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	refuse("image", 5, longest, sizeof(longest));
	refuse(longest, sizeof(name.kind), "x", 1);
	refuse("image", 5, "", 0);
	refuse("", 0, "x", 1);
	refuse("image", 5, "a\0b", 3);
}

static void other_values(void **state)
{
	struct mitogen_message *m = message_of_text("image");
	struct module_answer answer;
	struct module_name read;

	(void)state;
	assert_false(exchange_read_request(m->payload, m->size, &read));
	assert_false(exchange_read_answer(m->payload, m->size, &answer));
	message_unref(m);
	m = exchange_make_request(&name);
	assert_false(exchange_read_answer(m->payload, m->size, &answer));
	message_unref(m);
	m = exchange_make_failure(&name, 0, "a failure has a code");
	assert_false(exchange_read_answer(m->payload, m->size, &answer));
	assert_false(exchange_read_request(m->payload, m->size, &read));
	message_unref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request),    cmocka_unit_test(an_answer),
		cmocka_unit_test(a_failure),    cmocka_unit_test(names_that_are_none),
		cmocka_unit_test(other_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
