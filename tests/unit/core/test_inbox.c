/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/inbox.h"

#include "base/sys.h"
#include "core/flow.h"
#include "fixture.h"

/* The child, and others in its name, send to a port of the master. */
static struct inbox inbox;
static uint32_t port;
static struct latch *latch; /* what the port got */
static struct handle heard; /* of the child: its failures come here */
static int failures;
static mitogen_error failure;

static void put(struct inbox *from, struct mitogen_message *m)
{
	assert_ptr_equal(from->router, &pair.master);
	latch_put(latch, m, &pair.master.broker.wakes);
}

static const struct inbox_ops ops = {.put = put};

static void hear(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	failures++;
	message_decode_failure(m, &failure);
	message_unref(m);
}

static const struct handle_ops heard_ops = {.receive = hear};

static int setup(void **state)
{
	pair_setup(state);
	pair_announce(CHILD_ID + 1, CHILD_IDS - 1);
	failures = 0;
	latch = latch_new();
	assert_int_equal(handles_add(&pair.child, &heard, 0, &heard_ops, NULL), 0);
	assert_int_equal(inbox_open(&pair.master, &inbox, 0, &ops, NULL), 0);
	port = inbox.handle.by_number.key;
	return 0;
}

static int teardown(void **state)
{
	inbox_close(&inbox);
	handles_remove(&pair.child, &heard);
	latch_wake_all(pair.master.broker.wakes);
	latch_unref(latch);
	return pair_teardown(state);
}

static void send_from(uint32_t src_id, struct mitogen_message *m)
{
	m->header.kind = FRAME_RAW;
	m->header.handle = port;
	m->header.reply_to = heard.by_number.key;
	m->header.src_id = m->header.auth_id = src_id;
	stream_send(&pair.above.stream, m, false);
	pair_pump();
}

static void send_bytes(uint32_t src_id, size_t size)
{
	static const uint8_t some[FRAME_PAYLOAD_MAX];

	for (; size > sizeof(some); size -= sizeof(some)) {
		struct mitogen_message *m = message_of_bytes(some, sizeof(some));

		m->header.flags = FRAME_MORE;
		send_from(src_id, m);
	}
	send_from(src_id, message_of_bytes(some, size));
}

static void send_end(uint32_t src_id, struct mitogen_message *m)
{
	m->header.kind = FRAME_DEAD;
	m->header.handle = port;
	m->header.src_id = m->header.auth_id = src_id;
	stream_send(&pair.above.stream, m, false);
	pair_pump();
}

/* The reader takes the next message and is done with it. */
static void release(void)
{
	struct mitogen_message *m = take(latch);

	inbox_released(&pair.master, m->source_ref, m->size);
	message_unref(m);
	pair_pump();
}

static void values_come_in_order(void **state)
{
	(void)state;
	for (size_t i = 1; i < 10; i++)
		send_bytes(CHILD_ID, i);
	for (size_t i = 1; i < 10; i++) {
		struct mitogen_message *m = take(latch);

		assert_int_equal(m->size, i);
		assert_int_equal(m->header.src_id, CHILD_ID);
		inbox_released(&pair.master, m->source_ref, m->size);
		message_unref(m);
	}
	assert_true(latch_is_empty(latch));
}

/* ---- Credit ---- */

static void more_than_granted_drops_the_stream(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++)
		send_bytes(CHILD_ID, WINDOW_FIRST / 8);
	assert_null(pair.ended);
	send_bytes(CHILD_ID, 1);
	assert_string_equal(pair.ended, "it sent more than it was granted");
	assert_non_null(strstr(logged, "context 1 sent more than it was granted"));
	for (int i = 0; i < 8; i++)
		release();
	assert_true(latch_is_empty(latch));
}

static void released_values_make_room(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		send_bytes(CHILD_ID, WINDOW_FIRST / 8);
		release();
	}
	assert_null(pair.ended);
}

/* Nobody gets around the credit with values that have next to no size. */
static void small_values_cost_something(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WINDOW_FIRST / FLOW_COST_MIN; i++)
		send_bytes(CHILD_ID, 0);
	assert_null(pair.ended);
	send_bytes(CHILD_ID, 0);
	assert_string_equal(pair.ended, "it sent more than it was granted");
}

