/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#define PORT 4711

static int received;

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	received++;
	message_unref(m);
}

static const struct handle_ops ops = {.receive = receive};
static struct handle port;

static int setup(void **state)
{
	received = 0;
	pair_setup(state);
	return handles_add(&pair.master, &port, PORT, &ops, NULL);
}

/* From the child's stream, claiming to be these. */
static void send_as(uint32_t src_id, uint32_t auth_id)
{
	struct mitogen_message *m = message_of_text("hello");

	m->header.src_id = src_id;
	m->header.auth_id = auth_id;
	m->header.handle = PORT;
	m->header.dst_id = 0;
	stream_send(&pair.above.stream, m, false);
	pair_pump();
}

static void a_child_speaks_for_its_block(void **state)
{
	(void)state;
	pair_announce(CHILD_ID + CHILD_IDS - 1, 1);
	send_as(CHILD_ID, CHILD_ID);
	send_as(CHILD_ID + CHILD_IDS - 1, CHILD_ID);
	assert_int_equal(received, 2);
	assert_null(pair.ended);
}

/* Of its loss nobody would hear. */
static void who_was_not_announced_is_not_heard(void **state)
{
	(void)state;
	send_as(CHILD_ID + 1, CHILD_ID);
	assert_int_equal(received, 0);
	assert_null(pair.ended);
}

/* Each of these is the end of its stream. */
static void foreign_names_close_the_stream(void **state)
{
	static const uint32_t claims[][2] = {
		{0, CHILD_ID},
		{CHILD_ID, 0},
		{CHILD_ID + CHILD_IDS, CHILD_ID},
		{CHILD_ID, CHILD_ID + CHILD_IDS},
		{UINT32_MAX, CHILD_ID},
	};

	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		send_as(claims[i][0], claims[i][1]);
		assert_int_equal(received, 0);
		assert_string_equal(pair.ended, "it sent a message in a foreign name");
		assert_non_null(strstr(logged, "local.1: claimed to be context "));
		pair_teardown(state);
		setup(state);
	}
}

static void a_parent_may_pass_on_anybody(void **state)
{
	struct mitogen_message *m = message_of_text("hello");
	static struct handle there;

	(void)state;
	assert_int_equal(handles_add(&pair.child, &there, PORT, &ops, NULL), 0);
	m->header = (struct frame_header){.kind = FRAME_CBOR,
					  .dst_id = CHILD_ID,
					  .src_id = 77,
					  .auth_id = 88,
					  .handle = PORT};
	stream_send(&pair.below.stream, m, false);
	pair_pump();
	assert_int_equal(received, 1);
	assert_null(pair.ended);
}

static void the_end_is_passed_on(void **state)
{
	(void)state;
	neighbour_close(&pair.above);
	pair_pump();
	assert_string_equal(pair.ended, "");
}

/* Not at once: whoever finds the fault may be in the middle of something. */
static void a_failure_is_told_soon(void **state)
{
	(void)state;
	neighbour_fail(&pair.below, "out of memory");
	neighbour_fail(&pair.below, "out of memory");
	assert_null(pair.ended);
	pair_pump();
	assert_string_equal(pair.ended, "out of memory");
	pair.ended = NULL;
	neighbour_fail(&pair.below, "out of memory");
	neighbour_close(&pair.below);
	pump(&pair.master.broker);
	assert_null(pair.ended);
}

static void closing_removes_routes(void **state)
{
	(void)state;
	assert_ptr_equal(routes_neighbour(&pair.master, CHILD_ID), &pair.below);
	neighbour_close(&pair.below);
	assert_null(routes_neighbour(&pair.master, CHILD_ID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_child_speaks_for_its_block, setup, pair_teardown),
		cmocka_unit_test_setup_teardown(who_was_not_announced_is_not_heard, setup,
						pair_teardown),
		cmocka_unit_test_setup_teardown(foreign_names_close_the_stream, setup,
						pair_teardown),
		cmocka_unit_test_setup_teardown(a_parent_may_pass_on_anybody, setup, pair_teardown),
		cmocka_unit_test_setup_teardown(the_end_is_passed_on, setup, pair_teardown),
		cmocka_unit_test_setup_teardown(a_failure_is_told_soon, setup, pair_teardown),
		cmocka_unit_test_setup_teardown(closing_removes_routes, setup, pair_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
