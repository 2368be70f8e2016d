/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"
#include "base/sys.h"
#include "fixture.h"
#include "wire/handles.h"

#define PORT 4711

static struct mitogen_message *got;
static int got_count;

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	message_unref(got);
	got = m;
	got_count++;
}

static const struct handle_ops ops = {.receive = receive};
static struct handle port;

static int setup(void **state)
{
	got = NULL;
	got_count = 0;
	pair_setup(state);
	return handles_add(&pair.master, &port, PORT, &ops, NULL);
}

static int teardown(void **state)
{
	message_unref(got);
	return pair_teardown(state);
}

static struct mitogen_message *to(uint32_t id, const char *text)
{
	struct mitogen_message *m = message_of_text(text);

	m->header.dst_id = id;
	m->header.handle = PORT;
	m->header.reply_to = PORT;
	return m;
}

/* The failure that came to the port. */
static mitogen_error failure(void)
{
	mitogen_error error;

	assert_int_equal(got_count, 1);
	message_decode_failure(got, &error);
	return error;
}

/* ---- Where to ---- */

static void to_itself(void **state)
{
	(void)state;
	router_send(&pair.master, to(0, "hello"), false);
	assert_int_equal(got_count, 1);
	assert_int_equal(got->header.src_id, 0);
	assert_int_equal(got->header.auth_id, 0);
}

static void to_a_child_and_back(void **state)
{
	static struct handle there;

	(void)state;
	assert_int_equal(handles_add(&pair.child, &there, PORT, &ops, NULL), 0);
	router_send(&pair.master, to(CHILD_ID, "down"), false);
	pair_pump();
	assert_int_equal(got->header.src_id, 0);
	router_send(&pair.child, to(0, "up"), false);
	pair_pump();
	assert_int_equal(got_count, 2);
	assert_int_equal(got->header.src_id, CHILD_ID);
	assert_int_equal(got->header.auth_id, CHILD_ID);
}

/* A child knows no way but up; the master knows none at all. */
static void nowhere(void **state)
{
	(void)state;
	router_send(&pair.child, to(5000, "hello"), false);
	pair_pump();
	assert_int_equal(got_count, 0);
	router_send(&pair.master, to(5000, "hello"), false);
	pair_pump();
	assert_int_equal(failure().code, MITOGEN_ERR_LOST);
}

/* The child's message comes back to it as a dead one, not to the one who sent it there. */
static void the_sender_learns_that_there_is_no_way(void **state)
{
	static struct handle there;

	(void)state;
	assert_int_equal(handles_add(&pair.child, &there, PORT, &ops, NULL), 0);
	router_send(&pair.child, to(5000, "hello"), false);
	pair_pump();
	assert_int_equal(failure().code, MITOGEN_ERR_LOST);
	assert_int_equal(got->header.dst_id, CHILD_ID);
}

static void not_back_where_it_came_from(void **state)
{
	static struct handle there;

	(void)state;
	assert_int_equal(handles_add(&pair.child, &there, PORT, &ops, NULL), 0);
	assert_int_equal(routes_add(&pair.master, CHILD_ID + 1, &pair.below, NULL), 0);
	router_send(&pair.child, to(CHILD_ID + 1, "hello"), false);
	pair_pump();
	assert_int_equal(failure().code, MITOGEN_ERR_LOST);
	assert_null(pair.ended);
}

static void no_answer_where_none_is_wanted(void **state)
{
	struct mitogen_message *m = to(5000, "hello");

	(void)state;
	m->header.reply_to = 0;
	router_send(&pair.master, m, false);
	assert_int_equal(got_count, 0);
}

/* Two routers that answered each other's failures would never end. */
static void no_answer_to_a_failure(void **state)
{
	struct mitogen_message *m = to(5000, "hello");

	(void)state;
	m->header.kind = FRAME_DEAD;
	router_send(&pair.master, m, false);
	assert_int_equal(got_count, 0);
}

static void ancestors_are_listed(void **state)
{
	const uint32_t ancestors[] = {7, 3, 0};
	struct router router;

	(void)state;
	assert_int_equal(router_init(&router, 9, ancestors, 3, "a/b/c"), 0);
	assert_true(router_is_ancestor(&router, 7) && router_is_ancestor(&router, 3) &&
		    router_is_ancestor(&router, 0));
	assert_false(router_is_ancestor(&router, 9) || router_is_ancestor(&router, 1));
	router_clear(&router);
	assert_false(router_is_ancestor(&pair.master, 0));
}