/* The last one may reach beyond the credit; others behind it may not. */
static void one_value_may_be_large(void **state)
{
	(void)state;
	send_bytes(CHILD_ID, 100);
	send_bytes(CHILD_ID, 4 * WINDOW_FIRST);
	assert_null(pair.ended);
	release();
	release();
	send_bytes(CHILD_ID, 100);
	assert_null(pair.ended);
	release();
}

static void each_source_has_its_own_credit(void **state)
{
	(void)state;
	send_bytes(CHILD_ID, WINDOW_FIRST);
	send_bytes(CHILD_ID + 1, WINDOW_FIRST);
	assert_null(pair.ended);
	send_bytes(CHILD_ID + 1, 1);
	assert_string_equal(pair.ended, "it sent more than it was granted");
}

/* ---- Limits ---- */

static void too_much_below_one_child(void **state)
{
	(void)state;
	send_bytes(CHILD_ID + 1, 40 << 20);
	send_bytes(CHILD_ID + 2, 20 << 20);
	send_bytes(CHILD_ID, 10 << 20);
	assert_int_equal(failures, 1);
	assert_int_equal(failure.code, MITOGEN_ERR_TOO_BIG);
	release();
	send_bytes(CHILD_ID, 1); /* what follows is not taken for all that was sent */
	send_bytes(CHILD_ID + 3, 10 << 20);
	release();
	release();
	assert_true(latch_is_empty(latch));
	assert_int_equal(failures, 2);
	assert_int_equal(failure.code, MITOGEN_ERR_CLOSED);
	assert_null(pair.ended);
}

static void too_many_sources(void **state)
{
	static struct inbox more[INBOX_SOURCES_MAX / CHILD_IDS + 1];
	const size_t count = sizeof(more) / sizeof(more[0]);
	unsigned sources = 0;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(inbox_open(&pair.master, &more[i], 0, &ops, NULL), 0);
		port = more[i].handle.by_number.key;
		for (uint32_t id = CHILD_ID; id < CHILD_ID + CHILD_IDS; id++, sources++)
			send_bytes(id, 1);
	}
	assert_true(sources > INBOX_SOURCES_MAX);
	for (sources = 0; !latch_is_empty(latch); sources++)
		release();
	assert_int_equal(sources, INBOX_SOURCES_MAX);
	port = inbox.handle.by_number.key;
	send_bytes(CHILD_ID, 1);
	assert_int_equal(failures, 1);
	assert_int_equal(failure.code, MITOGEN_ERR_REFUSED);
	for (size_t i = 0; i < count; i++)
		inbox_close(&more[i]);
	send_bytes(CHILD_ID, 1);
	release();
}

/* ---- Ends ---- */

static void an_end_is_the_last_message(void **state)
{
	(void)state;
	send_bytes(CHILD_ID, 1);
	send_end(CHILD_ID, message_new(0));
	release();
	assert_failure(latch, MITOGEN_ERR_CLOSED, "local.1: the sender is closed");
	pair_lose_child();
	assert_true(latch_is_empty(latch));
}

static void an_end_may_say_what_has_failed(void **state)
{
	(void)state;
	send_end(CHILD_ID, message_new_dead(MITOGEN_ERR_TOO_BIG, "too much"));
	assert_failure(latch, MITOGEN_ERR_TOO_BIG, "local.1: too much");
}

static struct mitogen_message *long_end(void)
{
	struct mitogen_message *m = message_new(FRAME_PAYLOAD_MAX);

	memset(m->payload, 'x', m->size);
	return m;
}

/* Nobody fills our memory with ends, which cost no credit. */
static void of_an_end_only_the_reason_is_kept(void **state)
{
	struct mitogen_message *m;

	(void)state;
	send_end(CHILD_ID, long_end());
	m = take(latch);
	assert_int_equal(m->size, 0);
	assert_non_null(message_failure(m));
	inbox_released(&pair.master, m->source_ref, m->size);
	message_unref(m);
}

static void an_end_is_one_frame(void **state)
{
	struct mitogen_message *m = long_end();

	(void)state;
	m->header.flags = FRAME_MORE;
	send_end(CHILD_ID, m);
	assert_true(latch_is_empty(latch));
	assert_true(list_is_empty(&inbox.handle.partial));
	assert_non_null(strstr(logged, "refused"));
}

