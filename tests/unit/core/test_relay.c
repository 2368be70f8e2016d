/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"
#include "core/routes.h"
#include "fixture.h"
#include "wire/handles.h"

#define SLOW_ID 2000u
#define MAX     100000u /* bytes that a message may have */
#define PORT    5000u
#define SIZE    20000u

/* Another child of the master, which reads nothing: its stream is not open. */
static struct neighbour slow;
static const char *slow_ended;
static struct handle answer; /* in the child */
static mitogen_error answered;
static int answers;

static void receive_answer(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	message_decode_failure(m, &answered);
	message_unref(m);
	answers++;
}

static const struct handle_ops answer_ops = {.receive = receive_answer};

static void on_slow_ended(struct neighbour *neighbour, const char *why)
{
	(void)neighbour;
	slow_ended = why ? why : "";
}

static const struct neighbour_events slow_events = {.ended = on_slow_ended};

static int setup(void **state)
{
	answers = 0;
	slow_ended = NULL;
	pair_setup(state);
	pair.master.max_message = MAX;
	neighbour_init(&slow, &pair.master, SLOW_ID, &slow_events, "local.2");
	assert_int_equal(routes_add(&pair.master, SLOW_ID, &slow, NULL), 0);
	return handles_add(&pair.child, &answer, 0, &answer_ops, NULL);
}

static int teardown(void **state)
{
	neighbour_close(&slow);
	return pair_teardown(state);
}

static size_t waiting(void)
{
	return slow.stream.queue.normal_bytes + slow.stream.queue.bulk_bytes;
}

/* A frame of a source below the child, as it comes over its stream. */
static void send_frame(uint32_t src_id, uint32_t handle, uint32_t reply_to, uint8_t flags)
{
	struct mitogen_message *m = message_new(SIZE);

	memset(m->payload, 'x', m->size);
	m->header = (struct frame_header){.kind = FRAME_RAW,
					  .flags = flags,
					  .src_id = src_id,
					  .auth_id = src_id,
					  .dst_id = SLOW_ID,
					  .handle = handle,
					  .reply_to = reply_to};
	stream_send(&pair.above.stream, m, false);
	pair_pump();
}

static void send_request(uint32_t src_id)
{
	send_frame(src_id, PORT, answer.by_number.key, 0);
}

static void send_reply(uint32_t src_id)
{
	send_frame(src_id, PORT, 0, 0);
}

/* Everything is read now, as if the stream were written. */
static void read_queue(void)
{
	struct mitogen_message *m;
	size_t left;

	while ((m = queue_take(&slow.stream.queue, &left)) != NULL) {
		relay_taken(&slow, m);
		message_unref(m);
	}
}

static void read_all(void)
{
	read_queue();
	assert_int_equal(slow.relay.sources.count, 0);
	assert_int_equal(slow.relay.senders.count, 0);
}

/* The last message that waits. */
static const struct mitogen_message *last_waiting(void)
{
	return LIST_OWNER(slow.stream.queue.normal.prev, struct mitogen_message, link);
}

static void requests_are_refused_when_much_waits(void **state)
{
	size_t before;

	(void)state;
	for (size_t i = 0; i <= MAX / SIZE; i++)
		send_request(CHILD_ID);
	before = waiting();
	assert_true(answers <= 1);
	send_request(CHILD_ID);
	send_request(CHILD_ID);
	assert_true(answers >= 2);
	assert_int_equal(waiting(), before);
	assert_int_equal(answered.code, MITOGEN_ERR_TOO_BIG);
	assert_non_null(strstr(answered.text, "the queue to local.2 is full"));
	assert_non_null(strstr(logged, "messages of context 1 are refused"));
	assert_null(strstr(strstr(logged, "refused") + 1, "refused")); /* said once */
	read_all();
	answers = 0;
	send_request(CHILD_ID);
	assert_int_equal(answers, 0);
	assert_true(waiting() > 0);
}

