/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/responder.h"

#include "images_fixture.h"
#include "module/exchange.h"

/* What came to a port of a node's. */
static struct module_answer answer;
static struct mitogen_message *got;
static int got_count;

static void keep(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	message_unref(got);
	got = m;
	got_count++;
	assert_true(exchange_read_answer(m->payload, m->size, &answer));
}

static const struct handle_ops keep_ops = {.receive = keep};
static struct handle port;

/* The hop is somebody who speaks the protocol by hand. */
static int setup(void **state)
{
	got = NULL;
	got_count = 0;
	if (images_setup(state) < 0)
		return -1;
	images_close(&hop->router);
	return handles_add(&hop->router, &port, HANDLE_LOAD_MODULE, &keep_ops, NULL);
}

static int teardown(void **state)
{
	message_unref(got);
	handles_remove(&hop->router, &port);
	return images_teardown(state);
}

static void send(struct node *from, uint32_t to, struct mitogen_message *m)
{
	m->header.dst_id = to;
	router_send(&from->router, m, false);
}

static void get(const char *kind, const char *text)
{
	struct module_name name;

	snprintf(name.kind, sizeof(name.kind), "%s", kind);
	snprintf(name.name, sizeof(name.name), "%s", text);
	send(hop, 0, exchange_make_request(&name));
}

static void refused(int code, const char *text)
{
	char why[1024];

	tree_pump();
	assert_int_equal(got_count, 1);
	assert_int_equal(answer.code, code);
	snprintf(why, sizeof(why), "%.*s", (int)answer.text_size, (const char *)answer.text);
	if (!strstr(why, text))
		fail_msg("\"%s\" is not in \"%s\"", text, why);
	got_count = 0;
}

static void a_child_gets_it(void **state)
{
	uint8_t hash[SHA256_SIZE];

	(void)state;
	get(IMAGES_KIND_RAW, foreign);
	tree_pump();
	assert_int_equal(got_count, 1);
	assert_int_equal(answer.code, 0);
	assert_string_equal(answer.name.kind, IMAGES_KIND_RAW);
	assert_string_equal(answer.name.name, foreign);
	assert_int_equal(answer.size, FOREIGN_SIZE);
	sha256(hash, answer.content, answer.size);
	assert_memory_equal(hash, answer.hash, sizeof(hash));
	assert_true(got->header.flags & FRAME_BULK);
}

static void what_is_unknown_is_refused(void **state)
{
	(void)state;
	get(IMAGES_KIND, "linux-mips");
	refused(MITOGEN_ERR_UNKNOWN,
		"there is no image linux-mips; there are images for linux-x86_64, "
		"linux-aarch64, linux-armv7, linux-riscv64");
	get(IMAGES_KIND, "../../../etc/passwd");
	refused(MITOGEN_ERR_UNKNOWN, "there is no image ../../../etc/passwd");
	get("source", foreign);
	refused(MITOGEN_ERR_UNKNOWN, "there is no source ");
	get(IMAGES_KIND, absent);
	refused(MITOGEN_ERR_CONNECT, "there is no image for ");
}

static void rubbish_is_not_answered(void **state)
{
	struct mitogen_message *m = message_of_text("image");

	(void)state;
	m->header.handle = HANDLE_GET_MODULE;
	send(hop, 0, m);
	m = message_of_bytes("image", 5);
	m->header.handle = HANDLE_GET_MODULE;
	send(hop, 0, m);
	tree_pump();
	assert_int_equal(got_count, 0);
	assert_non_null(strstr(logged, "context 1 sent something else to GET_MODULE"));
	assert_null(hop->ended);
}

/* Each asks the one above it, who knows what may go over its own link. */
static void only_a_child_itself_may_ask(void **state)
{
	static const struct module_name name = {IMAGES_KIND, "linux-x86_64"};

	(void)state;
	send(below, 0, exchange_make_request(&name));
	tree_pump();
	assert_non_null(strstr(logged, "context 2 may not send to handle 100: refused"));
	send(master, 0, exchange_make_request(&name));
	tree_pump();
	assert_non_null(strstr(logged, "context 0 may not send to handle 100: refused"));
	assert_int_equal(got_count, 0);
}

static void a_call_goes_before_it(void **state)
{
	struct module_name name = {.kind = IMAGES_KIND};
	struct mitogen_message *m;
	size_t left;

	(void)state;
	strcpy(name.name, foreign);
	m = exchange_make_request(&name);
	m->header.src_id = hop->router.id;
	handles_deliver(&master->router, m, &hop->below); /* nothing is written yet */
	assert_true(stream_waiting(&hop->below.stream, 0, 1, HANDLE_LOAD_MODULE) > 0);
	m = message_of_text("urgent");
	m->header.handle = 4711;
	send(master, 1, m);
	m = queue_take(&hop->below.stream.queue, &left);
	assert_int_equal(m->header.handle, 4711);
	message_unref(m);
}

static void more_than_a_message_may_have(void **state)
{
	(void)state;
	master->router.max_message = FOREIGN_SIZE;
	get(IMAGES_KIND, foreign);
	refused(MITOGEN_ERR_TOO_BIG, "it is longer than a message may be");
}

static void who_asks_all_the_time(void **state)
{
	int refusals = 0;

	(void)state;
	for (int i = 0; i < 101; i++) {
		got_count = 0;
		get(IMAGES_KIND, absent);
		tree_pump();
		assert_int_equal(got_count, 1);
		refusals += answer.code == MITOGEN_ERR_TOO_BIG;
	}
	assert_int_equal(refusals, 1);
	refused(MITOGEN_ERR_TOO_BIG, "it is asked for too often");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_child_gets_it),         TEST(what_is_unknown_is_refused),
		TEST(rubbish_is_not_answered), TEST(only_a_child_itself_may_ask),
		TEST(a_call_goes_before_it),   TEST(more_than_a_message_may_have),
		TEST(who_asks_all_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