/* As many values as fit, without ends and with some that nobody has read yet. */
static void ends_count_until_they_are_read(void **state)
{
	enum {
		ENDS = 1000
	};

	(void)state;
	for (uint32_t i = 0; i < ENDS; i++)
		send_end(CHILD_ID + 1 + i % (CHILD_IDS - 1), message_new(0));
	send_bytes(CHILD_ID, INBOX_BYTES_MAX - ENDS * sizeof(mitogen_error));
	assert_int_equal(failures, 1);
	assert_int_equal(failure.code, MITOGEN_ERR_TOO_BIG);
	for (int i = 0; i < ENDS; i++)
		release();
	assert_true(latch_is_empty(latch));
	send_end(CHILD_ID, message_new(0));
	assert_failure(latch, MITOGEN_ERR_TOO_BIG, "local.1: a value that it sent was not taken");
}

/* What it had sent counts until it is read, whoever begins anew. */
static void an_end_is_no_way_around_the_limit(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		send_bytes(CHILD_ID, 30 << 20);
		send_end(CHILD_ID, message_new(0));
	}
	assert_int_equal(failures, 1);
	assert_int_equal(failure.code, MITOGEN_ERR_TOO_BIG);
	for (int i = 0; i < 5; i++)
		release();
	assert_true(latch_is_empty(latch));
	send_bytes(CHILD_ID, 60 << 20);
	assert_int_equal(failures, 1);
	release();
}

/* Who sends may have closed before it learns that something was refused. */
static void an_end_behind_a_refusal_is_none_in_order(void **state)
{
	(void)state;
	pair.master.max_message = FRAME_PAYLOAD_MAX;
	send_bytes(CHILD_ID, 2 * FRAME_PAYLOAD_MAX);
	send_bytes(CHILD_ID, 1);
	send_end(CHILD_ID, message_new(0));
	assert_int_equal(failures, 2);
	assert_failure(latch, MITOGEN_ERR_TOO_BIG, "local.1: a value that it sent was not taken");
}

static void each_lost_source_is_told_once(void **state)
{
	(void)state;
	send_bytes(CHILD_ID, 1);
	send_bytes(CHILD_ID, 1);
	pair_lose_child();
	release();
	release();
	assert_failure(latch, MITOGEN_ERR_LOST, "local.1: was killed by SIGKILL");
}

static void *no_memory(size_t size)
{
	(void)size;
	return NULL;
}

static void a_loss_is_told_without_memory(void **state)
{
	struct mitogen_message *m;

	(void)state;
	send_bytes(CHILD_ID, 1);
	release();
	sys.malloc = no_memory;
	pair_lose_child();
	sys.malloc = malloc;
	m = take(latch);
	assert_int_equal(message_failure(m)->code, MITOGEN_ERR_MEMORY);
	message_unref(m);
}

/* Its loss is told even if it has sent nothing. */
static void a_respondent_is_a_source(void **state)
{
	struct inbox bound;

	(void)state;
	assert_int_equal(inbox_open(&pair.master, &bound, 0, &ops, pair.child_context), 0);
	pair_lose_child();
	assert_failure(latch, MITOGEN_ERR_LOST, "was killed by SIGKILL");
	inbox_close(&bound);
}

static void closing_tells_who_sends(void **state)
{
	(void)state;
	send_bytes(CHILD_ID, 1);
	inbox_close(&inbox);
	pair_pump();
	assert_int_equal(failures, 1);
	assert_int_equal(failure.code, MITOGEN_ERR_CLOSED);
	send_bytes(CHILD_ID, 1);
	assert_int_equal(failures, 2);
	assert_int_equal(failure.code, MITOGEN_ERR_UNKNOWN);
	release(); /* what was taken before is still to be read */
	assert_int_equal(inbox_open(&pair.master, &inbox, 0, &ops, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_come_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_granted_drops_the_stream, setup,
						teardown),
		cmocka_unit_test_setup_teardown(released_values_make_room, setup, teardown),
		cmocka_unit_test_setup_teardown(small_values_cost_something, setup, teardown),
		cmocka_unit_test_setup_teardown(one_value_may_be_large, setup, teardown),
		cmocka_unit_test_setup_teardown(each_source_has_its_own_credit, setup, teardown),
		cmocka_unit_test_setup_teardown(too_much_below_one_child, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_sources, setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_is_the_last_message, setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_may_say_what_has_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(of_an_end_only_the_reason_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_is_one_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_count_until_they_are_read, setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_is_no_way_around_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_behind_a_refusal_is_none_in_order, setup,
						teardown),
		cmocka_unit_test_setup_teardown(each_lost_source_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_loss_is_told_without_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(a_respondent_is_a_source, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_tells_who_sends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
