/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "base/sys.h"
#include "core/flow.h"
#include "fixture.h"
#include "wire/handles.h"

/* The child sends to the master. */
static struct outflow out;
static struct inflow in;
static size_t received, notes, rooms, waited;
static bool has_ended;

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct inflow *flow = LIST_OWNER(handle, struct inflow, handle);

	assert_ptr_equal(flow, &in);
	if (inflow_received(router, flow, m)) {
		waited += m->header.flags & FRAME_WAITED ? 1 : 0;
		if (m->header.kind == FRAME_RAW)
			received += m->size;
		else if (m->header.kind == FRAME_CBOR)
			notes++;
		else
			has_ended = true;
	}
	message_unref(m);
}

static const struct handle_ops ops = {.receive = receive};

static void on_room(struct outflow *flow)
{
	assert_ptr_equal(flow, &out);
	rooms++;
}

static int setup(void **state)
{
	received = notes = rooms = waited = 0;
	has_ended = false;
	pair_setup(state);
	assert_int_equal(flow_open(&pair.master), 0);
	assert_int_equal(flow_open(&pair.child), 0);
	assert_int_equal(inflow_open(&pair.master, &in, &ops, pair.child_context), 0);
	outflow_open(&pair.child, &out, 0, in.handle.by_number.key, on_room);
	return 0;
}

static int teardown(void **state)
{
	sys.send = send;
	sys.sendmsg = sendmsg;
	flow_close(&pair.master);
	flow_close(&pair.child);
	flow_close(&pair.child);
	outflow_close(&out);
	inflow_close(&pair.master, &in);
	return pair_teardown(state);
}

static void send_bytes(size_t size)
{
	while (size > 0) {
		size_t n = size < 32768 ? size : 32768;
		struct mitogen_message *m = message_new(n);

		memset(m->payload, 'x', n);
		outflow_send(&pair.child, &out, m, false);
		pair_pump();
		size -= n;
	}
}

static size_t credit(const struct outflow *flow)
{
	return (size_t)(flow->granted - flow->sent);
}

static void room_shrinks_with_what_is_sent(void **state)
{
	(void)state;
	assert_int_equal(outflow_room(&out), FLOW_PRODUCED);
	send_bytes(1000);
	assert_int_equal(credit(&out), WINDOW_FIRST - 1000);
	assert_int_equal(received, 1000);
	send_bytes(WINDOW_FIRST - 2000);
	assert_int_equal(outflow_room(&out), 1000);
	send_bytes(1000);
	assert_int_equal(outflow_room(&out), 0);
	assert_int_equal(received, WINDOW_FIRST);
	assert_null(pair.ended);
}

static ssize_t nothing_fits(int fd, const void *data, size_t size, int flags)
{
	(void)fd;
	(void)data;
	(void)size;
	(void)flags;
	errno = EAGAIN;
	return -1;
}

static ssize_t no_message_fits(int fd, const struct msghdr *message, int flags)
{
	return nothing_fits(fd, message, 0, flags);
}

/* [handle, total] from the master's side, as it could be made up there. */
static struct mitogen_message *credit_message(uint32_t handle, uint64_t total)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	writer_list_head(&w, 2);
	writer_uint(&w, handle);
	writer_uint(&w, total);
	m = message_from_writer(&w, &error);
	m->header.dst_id = CHILD_ID;
	m->header.handle = HANDLE_CREDIT;
	return m;
}

/* Until nothing fits any more. Returns how much was sent. */
static size_t fill(void)
{
	size_t sent = 0, size;

	sys.send = nothing_fits;
	sys.sendmsg = no_message_fits;
	while ((size = outflow_room(&out)) > 0) {
		struct mitogen_message *m = message_new(size < 5000 ? size : 5000);

		memset(m->payload, 'x', m->size);
		sent += m->size;
		assert_in_range(sent, 0, 3 * FLOW_PRODUCED);
		outflow_send(&pair.child, &out, m, true);
	}
	return sent;
}

static void let_through(void)
{
	sys.send = send;
	sys.sendmsg = sendmsg;
}

/* Whatever the credit, who produces it is stopped when enough waits here, and told when it goes on. */
static void what_waits_here_takes_room(void **state)
{
	size_t sent = fill();

	(void)state;
	assert_int_equal(credit(&out), WINDOW_FIRST - sent);
	assert_in_range(sent, FLOW_PRODUCED, 3 * FLOW_PRODUCED);
	assert_int_equal(rooms, 0);
	let_through();
	pair_pump();
	assert_int_equal(rooms, 1);
	assert_int_equal(received, sent);
	send_bytes(1000);
	assert_int_equal(waited, 0); /* not for credit */
}

/* Both have to be there: credit, and room here. */
static void credit_alone_makes_no_room(void **state)
{
	size_t sent = fill();

	(void)state;
	handles_deliver(&pair.child, credit_message(out.handle, WINDOW_FIRST + sent), &pair.above);
	assert_int_equal(credit(&out), WINDOW_FIRST);
	assert_int_equal(rooms, 0);
	let_through();
	pair_pump();
	assert_int_equal(rooms, 1);
}