/* It ends when it has got what was meant for it. */
static void the_request_to_end_goes_behind_bulk(void **state)
{
	static const uint8_t some[FRAME_PAYLOAD_MAX];
	static struct handle there, end;

	(void)state;
	got_count = 0;
	assert_int_equal(handles_add(&pair.child, &there, PORT, &ops, NULL), 0);
	assert_int_equal(handles_add(&pair.child, &end, HANDLE_SHUTDOWN, &ops, NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct mitogen_message *m = message_of_bytes(some, sizeof(some));

		m->header.flags = FRAME_BULK;
		m->header.dst_id = CHILD_ID;
		m->header.handle = PORT;
		router_send(&pair.master, m, false);
	}
	assert_int_equal(router_send_shutdown(&pair.master, CHILD_ID), 0);
	pair_pump();
	assert_int_equal(got_count, 4);
	assert_int_equal(got->header.handle, HANDLE_SHUTDOWN); /* the last one */
}

/* Another child of the master, which reads nothing: its stream is not open. */
static struct neighbour other;

static void ignore_end(struct neighbour *neighbour, const char *why)
{
	(void)neighbour;
	(void)why;
}

/* A context ends because of what is above it, and because of one frame, which is not of a flow. */
static void a_child_cannot_end_another(void **state)
{
	static const struct neighbour_events events = {.ended = ignore_end};
	struct mitogen_message *m = to(CHILD_ID + 1, "");
	static struct handle there;

	(void)state;
	assert_int_equal(handles_add(&pair.child, &there, PORT, &ops, NULL), 0);
	neighbour_init(&other, &pair.master, CHILD_ID + 1, &events, "local.2");
	assert_int_equal(routes_add(&pair.master, CHILD_ID + 1, &other, NULL), 0);
	m->header.handle = HANDLE_SHUTDOWN;
	router_send(&pair.child, m, false);
	pair_pump();
	assert_int_equal(failure().code, MITOGEN_ERR_REFUSED);
	assert_true(queue_is_empty(&other.stream.queue));
	for (int flags = 1; flags <= (FRAME_BULK | FRAME_MORE); flags++) {
		m = to(CHILD_ID + 1, "");
		m->header.reply_to = 0;
		m->header.handle = HANDLE_SHUTDOWN;
		m->header.flags = (uint8_t)flags;
		router_send(&pair.master, m, false);
		assert_true(queue_is_empty(&other.stream.queue));
	}
	assert_int_equal(router_send_shutdown(&pair.master, CHILD_ID + 1), 0);
	assert_false(queue_is_empty(&other.stream.queue));
	neighbour_close(&other);
}

/* ---- Answers ---- */

static void answers_go_to_who_asked(void **state)
{
	struct mitogen_message *request = to(CHILD_ID, "question");

	(void)state;
	request->header.src_id = 0;
	router_reply(&pair.child, request, message_of_text("answer"), false);
	pair_pump();
	assert_int_equal(got_count, 1);
	assert_memory_equal(got->payload,
			    "\x66"
			    "answer",
			    7);
	assert_int_equal(got->header.reply_to, 0);
	request->header.reply_to = 0;
	router_reply(&pair.child, request, message_of_text("answer"), false);
	pair_pump();
	assert_int_equal(got_count, 1);
	message_unref(request);
}

/* Whatever a function put into its error, it arrives. */
static void errors_of_any_text_are_sent(void **state)
{
	struct mitogen_message *request = to(CHILD_ID, "question");
	mitogen_error error = {.code = MITOGEN_ERR_CALL,
			       .sys = 2,
			       .type = "Key\xff",
			       .where = "w",
			       .text = "cut in a character: \xc3"};

	(void)state;
	request->header.src_id = 0;
	router_reply_error(&pair.child, request, &error, false);
	pair_pump();
	error = failure();
	assert_int_equal(error.code, MITOGEN_ERR_CALL);
	assert_int_equal(error.sys, 2);
	assert_string_equal(error.type, "Key\\xff");
	assert_string_equal(error.text, "cut in a character: \\xc3");
	message_unref(request);
}

static void *no_memory(void *p, size_t size)
{
	(void)p;
	(void)size;
	return NULL;
}

/* If not even a failure can be sent, the end of the stream tells those who wait beyond it. */
static void without_memory_the_stream_ends(void **state)
{
	struct mitogen_message *request = to(CHILD_ID, "question");

	(void)state;
	request->header.src_id = 0;
	sys.realloc = no_memory;
	router_reply_dead(&pair.child, request, MITOGEN_ERR_REFUSED, "not you");
	sys.realloc = realloc;
	pair_pump();
	assert_int_equal(got_count, 0);
	assert_string_equal(pair.ended, "out of memory");
	message_unref(request);
}

/* ---- The end ---- */

struct guest {
	struct resident resident;
	int closed;
	bool urgent;
};

static void close_guest(struct resident *resident, bool urgent)
{
	struct guest *guest = LIST_OWNER(resident, struct guest, resident);

	guest->closed++;
	guest->urgent = urgent;
}

static int closed;

static void on_closed(struct router *router)
{
	assert_ptr_equal(router, &pair.master);
	closed++;
}

static void closed_when_no_resident_is_left(void **state)
{
	struct guest a = {.resident.close = close_guest}, b = a;

	(void)state;
	closed = 0;
	pair.master.on_closed = on_closed;
	router_add_resident(&pair.master, &a.resident);
	router_add_resident(&pair.master, &b.resident);
	router_remove_resident(&pair.master, &b.resident);
	assert_int_equal(closed, 0);
	router_close(&pair.master, false);
	router_close(&pair.master, false);
	assert_int_equal(a.closed, 1);
	assert_int_equal(b.closed, 0);
	assert_int_equal(closed, 0);
	router_close(&pair.master, true);
	assert_true(a.urgent);
	router_remove_resident(&pair.master, &a.resident);
	assert_int_equal(closed, 1);
}

static void leave_at_once(struct resident *resident, bool urgent)
{
	(void)urgent;
	router_remove_resident(&pair.master, resident);
}

static void residents_may_leave_at_once(void **state)
{
	struct resident a = {.close = leave_at_once}, b = a;

	(void)state;
	closed = 0;
	pair.master.on_closed = on_closed;
	router_add_resident(&pair.master, &a);
	router_add_resident(&pair.master, &b);
	router_close(&pair.master, false);
	assert_true(closed > 0);
	assert_true(list_is_empty(&pair.master.residents));
}

/* Who waits is told; that may take other ports away, which then are not told. */
struct waiting {
	struct handle handle, other;
	int told;
};

static void lost(struct router *router, struct handle *handle, const mitogen_error *why)
{
	struct waiting *waiting = LIST_OWNER(handle, struct waiting, handle);

	assert_int_equal(why->code, MITOGEN_ERR_CLOSED);
	waiting->told++;
	handles_remove(router, &waiting->handle);
	handles_remove(router, &waiting->other);
	memset(&waiting->other, 0xee, sizeof(waiting->other));
}

static void waiting_ones_are_told_once(void **state)
{
	static const struct handle_ops waiting_ops = {.receive = receive, .lost = lost};
	static struct waiting many[100];

	(void)state;
	for (int i = 0; i < 100; i++) {
		many[i].told = 0;
		handles_add(&pair.master, &many[i].handle, 0, &waiting_ops, pair.child_context);
		handles_add(&pair.master, &many[i].other, 0, &ops, pair.child_context);
	}
	router_close(&pair.master, false);
	for (int i = 0; i < 100; i++)
		assert_int_equal(many[i].told, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(to_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(to_a_child_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(the_sender_learns_that_there_is_no_way, setup,
						teardown),
		cmocka_unit_test_setup_teardown(not_back_where_it_came_from, setup, teardown),
		cmocka_unit_test_setup_teardown(no_answer_where_none_is_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(no_answer_to_a_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(ancestors_are_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_child_cannot_end_another, setup, teardown),
		cmocka_unit_test_setup_teardown(the_request_to_end_goes_behind_bulk, setup,
						teardown),
		cmocka_unit_test_setup_teardown(answers_go_to_who_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_of_any_text_are_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_the_stream_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_when_no_resident_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(residents_may_leave_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(waiting_ones_are_told_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