/* Not only when nothing waits any more. */
static void there_is_room_as_soon_as_some_is_read(void **state)
{
	struct mitogen_message *m;
	size_t left;

	(void)state;
	for (size_t i = 0; i < 10; i++)
		send_request(CHILD_ID);
	for (int i = 0; i < 2; i++) {
		m = queue_take(&slow.stream.queue, &left);
		relay_taken(&slow, m);
		message_unref(m);
	}
	answers = 0;
	send_request(CHILD_ID);
	assert_int_equal(answers, 0);
	read_all();
}

static void other_sources_are_not_refused(void **state)
{
	(void)state;
	pair_announce(5, 1);
	for (size_t i = 0; i < 10; i++)
		send_request(CHILD_ID);
	answers = 0;
	for (size_t i = 0; i < 3; i++)
		send_request(5);
	assert_int_equal(answers, 0);
	send_request(CHILD_ID);
	assert_int_equal(answers, 1);
	read_all();
}

static void our_own_messages_are_not_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5 * MAX / SIZE; i++) {
		struct mitogen_message *m = message_new(SIZE);

		memset(m->payload, 'x', m->size);
		m->header.dst_id = SLOW_ID;
		m->header.handle = PORT;
		m->header.reply_to = 1;
		router_send(&pair.master, m, false);
	}
	assert_int_equal(waiting(), 5 * MAX / SIZE * (SIZE + FRAME_HEADER_SIZE));
}

/* Who asked is served, although whoever asks now is not. */
static void replies_have_room_left(void **state)
{
	size_t before;

	(void)state;
	for (size_t i = 0; i < 10; i++)
		send_request(CHILD_ID);
	before = waiting();
	send_reply(CHILD_ID);
	assert_int_equal(waiting(), before + SIZE + FRAME_HEADER_SIZE);
}

/* Then who waits for one is told. */
static void replies_without_room_become_failures(void **state)
{
	const struct mitogen_message *last;
	mitogen_error error;

	(void)state;
	for (size_t i = 0; i < 2 * MAX / SIZE + 1; i++)
		send_reply(CHILD_ID);
	last = last_waiting();
	assert_int_equal(last->header.kind, FRAME_DEAD);
	assert_int_equal(last->header.src_id, CHILD_ID);
	assert_int_equal(last->header.handle, PORT);
	message_decode_failure(last, &error);
	assert_int_equal(error.code, MITOGEN_ERR_TOO_BIG);
	assert_int_equal(answers, 0);
}

/* Of what is refused nothing arrives, or its beginning and its end would be taken for one message. */
static void refused_as_a_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < 10; i++)
		send_request(CHILD_ID);
	answers = 0;
	send_frame(CHILD_ID, PORT, answer.by_number.key, FRAME_MORE);
	read_queue();
	send_frame(CHILD_ID, PORT, answer.by_number.key, FRAME_MORE);
	send_frame(CHILD_ID, PORT, answer.by_number.key, 0);
	assert_int_equal(answers, 1);
	assert_int_equal(waiting(), 0);
	send_request(CHILD_ID);
	assert_true(waiting() > 0);
	assert_int_equal(answers, 1);
}

/* A router, which is not the source, sends it in the name of the source. */
static void send_dead(uint32_t src_id, uint32_t handle)
{
	struct mitogen_message *m = message_new_dead(MITOGEN_ERR_LOST, "lost");

	m->header.src_id = m->header.auth_id = src_id;
	m->header.dst_id = SLOW_ID;
	m->header.handle = handle;
	stream_send(&pair.above.stream, m, false);
	pair_pump();
}

/* Who waits is told, and nothing of what is refused arrives, though both are of one source. C11. */
static void a_failure_passes_within_a_refused_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < 10; i++)
		send_request(CHILD_ID);
	answers = 0;
	send_frame(CHILD_ID, PORT, answer.by_number.key, FRAME_MORE);
	assert_int_equal(answers, 1);
	send_dead(CHILD_ID, PORT + 1);
	assert_int_equal(last_waiting()->header.kind, FRAME_DEAD);
	assert_int_equal(last_waiting()->header.handle, PORT + 1);
	read_queue();
	send_frame(CHILD_ID, PORT, answer.by_number.key, FRAME_MORE);
	send_dead(CHILD_ID, PORT + 1);
	read_queue();
	send_frame(CHILD_ID, PORT, answer.by_number.key, 0);
	assert_int_equal(waiting(), 0);
	assert_int_equal(answers, 1);
	send_request(CHILD_ID);
	assert_true(waiting() > 0);
}