static void told_once_for_each_time_it_asked(void **state)
{
	(void)state;
	send_bytes(WINDOW_FIRST);
	assert_int_equal(outflow_room(&out), 0);
	inflow_consumed(&pair.master, &in, WINDOW_FIRST / 2);
	pair_pump();
	assert_int_equal(rooms, 1);
	inflow_consumed(&pair.master, &in, WINDOW_FIRST / 2);
	pair_pump();
	assert_int_equal(rooms, 1);
}

/* One of two threads that send has found none and waits; the other one finds some before that is told. */
static void who_finds_room_leaves_others_waiting(void **state)
{
	(void)state;
	fill();
	let_through();
	router_send(&pair.child, message_of_text("x"), true); /* writes what waits, too */
	assert_true(list_is_linked(&out.check.link));
	assert_true(outflow_room(&out) > 0);
	pair_pump();
	assert_int_equal(rooms, 1);
}

static void not_told_when_it_is_closed(void **state)
{
	struct mitogen_message *m = message_of_text("x"); /* to the master */

	(void)state;
	fill();
	let_through();
	router_send(&pair.child, m, true); /* writes what waits, too */
	assert_true(list_is_linked(&out.check.link));
	outflow_close(&out);
	pair_pump();
	assert_int_equal(rooms, 0);
}

/* Nothing is granted before anything is used up. */
static void a_slow_reader_stops_the_sender(void **state)
{
	(void)state;
	send_bytes(WINDOW_FIRST);
	pair_pump();
	assert_int_equal(outflow_room(&out), 0);
	assert_int_equal(rooms, 0);
	inflow_consumed(&pair.master, &in, WINDOW_FIRST / 4);
	pair_pump();
	assert_int_equal(credit(&out), 0); /* steps that small are not worth a message */
	assert_int_equal(rooms, 0);
	inflow_consumed(&pair.master, &in, WINDOW_FIRST / 4);
	pair_pump();
	assert_int_equal(credit(&out), WINDOW_FIRST / 2);
	assert_int_equal(rooms, 1);
}

static void it_goes_on_for_long(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		size_t room = credit(&out);

		assert_true(room > 0);
		send_bytes(room);
		inflow_consumed(&pair.master, &in, room);
		pair_pump();
	}
	assert_true(received >= 100 * WINDOW_FIRST / 2);
	assert_null(pair.ended);
}

/* The receiver is told that more would be used. */
static void who_had_to_wait_says_so(void **state)
{
	(void)state;
	send_bytes(WINDOW_FIRST);
	inflow_consumed(&pair.master, &in, WINDOW_FIRST);
	pair_pump();
	assert_int_equal(rooms, 0); /* nobody has asked */
	send_bytes(WINDOW_FIRST);
	assert_int_equal(waited, 0);
	assert_int_equal(outflow_room(&out), 0);
	inflow_consumed(&pair.master, &in, WINDOW_FIRST);
	pair_pump();
	assert_int_equal(rooms, 1);
	send_bytes(1000);
	send_bytes(1000);
	assert_int_equal(waited, 1);
}

static void more_than_granted_drops_the_stream(void **state)
{
	(void)state;
	send_bytes(WINDOW_FIRST);
	out.granted++; /* it cheats */
	send_bytes(1);
	assert_int_equal(received, WINDOW_FIRST);
	assert_string_equal(pair.ended, "it sent more than it was granted");
	assert_non_null(strstr(logged, "context 1 sent more than it was granted"));
}

static void send_small(void)
{
	struct mitogen_message *m = message_of_bytes("x", 1);

	outflow_send(&pair.child, &out, m, false);
}

/* Or what they take in memory would be many times the credit. */
static void small_frames_cost_more_than_their_bytes(void **state)
{
	size_t sent = 0;

	(void)state;
	for (; outflow_room(&out) > 0; sent++) {
		send_small();
		pair_pump();
	}
	assert_int_equal(sent, WINDOW_FIRST / FLOW_COST_MIN);
	assert_int_equal(out.bytes, sent);
	assert_int_equal(in.bytes, sent);
	for (size_t i = 0; i < sent; i++)
		inflow_consumed(&pair.master, &in, 1);
	pair_pump();
	assert_int_equal(credit(&out), WINDOW_FIRST);
	assert_null(pair.ended);
}

/* The last frame may cost more than is left. */
static void small_room_takes_a_small_frame(void **state)
{
	(void)state;
	send_bytes(WINDOW_FIRST - 1);
	assert_int_equal(outflow_room(&out), 1);
	send_small();
	assert_int_equal(outflow_room(&out), 0);
	pair_pump();
	assert_int_equal(in.bytes, WINDOW_FIRST);
	assert_null(pair.ended);
	send_small();
	pair_pump();
	assert_string_equal(pair.ended, "it sent more than it was granted");
}

