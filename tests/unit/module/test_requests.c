/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/requests.h"

#include "../core/fixture.h"
#include "module/exchange.h"
#include "wire/handles.h"

/* The child asks; the parent answers by hand. */
static struct requests requests;
static struct handle get;
static int asked;
static const struct module_name name = {"data", "a"};

struct asker {
	struct module_request request;
	struct blob *blob;
	mitogen_error error;
	int count;
};

static void done(struct module_request *request, struct blob *blob, const mitogen_error *error)
{
	struct asker *asker = LIST_OWNER(request, struct asker, request);

	asker->count++;
	asker->blob = blob;
	if (!blob)
		asker->error = *error;
}

static void ask(struct asker *asker)
{
	*asker = (struct asker){.request.done = done};
	requests_get(&requests, &name, &asker->request);
}

static void count(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct module_name read;

	(void)router;
	(void)handle;
	asked++;
	assert_true(exchange_read_request(m->payload, m->size, &read));
	assert_true(module_name_is(&read, &name));
	message_unref(m);
}

static const struct handle_ops count_ops = {.receive = count};

static int setup(void **state)
{
	asked = 0;
	pair_setup(state);
	assert_int_equal(handles_add(&pair.master, &get, HANDLE_GET_MODULE, &count_ops, NULL), 0);
	return requests_open(&requests, &pair.child);
}

static int teardown(void **state)
{
	requests_close(&requests);
	handles_remove(&pair.master, &get);
	return pair_teardown(state);
}

static void send(struct mitogen_message *m)
{
	m->header.dst_id = CHILD_ID;
	router_send(&pair.master, m, false);
	pair_pump();
}

static void answer(const char *content, bool right)
{
	uint8_t hash[SHA256_SIZE];

	sha256(hash, content, strlen(content));
	hash[5] ^= !right;
	send(exchange_make_answer(&name, hash, content, strlen(content)));
}

static void has(struct asker *asker, const char *content)
{
	assert_int_equal(asker->count, 1);
	assert_non_null(asker->blob);
	assert_int_equal(asker->blob->size, strlen(content));
	assert_memory_equal(asker->blob->data, content, strlen(content));
	blob_unref(asker->blob);
}

static void has_failed(const struct asker *asker, int code, const char *text)
{
	assert_int_equal(asker->count, 1);
	assert_null(asker->blob);
	assert_int_equal(asker->error.code, code);
	assert_non_null(strstr(asker->error.text, text));
}

static void all_who_want_it_get_it(void **state)
{
	struct asker first, second, third;

	(void)state;
	ask(&first);
	ask(&second);
	pair_pump();
	assert_int_equal(asked, 1);
	answer("content", true);
	has(&first, "content");
	has(&second, "content");
	ask(&third);
	has(&third, "content");
	pair_pump();
	assert_int_equal(asked, 1);
}

static void it_is_not_there(void **state)
{
	struct asker first, second;

	(void)state;
	ask(&first);
	send(exchange_make_failure(&name, MITOGEN_ERR_UNKNOWN, "there is no data a"));
	has_failed(&first, MITOGEN_ERR_UNKNOWN, "there is no data a");
	ask(&second);
	pair_pump();
	assert_int_equal(asked, 2);
	answer("content", true);
	has(&second, "content");
}

static void it_was_damaged(void **state)
{
	struct asker asker;

	(void)state;
	ask(&asker);
	answer("content", false);
	has_failed(&asker, MITOGEN_ERR_TYPE, "data a was damaged on its way");
}

static void what_nobody_asked_for_is_dropped(void **state)
{
	struct asker asker;

	(void)state;
	answer("content", true);
	ask(&asker);
	assert_int_equal(asker.count, 0);
	pair_pump();
	assert_int_equal(asked, 1);
	requests_cancel(&asker.request);
}

static void rubbish_is_dropped(void **state)
{
	struct mitogen_message *m = message_of_text("content");
	struct asker asker;

	(void)state;
	ask(&asker);
	m->header.handle = HANDLE_LOAD_MODULE;
	send(m);
	assert_int_equal(asker.count, 0);
	assert_non_null(strstr(logged, "something else to LOAD_MODULE"));
	answer("content", true);
	has(&asker, "content");
}

/* As one that is longer than this process may take. */
static void what_cannot_be_taken_fails(void **state)
{
	static const uint8_t hash[SHA256_SIZE];
	char *content = calloc(1, 3 * FRAME_PAYLOAD_MAX);
	struct asker asker;

	(void)state;
	pair.child.max_message = 2 * FRAME_PAYLOAD_MAX;
	ask(&asker);
	send(exchange_make_answer(&name, hash, content, 3 * FRAME_PAYLOAD_MAX));
	has_failed(&asker, MITOGEN_ERR_TOO_BIG, "longer than a message may be");
	free(content);
}

static void only_the_parent_may_answer(void **state)
{
	uint8_t hash[SHA256_SIZE];
	struct mitogen_message *m;
	struct asker asker;

	(void)state;
	sha256(hash, "x", 1);
	ask(&asker);
	m = exchange_make_answer(&name, hash, "x", 1);
	m->header.dst_id = CHILD_ID;
	router_send(&pair.child, m, false); /* in its own name */
	pair_pump();
	assert_int_equal(asker.count, 0);
	assert_non_null(strstr(logged, "may not send to handle 107"));
	requests_cancel(&asker.request);
}

/* A new one may be made by who is told. */
static struct asker again;

static void ask_again(struct module_request *request, struct blob *blob, const mitogen_error *error)
{
	done(request, blob, error);
	ask(&again);
}

static void asked_for_again_at_once(void **state)
{
	struct asker first;

	(void)state;
	ask(&first);
	first.request.done = ask_again;
	send(exchange_make_failure(&name, MITOGEN_ERR_UNKNOWN, "no"));
	has_failed(&first, MITOGEN_ERR_UNKNOWN, "no");
	assert_int_equal(again.count, 0);
	answer("content", true);
	has(&again, "content");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_who_want_it_get_it),
		TEST(it_is_not_there),
		TEST(it_was_damaged),
		TEST(what_nobody_asked_for_is_dropped),
		TEST(rubbish_is_dropped),
		TEST(what_cannot_be_taken_fails),
		TEST(only_the_parent_may_answer),
		TEST(asked_for_again_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
