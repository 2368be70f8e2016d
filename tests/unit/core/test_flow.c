/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/flow.h"
#include "fixture.h"

/* The child sends to the master. */
static struct outflow out;
static struct inflow in;
static size_t received, notes, rooms;
static bool has_ended;

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct inflow *flow = LIST_OWNER(handle, struct inflow, handle);

	assert_ptr_equal(flow, &in);
	if (inflow_received(router, flow, m)) {
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
	received = notes = rooms = 0;
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

static void room_shrinks_with_what_is_sent(void **state)
{
	(void)state;
	assert_int_equal(outflow_room(&out), FLOW_WINDOW);
	send_bytes(1000);
	assert_int_equal(outflow_room(&out), FLOW_WINDOW - 1000);
	assert_int_equal(received, 1000);
	send_bytes(FLOW_WINDOW - 1000);
	assert_int_equal(outflow_room(&out), 0);
	assert_int_equal(received, FLOW_WINDOW);
	assert_null(pair.ended);
}

/* Nothing is granted before anything is used up. */
static void a_slow_reader_stops_the_sender(void **state)
{
	(void)state;
	send_bytes(FLOW_WINDOW);
	pair_pump();
	assert_int_equal(outflow_room(&out), 0);
	assert_int_equal(rooms, 0);
	inflow_consumed(&pair.master, &in, FLOW_WINDOW / 4);
	pair_pump();
	assert_int_equal(outflow_room(&out), 0); /* steps that small are not worth a message */
	inflow_consumed(&pair.master, &in, FLOW_WINDOW / 4);
	pair_pump();
	assert_int_equal(outflow_room(&out), FLOW_WINDOW / 2);
	assert_int_equal(rooms, 1);
}

static void it_goes_on_for_long(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		size_t room = outflow_room(&out);

		assert_true(room > 0);
		send_bytes(room);
		inflow_consumed(&pair.master, &in, room);
		pair_pump();
	}
	assert_true(received >= 100 * FLOW_WINDOW / 2);
	assert_null(pair.ended);
}

static void more_than_granted_drops_the_stream(void **state)
{
	(void)state;
	send_bytes(FLOW_WINDOW);
	out.granted++; /* it cheats */
	send_bytes(1);
	assert_int_equal(received, FLOW_WINDOW);
	assert_string_equal(pair.ended, "it sent more than it was granted");
	assert_non_null(strstr(logged, "context 1 sent more than it was granted"));
}

static void notes_and_the_end_cost_nothing(void **state)
{
	(void)state;
	send_bytes(FLOW_WINDOW);
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
	inflow_consumed(&pair.master, &in, FLOW_WINDOW);
	pair_pump();
	assert_int_equal(outflow_room(&out), 0);
	assert_int_equal(rooms, 0);
}

/* ---- The CREDIT port ---- */

/* [handle, total] from the master's side, as it could be made up there. */
static void send_credit(uint32_t handle, uint64_t total)
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
	m->header.handle = 111;
	router_send(&pair.master, m, false);
	pair_pump();
}

static void credit_does_not_shrink(void **state)
{
	(void)state;
	send_credit(out.handle, 5);
	assert_int_equal(outflow_room(&out), FLOW_WINDOW);
	send_credit(out.handle, 0);
	assert_int_equal(outflow_room(&out), FLOW_WINDOW);
}

static void absurd_credit_is_cut(void **state)
{
	(void)state;
	send_bytes(1000);
	send_credit(out.handle, UINT64_MAX);
	assert_int_equal(outflow_room(&out), FLOW_WINDOW_MAX);
}

static void credit_for_others_is_not_ours(void **state)
{
	struct mitogen_message *m = message_of_text("no credit");

	(void)state;
	send_credit(out.handle + 1, 1 << 20);
	assert_int_equal(outflow_room(&out), FLOW_WINDOW);
	out.dst_id = 5; /* the one whom it sends to grants, not the master */
	send_credit(out.handle, 1 << 20);
	assert_int_equal(outflow_room(&out), FLOW_WINDOW);
	m->header.dst_id = CHILD_ID;
	m->header.handle = 111;
	router_send(&pair.master, m, false);
	pair_pump();
	assert_int_equal(outflow_room(&out), FLOW_WINDOW);
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
		send_credit(5000 + i, FLOW_WINDOW + 1 + i);
	for (uint32_t i = 0; i < FLOWS; i++) {
		assert_int_equal(outflow_room(&flows[i]), FLOW_WINDOW + 1 + i);
		outflow_close(&flows[i]);
	}
	assert_int_equal(outflow_room(&elsewhere), FLOW_WINDOW);
	outflow_close(&elsewhere);
	outflow_close(&elsewhere);
	assert_int_equal(pair.child.outflows.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(room_shrinks_with_what_is_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slow_reader_stops_the_sender, setup, teardown),
		cmocka_unit_test_setup_teardown(it_goes_on_for_long, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_granted_drops_the_stream, setup,
						teardown),
		cmocka_unit_test_setup_teardown(notes_and_the_end_cost_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_behind_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(credit_does_not_shrink, setup, teardown),
		cmocka_unit_test_setup_teardown(absurd_credit_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(credit_for_others_is_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(of_many_flows_the_right_one_is_credited, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