/* Its source sends no two at the same time. */
static void another_long_message_is_one_of_its_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < 10; i++)
		send_request(CHILD_ID);
	send_frame(CHILD_ID, PORT, answer.by_number.key, FRAME_MORE); /* its end never comes */
	read_queue();
	answers = 0;
	send_frame(CHILD_ID, PORT + 1, answer.by_number.key, FRAME_MORE);
	send_frame(CHILD_ID, PORT + 1, answer.by_number.key, 0);
	assert_int_equal(waiting(), 2 * (SIZE + FRAME_HEADER_SIZE));
	assert_int_equal(answers, 0);
}

/* What has begun to pass passes, if it is no longer than a message may be. */
static void let_through_as_a_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < MAX / SIZE - 1; i++)
		send_request(CHILD_ID);
	assert_int_equal(answers, 0);
	for (size_t i = 0; i < MAX / SIZE - 1; i++)
		send_frame(CHILD_ID, PORT, answer.by_number.key, FRAME_MORE);
	send_frame(CHILD_ID, PORT, answer.by_number.key, 0);
	assert_int_equal(answers, 0);
	assert_int_equal(waiting(), (2 * MAX / SIZE - 1) * (SIZE + FRAME_HEADER_SIZE));
}

/* Longer than any message: its receiver gets the end and refuses it. */
static void an_endless_message_is_cut(void **state)
{
	size_t before;

	(void)state;
	for (size_t i = 0; i < 20; i++)
		send_frame(CHILD_ID, PORT, 0, FRAME_MORE);
	before = waiting();
	assert_in_range(before, 2 * MAX, 4 * MAX);
	send_frame(CHILD_ID, PORT, 0, FRAME_MORE);
	assert_int_equal(waiting(), before);
	send_frame(CHILD_ID, PORT, 0, 0);
	assert_int_equal(waiting(), before + SIZE + FRAME_HEADER_SIZE);
	assert_int_equal(last_waiting()->header.flags, 0);
}

/* Routers speak to one another, too. */
static void control_has_more_room(void **state)
{
	size_t before;

	(void)state;
	for (size_t i = 0; i < 2 * MAX / SIZE + 2; i++)
		send_reply(CHILD_ID);
	before = waiting();
	send_frame(CHILD_ID, HANDLE_CREDIT, 0, 0);
	assert_int_equal(waiting(), before + SIZE + FRAME_HEADER_SIZE);
}

static void a_child_that_floods_is_failed(void **state)
{
	(void)state;
	for (size_t i = 0; i < 20 * MAX / SIZE && !pair.ended; i++)
		send_frame(CHILD_ID, PORT, 0, FRAME_BULK);
	assert_string_equal(pair.ended, "too much that it sent waits for others");
	assert_in_range(waiting(), 8 * MAX - 2 * SIZE, 8 * MAX + 2 * SIZE);
}

static void nothing_is_kept_of_who_is_gone(void **state)
{
	(void)state;
	for (size_t i = 0; i < 10; i++)
		send_request(CHILD_ID);
	send_frame(CHILD_ID, PORT, answer.by_number.key, FRAME_MORE); /* refused */
	neighbour_close(&pair.below);
	read_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_are_refused_when_much_waits, setup,
						teardown),
		cmocka_unit_test_setup_teardown(there_is_room_as_soon_as_some_is_read, setup,
						teardown),
		cmocka_unit_test_setup_teardown(other_sources_are_not_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(our_own_messages_are_not_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(replies_have_room_left, setup, teardown),
		cmocka_unit_test_setup_teardown(replies_without_room_become_failures, setup,
						teardown),
		cmocka_unit_test_setup_teardown(refused_as_a_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_passes_within_a_refused_message, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_long_message_is_one_of_its_own, setup,
						teardown),
		cmocka_unit_test_setup_teardown(let_through_as_a_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(an_endless_message_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(control_has_more_room, setup, teardown),
		cmocka_unit_test_setup_teardown(a_child_that_floods_is_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_kept_of_who_is_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
