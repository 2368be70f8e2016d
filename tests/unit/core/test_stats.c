/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/stats.h"

#include "core/call.h"
#include "core/dispatch.h"
#include "fixture.h"
#include "wire/handles.h"

static struct stats stats;

static void collect(struct router *router)
{
	memset(&stats, 0xff, sizeof(stats));
	stats_collect(router, &stats);
}

static void send_frame(uint32_t src_id, uint32_t handle)
{
	struct mitogen_message *m = message_of_text("x");

	m->header.dst_id = 0;
	m->header.src_id = m->header.auth_id = src_id;
	m->header.handle = handle;
	m->header.reply_to = 2000;
	stream_send(&pair.above.stream, m, false);
	pair_pump();
}

static void an_idle_router(void **state)
{
	(void)state;
	collect(&pair.master);
	assert_int_equal(stats.streams, 1);
	assert_int_equal(stats.routes, 1);
	assert_int_equal(stats.contexts, 1);
	assert_int_equal(stats.children + stats.processes + stats.timers + stats.chains, 0);
	assert_int_equal(stats.bytes_in + stats.bytes_out + stats.frames_in + stats.frames_out, 0);
	assert_int_equal(stats.normal_queued + stats.bulk_queued + stats.incomplete, 0);
	assert_int_equal(stats.calls_sent + stats.calls_pending + stats.calls_received, 0);
	assert_int_equal(stats.dead_replies + stats.refused + stats.forged, 0);
}

static void what_waits_to_be_written(void **state)
{
	struct mitogen_message *normal = message_of_text("12345"), *bulk = message_of_text("1");
	size_t size = FRAME_HEADER_SIZE + normal->size;

	(void)state;
	normal->header.dst_id = bulk->header.dst_id = CHILD_ID;
	bulk->header.flags = FRAME_BULK;
	router_send(&pair.master, normal, false);
	router_send(&pair.master, bulk, false);
	collect(&pair.master);
	assert_int_equal(stats.normal_queued, size);
	assert_int_equal(stats.bulk_queued, size - 4);
	assert_int_equal(stats.bytes_out, 0);
	pair_pump();
	collect(&pair.master);
	assert_int_equal(stats.normal_queued + stats.bulk_queued, 0);
	assert_int_equal(stats.bytes_out, 2 * size - 4);
	assert_int_equal(stats.frames_out, 2);
}

static void a_closed_stream_stays_in_the_sums(void **state)
{
	(void)state;
	send_frame(CHILD_ID, 4711);
	collect(&pair.master);
	assert_int_equal(stats.frames_in, 1);
	assert_int_equal(stats.frames_out, 1); /* the dead reply */
	assert_int_equal(stats.dead_replies, 1);
	pair_lose_child();
	collect(&pair.master);
	assert_int_equal(stats.frames_in, 1);
	assert_int_equal(stats.frames_out, 1);
	assert_true(stats.bytes_in > 0);
	assert_int_equal(stats.streams + stats.routes + stats.contexts, 0);
	neighbour_close(&pair.below);
	collect(&pair.master);
	assert_int_equal(stats.frames_in, 1);
}

static void refusals(void **state)
{
	(void)state;
	assert_int_equal(dispatch_open(&pair.master), 0);
	send_frame(CHILD_ID, HANDLE_CALL_FUNCTION);
	collect(&pair.master);
	assert_int_equal(stats.refused, 1);
	assert_int_equal(stats.dead_replies, 1);
	assert_int_equal(stats.calls_received, 0);
	assert_int_equal(stats.forged, 0);
	send_frame(5000, HANDLE_CALL_FUNCTION);
	collect(&pair.master);
	assert_int_equal(stats.forged, 1);
	dispatch_close(&pair.master);
}

static void calls(void **state)
{
	struct call_target target = {.latch = latch_new()};
	struct mitogen_writer w;
	struct mitogen_message *m;
	uint32_t handle;
	int error;

	(void)state;
	target.deadline = clock_deadline(60000);
	for (int i = 0; i < 2; i++) {
		message_writer_init(&w);
		call_write_head(&w, false, NULL, "f", 0);
		call_write_tail(&w);
		m = message_from_writer(&w, &error);
		assert_int_equal(call_start(&pair.master, pair.child_context, m, "f",
					    i ? NULL : &target, false, i ? NULL : &handle),
				 0);
	}
	collect(&pair.master);
	assert_int_equal(stats.calls_sent, 2);
	assert_int_equal(stats.calls_pending, 1);
	assert_int_equal(stats.timers, 1);
	assert_int_equal(stats.handles, 1);
	call_cancel(&pair.master, handle);
	collect(&pair.master);
	assert_int_equal(stats.calls_sent, 2);
	assert_int_equal(stats.calls_pending + stats.timers + stats.handles, 0);
	latch_unref(target.latch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_idle_router, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(what_waits_to_be_written, pair_setup,
						pair_teardown),
		cmocka_unit_test_setup_teardown(a_closed_stream_stays_in_the_sums, pair_setup,
						pair_teardown),
		cmocka_unit_test_setup_teardown(refusals, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(calls, pair_setup, pair_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
