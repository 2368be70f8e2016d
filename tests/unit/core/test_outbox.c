/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/outbox.h"

#include "base/sys.h"
#include "core/inbox.h"
#include "fixture.h"

/* The child sends to a port of the master. */
static struct inbox inbox;
static struct latch *latch; /* what the port got */
static mitogen_error err;

static void put(struct inbox *from, struct mitogen_message *m)
{
	(void)from;
	latch_put(latch, m, &pair.master.broker.wakes);
}

static const struct inbox_ops ops = {.put = put};

static int setup(void **state)
{
	pair_setup(state);
	assert_int_equal(flow_open(&pair.master), 0);
	assert_int_equal(flow_open(&pair.child), 0);
	latch = latch_new();
	err = (mitogen_error){0};
	return inbox_open(&pair.master, &inbox, 0, &ops, NULL);
}

static int teardown(void **state)
{
	inbox_close(&inbox);
	pair_pump();
	latch_unref(latch);
	flow_close(&pair.master);
	flow_close(&pair.child);
	return pair_teardown(state);
}

static struct outbox *to_port(void)
{
	struct outbox *outbox = outbox_to(&pair.child, 0, inbox.handle.by_number.key);

	assert_non_null(outbox);
	return outbox;
}

static void send_text(const char *text)
{
	outbox_send(to_port(), message_of_text(text));
	pair_pump();
}

static void release(void)
{
	struct mitogen_message *m = take(latch);

	inbox_released(&pair.master, m->source_ref, m->size);
	message_unref(m);
	pair_pump();
}

static void fill(void)
{
	static const char piece[WINDOW_FIRST / 8];

	while (outbox_has_room(to_port())) {
		outbox_send(to_port(), message_of_bytes(piece, sizeof(piece)));
		pair_pump();
	}
}

static void there_is_one_for_a_port(void **state)
{
	struct outbox *outbox = to_port();

	(void)state;
	assert_ptr_equal(to_port(), outbox);
	assert_ptr_not_equal(outbox_to(&pair.child, 0, 4711), outbox);
	assert_ptr_not_equal(outbox_to(&pair.child, 5, outbox->flow.handle), outbox);
	assert_int_equal(outbox_check(outbox, &err), 0);
	assert_true(outbox_has_room(outbox));
}

static void who_waits_is_woken_when_there_is_room(void **state)
{
	struct outbox_waiter waiter;

	(void)state;
	fill();
	assert_int_equal(outbox_wait(to_port(), &waiter), 0);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(waiter.latch->closed, outbox_has_room(to_port()));
		release();
	}
	assert_true(waiter.latch->closed);
	assert_false(waiter.is_closed);
	outbox_leave(&waiter);
}

/* Who gives up is not looked for when there is room. */
static void a_waiter_may_leave(void **state)
{
	struct outbox_waiter waiter;

	(void)state;
	fill();
	assert_int_equal(outbox_wait(to_port(), &waiter), 0);
	outbox_leave(&waiter);
	for (int i = 0; i < 8; i++)
		release();
	assert_true(outbox_has_room(to_port()));
}

static void closing_begins_anew(void **state)
{
	struct outbox_waiter waiter;

	(void)state;
	fill();
	assert_int_equal(outbox_wait(to_port(), &waiter), 0);
	outbox_close(&pair.child, 0, inbox.handle.by_number.key, false);
	assert_true(waiter.latch->closed && waiter.is_closed);
	outbox_leave(&waiter);
	pair_pump();
	for (int i = 0; i < 8; i++)
		release();
	assert_failure(latch, MITOGEN_ERR_CLOSED, "the sender is closed");
	assert_true(outbox_has_room(to_port()));
	send_text("again");
	release();
	assert_true(latch_is_empty(latch));
}

static void closing_for_good(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		outbox_close(&pair.child, 0, inbox.handle.by_number.key, true);
		assert_int_equal(outbox_check(to_port(), &err), MITOGEN_ERR_CLOSED);
		assert_string_equal(err.text, "the sender is closed");
	}
	pair_pump();
	assert_failure(latch, MITOGEN_ERR_CLOSED, "the sender is closed");
}

static void it_fails_when_the_receiver_closes(void **state)
{
	struct outbox_waiter waiter;

	(void)state;
	fill();
	assert_int_equal(outbox_wait(to_port(), &waiter), 0);
	inbox_close(&inbox);
	pair_pump();
	assert_true(waiter.latch->closed);
	outbox_leave(&waiter);
	assert_int_equal(outbox_check(to_port(), &err), MITOGEN_ERR_CLOSED);
	assert_string_equal(err.text, "master: the receiver is closed");
	assert_string_equal(err.where, "master");
	for (int i = 0; i < 8; i++)
		release();
	assert_int_equal(inbox_open(&pair.master, &inbox, 0, &ops, NULL), 0);
}