static void notes_and_the_end_cost_nothing(void **state)
{
	(void)state;
	send_bytes(WINDOW_FIRST);
	outflow_send_note(&pair.child, &out, message_of_text("a note"));
	outflow_end(&pair.child, &out);
	assert_int_equal(outflow_room(&out), 0);
	pair_pump();
	assert_int_equal(notes, 1);
	assert_true(has_ended);
	assert_null(pair.ended);
}

static void no_room_behind_the_end(void **state)
{
	(void)state;
	outflow_end(&pair.child, &out);
	assert_int_equal(outflow_room(&out), 0);
	pair_pump();
	inflow_consumed(&pair.master, &in, WINDOW_FIRST);
	pair_pump();
	assert_int_equal(outflow_room(&out), 0);
	assert_int_equal(rooms, 0);
}

static void *no_memory(size_t size)
{
	(void)size;
	return NULL;
}

static void *no_more_memory(void *data, size_t size)
{
	(void)data;
	(void)size;
	return NULL;
}

/* Who sends waits for it, and would for ever. */
static void credit_that_cannot_be_sent_ends_the_stream(void **state)
{
	(void)state;
	send_bytes(WINDOW_FIRST);
	sys.malloc = no_memory;
	sys.realloc = no_more_memory;
	inflow_consumed(&pair.master, &in, WINDOW_FIRST);
	sys.malloc = malloc;
	sys.realloc = realloc;
	pair_pump();
	assert_string_equal(pair.ended, "out of memory");
}

static void an_end_that_cannot_be_sent_ends_the_stream(void **state)
{
	(void)state;
	sys.malloc = no_memory;
	outflow_end(&pair.child, &out);
	sys.malloc = malloc;
	pair_pump();
	assert_false(has_ended);
	assert_string_equal(pair.ended, "out of memory");
}

/* ---- The CREDIT port ---- */

static void send_credit(uint32_t handle, uint64_t total)
{
	router_send(&pair.master, credit_message(handle, total), false);
	pair_pump();
}

static void credit_does_not_shrink(void **state)
{
	(void)state;
	send_credit(out.handle, 5);
	assert_int_equal(credit(&out), WINDOW_FIRST);
	send_credit(out.handle, 0);
	assert_int_equal(credit(&out), WINDOW_FIRST);
}

static void absurd_credit_is_cut(void **state)
{
	(void)state;
	send_bytes(1000);
	send_credit(out.handle, UINT64_MAX);
	assert_int_equal(credit(&out), WINDOW_LIMIT);
}

static void credit_for_others_is_not_ours(void **state)
{
	struct mitogen_message *m = message_of_text("no credit");

	(void)state;
	send_credit(out.handle + 1, 1 << 20);
	assert_int_equal(credit(&out), WINDOW_FIRST);
	out.dst_id = 5; /* the one whom it sends to grants, not the master */
	send_credit(out.handle, 1 << 20);
	assert_int_equal(credit(&out), WINDOW_FIRST);
	m->header.dst_id = CHILD_ID;
	m->header.handle = 111;
	router_send(&pair.master, m, false);
	pair_pump();
	assert_int_equal(credit(&out), WINDOW_FIRST);
}

static void of_many_flows_the_right_one_is_credited(void **state)
{
	enum {
		FLOWS = 300
	};
	static struct outflow flows[FLOWS], elsewhere;

	(void)state;
	outflow_open(&pair.child, &elsewhere, 9, 5000, NULL);
	for (uint32_t i = 0; i < FLOWS; i++)
		outflow_open(&pair.child, &flows[i], 0, 5000 + i, NULL);
	for (uint32_t i = 0; i < FLOWS; i++)
		send_credit(5000 + i, WINDOW_FIRST + 1 + i);
	for (uint32_t i = 0; i < FLOWS; i++) {
		assert_int_equal(credit(&flows[i]), WINDOW_FIRST + 1 + i);
		outflow_close(&flows[i]);
	}
	assert_int_equal(credit(&elsewhere), WINDOW_FIRST);
	outflow_close(&elsewhere);
	outflow_close(&elsewhere);
	assert_int_equal(pair.child.outflows.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(room_shrinks_with_what_is_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_here_takes_room, setup, teardown),
		cmocka_unit_test_setup_teardown(credit_alone_makes_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(told_once_for_each_time_it_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(who_finds_room_leaves_others_waiting, setup,
						teardown),
		cmocka_unit_test_setup_teardown(not_told_when_it_is_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(who_had_to_wait_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slow_reader_stops_the_sender, setup, teardown),
		cmocka_unit_test_setup_teardown(it_goes_on_for_long, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_granted_drops_the_stream, setup,
						teardown),
		cmocka_unit_test_setup_teardown(small_frames_cost_more_than_their_bytes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(small_room_takes_a_small_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(notes_and_the_end_cost_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_behind_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(credit_that_cannot_be_sent_ends_the_stream, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_end_that_cannot_be_sent_ends_the_stream, setup,
						teardown),
		cmocka_unit_test_setup_teardown(credit_does_not_shrink, setup, teardown),
		cmocka_unit_test_setup_teardown(absurd_credit_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(credit_for_others_is_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(of_many_flows_the_right_one_is_credited, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