static void it_fails_where_there_is_no_port(void **state)
{
	uint32_t number = inbox.handle.by_number.key;

	(void)state;
	inbox_close(&inbox);
	outbox_send(outbox_to(&pair.child, 0, number), message_of_text("to nobody"));
	outbox_send(outbox_to(&pair.child, 0, 4711), message_of_text("to nobody"));
	pair_pump();
	assert_int_equal(outbox_check(outbox_to(&pair.child, 0, number), &err), MITOGEN_ERR_CLOSED);
	/* a number that somebody chose is another matter */
	assert_int_equal(outbox_check(outbox_to(&pair.child, 0, 4711), &err), MITOGEN_ERR_UNKNOWN);
	assert_int_equal(inbox_open(&pair.master, &inbox, 0, &ops, NULL), 0);
}

/* Whoever took a part of it learns that this is not all. */
static void a_refusal_comes_to_both_ends(void **state)
{
	static const char large[WINDOW_FIRST];

	(void)state;
	pair.master.max_message = 3 * FRAME_PAYLOAD_MAX / 2;
	send_text("small");
	outbox_send(to_port(), message_of_bytes(large, sizeof(large)));
	pair_pump();
	assert_int_equal(outbox_check(to_port(), &err), MITOGEN_ERR_TOO_BIG);
	release();
	assert_failure(latch, MITOGEN_ERR_TOO_BIG, "local.1: it is longer than a message may be");
	pair_pump();
}

static void it_fails_when_the_context_is_lost(void **state)
{
	struct outbox *outbox = outbox_to(&pair.master, CHILD_ID, 123456);

	(void)state;
	pair_lose_child();
	assert_int_equal(outbox_check(outbox, &err), MITOGEN_ERR_LOST);
	assert_string_equal(err.text, "local.1: was killed by SIGKILL");
	assert_int_equal(outbox_check(outbox_to(&pair.master, CHILD_ID, 654321), &err),
			 MITOGEN_ERR_LOST);
}

static void so_many_failures_are_kept(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3 * OUTBOXES_FAILED_MAX; i++)
		outbox_send(outbox_to(&pair.child, 0, 100000 + i), message_of_text("to nobody"));
	pair_pump();
	assert_int_equal(pair.child.outboxes.failed_count, OUTBOXES_FAILED_MAX);
	assert_int_equal(
		outbox_check(outbox_to(&pair.child, 0, 100000 + 3 * OUTBOXES_FAILED_MAX - 1), &err),
		MITOGEN_ERR_CLOSED);
	assert_int_equal(outbox_check(outbox_to(&pair.child, 0, 100000), &err), 0);
}

static int left; /* allocations until there is no memory */

static void *some_calloc(size_t count, size_t size)
{
	return left-- > 0 ? calloc(count, size) : NULL;
}

static void *some_malloc(size_t size)
{
	return left-- > 0 ? malloc(size) : NULL;
}

static void *some_realloc(void *p, size_t size)
{
	return left-- > 0 ? realloc(p, size) : NULL;
}

static void no_memory_to_open(void **state)
{
	struct outbox *outbox = NULL;

	(void)state;
	for (int i = 0; !outbox; i++) {
		left = i;
		sys.calloc = some_calloc;
		sys.malloc = some_malloc;
		sys.realloc = some_realloc;
		outbox = outbox_to(&pair.child, 0, inbox.handle.by_number.key);
		sys.calloc = calloc;
		sys.malloc = malloc;
		sys.realloc = realloc;
		assert_true(i < 20);
		assert_true(i > 2 || !outbox);
	}
	outbox_close(&pair.child, 0, inbox.handle.by_number.key, false);
	pair_pump();
	assert_failure(latch, MITOGEN_ERR_CLOSED, "the sender is closed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(there_is_one_for_a_port, setup, teardown),
		cmocka_unit_test_setup_teardown(who_waits_is_woken_when_there_is_room, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_waiter_may_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_begins_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_for_good, setup, teardown),
		cmocka_unit_test_setup_teardown(it_fails_when_the_receiver_closes, setup, teardown),
		cmocka_unit_test_setup_teardown(it_fails_where_there_is_no_port, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_comes_to_both_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(it_fails_when_the_context_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(so_many_failures_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_to_open, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
