/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"
#include "base/sys.h"
#include "fixture.h"
#include "wire/cursor.h"
#include "wire/handles.h"

#define PORT 4711

static struct handle port;
static struct mitogen_message *got; /* by the port; the last */
static int got_count;

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	assert_ptr_equal(handle, &port);
	message_unref(got);
	got = m;
	got_count++;
}

static const struct handle_ops open_ops = {.receive = receive};
static const struct handle_ops parents_ops = {.receive = receive, .policy = handles_allow_parents};

/* What the master gets as an answer from the child's router. */
static struct handle answer;
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

static int setup(void **state)
{
	got = NULL;
	got_count = answers = 0;
	answered.code = 0;
	pair_setup(state);
	return handles_add(&pair.master, &answer, 0, &answer_ops, pair.child_context);
}

static int teardown(void **state)
{
	message_unref(got);
	sys.realloc = realloc;
	return pair_teardown(state);
}

static void open_port(const struct handle_ops *ops)
{
	assert_int_equal(handles_add(&pair.child, &port, PORT, ops, NULL), 0);
}

/* From the master to the child's port; wants an answer. */
static void send_to_port(struct mitogen_message *m)
{
	m->header.dst_id = CHILD_ID;
	m->header.handle = PORT;
	m->header.reply_to = answer.by_number.key;
	router_send(&pair.master, m, false);
	pair_pump();
}

static struct mitogen_message *long_text(size_t size)
{
	struct mitogen_message *m;
	char *text = malloc(size + 1);

	assert_non_null(text);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + i % 23);
	text[size] = '\0';
	m = message_of_text(text);
	free(text);
	return m;
}

/* ---- Numbers ---- */

static void random_numbers_are_above_the_fixed_ones(void **state)
{
	struct handle handles[50] = {0};

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(handles_add(&pair.master, &handles[i], 0, &open_ops, NULL), 0);
		assert_true(handles[i].by_number.key >= HANDLE_FIRST_RANDOM);
		assert_ptr_equal(handles_find(&pair.master, handles[i].by_number.key), &handles[i]);
	}
	for (int i = 0; i < 50; i++)
		handles_remove(&pair.master, &handles[i]);
	assert_null(handles_find(&pair.master, handles[0].by_number.key));
}

static void a_number_is_taken_once(void **state)
{
	static struct handle other;

	(void)state;
	open_port(&open_ops);
	assert_int_equal(handles_add(&pair.child, &other, PORT, &open_ops, NULL),
			 MITOGEN_ERR_USAGE);
	handles_remove(&pair.child, &port);
	assert_int_equal(handles_add(&pair.child, &other, PORT, &open_ops, NULL), 0);
}

/* ---- Who may send ---- */

static void unknown_handles_are_answered(void **state)
{
	(void)state;
	send_to_port(message_of_text("hello"));
	assert_int_equal(answers, 1);
	assert_int_equal(answered.code, MITOGEN_ERR_UNKNOWN);
}

static void ancestors_pass_the_policy(void **state)
{
	(void)state;
	open_port(&parents_ops);
	send_to_port(message_of_text("hello"));
	assert_int_equal(got_count, 1);
	assert_int_equal(answers, 0);
}

/* A sibling's message that our parent forwards is not our parent's. */
static void others_do_not_pass_the_policy(void **state)
{
	struct mitogen_message *m = message_of_text("hello");

	(void)state;
	open_port(&parents_ops);
	m->header = (struct frame_header){.kind = FRAME_CBOR,
					  .dst_id = CHILD_ID,
					  .src_id = 0,
					  .auth_id = 5000,
					  .handle = PORT,
					  .reply_to = answer.by_number.key};
	stream_send(&pair.below.stream, m, false);
	pair_pump();
	assert_int_equal(got_count, 0);
	assert_int_equal(answered.code, MITOGEN_ERR_REFUSED);
	assert_non_null(strstr(logged, "context 0 may not send to handle 4711"));
}

/* An answer counts when it comes over the stream that leads to whom it is expected from. */
static void the_wrong_stream_is_refused(void **state)
{
	struct context *elsewhere = context_new(&pair.master, 5000, strdup("local.2"));
	struct mitogen_message *m = message_new_dead(MITOGEN_ERR_LOST, "made up");
	static struct handle other;

	(void)state;
	assert_int_equal(handles_add(&pair.master, &other, 0, &answer_ops, elsewhere), 0);
	m->header.dst_id = 0;
	m->header.handle = other.by_number.key;
	router_send(&pair.child, m, false);
	pair_pump();
	assert_int_equal(answers, 0);
	assert_non_null(strstr(logged, "may not send to handle"));
}

/* ---- Long messages ---- */

static void long_messages_are_put_together(void **state)
{
	static const size_t sizes[] = {FRAME_PAYLOAD_MAX - 5, FRAME_PAYLOAD_MAX - 4, 200000,
				       1 << 20};

	(void)state;
	open_port(&open_ops);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct mitogen_message *m = long_text(sizes[i]);

		send_to_port(message_ref(m));
		assert_int_equal(got_count, i + 1);
		assert_int_equal(got->size, m->size);
		assert_memory_equal(got->payload, m->payload, m->size);
		assert_int_equal(got->header.flags & FRAME_MORE, 0);
		message_unref(m);
	}
	assert_true(list_is_empty(&port.partial));
}

/* Pieces of one do not get into the other. */
static void messages_of_several_sources_are_kept_apart(void **state)
{
	static const char *const words[] = {"\x64", "\x63", "ab", "x", "cd", "yz"};

	(void)state;
	open_port(&open_ops);
	for (uint32_t i = 0; i < 6; i++) {
		struct mitogen_message *m = message_of_bytes(words[i], strlen(words[i]));

		m->header = (struct frame_header){.kind = FRAME_CBOR,
						  .dst_id = CHILD_ID,
						  .src_id = 100 + i % 2,
						  .handle = PORT,
						  .flags = i < 4 ? FRAME_MORE : 0};
		stream_send(&pair.below.stream, m, false);
		pair_pump();
		if (i == 4) {
			assert_int_equal(got_count, 1);
			assert_int_equal(got->header.src_id, 100);
			assert_memory_equal(got->payload,
					    "\x64"
					    "abcd",
					    5);
		}
	}
	assert_int_equal(got_count, 2);
	assert_memory_equal(got->payload, "\x63xyz", 4);
}

/* The sender learns it once, and the rest of the message is not taken for another one. */
static void too_long_messages_are_refused_once(void **state)
{
	(void)state;
	open_port(&open_ops);
	pair.child.max_message = 100000;
	send_to_port(long_text(400000));
	assert_int_equal(got_count, 0);
	assert_int_equal(answers, 1);
	assert_int_equal(answered.code, MITOGEN_ERR_TOO_BIG);
	assert_true(list_is_empty(&port.partial));
	send_to_port(long_text(90000));
	assert_int_equal(got_count, 1);
}

/* A port that is no request's gets the failure itself: somebody waits there. */
static void too_long_answers_are_failures(void **state)
{
	struct mitogen_message *m = long_text(400000);

	(void)state;
	pair.master.max_message = 100000;
	m->header.dst_id = 0;
	m->header.handle = answer.by_number.key;
	router_send(&pair.child, m, false);
	pair_pump();
	assert_int_equal(answers, 1);
	assert_int_equal(answered.code, MITOGEN_ERR_TOO_BIG);
}

static void *no_large_memory(void *p, size_t size)
{
	return size > 100000 ? NULL : realloc(p, size);
}

static void without_memory_the_sender_is_told(void **state)
{
	struct mitogen_message *m = long_text(200000);

	(void)state;
	open_port(&open_ops);
	sys.realloc = no_large_memory;
	send_to_port(m);
	assert_int_equal(got_count, 0);
	assert_int_equal(answers, 1);
	assert_int_equal(answered.code, MITOGEN_ERR_MEMORY);
	sys.realloc = realloc;
	send_to_port(long_text(200000));
	assert_int_equal(got_count, 1);
}

/* Everything but a piece of a message. */
static void *no_pieces(size_t size)
{
	return size == sizeof(struct mitogen_message) ? NULL : malloc(size);
}

/* Cutting it into frames fails: nothing of it is sent. */
static void what_cannot_be_cut_is_not_begun(void **state)
{
	struct mitogen_message *m = long_text(200000);

	(void)state;
	open_port(&open_ops);
	m->header.dst_id = CHILD_ID;
	m->header.handle = PORT;
	m->header.reply_to = answer.by_number.key;
	sys.malloc = no_pieces;
	router_send(&pair.master, m, false);
	sys.malloc = malloc;
	pair_pump();
	assert_int_equal(got_count, 0);
	assert_int_equal(answers, 1);
	assert_int_equal(answered.code, MITOGEN_ERR_MEMORY);
	assert_true(list_is_empty(&port.partial));
}

static void a_port_that_closes_drops_what_is_incomplete(void **state)
{
	struct mitogen_message *m = message_of_bytes("ab", 2);

	(void)state;
	open_port(&open_ops);
	m->header.flags = FRAME_MORE;
	m->header.handle = PORT;
	m->header.dst_id = CHILD_ID;
	stream_send(&pair.below.stream, message_ref(m), false);
	pair_pump();
	assert_false(list_is_empty(&port.partial));
	handles_remove(&pair.child, &port);
	assert_int_equal(m->references, 1);
	message_unref(m);
}

/* Whatever they have in them. */
static void too_many_incomplete_ones_of_a_child_drop_its_stream(void **state)
{
	static struct handle ports[5];
	uint32_t sent = 0;

	(void)state;
	pair_announce(CHILD_ID + 1, CHILD_IDS - 1);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(handles_add(&pair.master, &ports[i], 0, &open_ops, NULL), 0);
	while (!pair.ended && sent < 5 * CHILD_IDS) {
		struct mitogen_message *m = message_of_bytes("", 0);

		m->header.flags = FRAME_MORE;
		m->header.src_id = m->header.auth_id = CHILD_ID + sent % CHILD_IDS;
		m->header.handle = ports[sent / CHILD_IDS].by_number.key;
		stream_send(&pair.above.stream, m, false);
		pair_pump();
		sent++;
	}
	assert_int_equal(sent, 4097);
	assert_string_equal(pair.ended, "too many of its messages are incomplete");
	neighbour_close(&pair.below);
	for (size_t i = 0; i < 5; i++)
		assert_true(list_is_empty(&ports[i].partial));
}

/* ---- Content ---- */

static void malformed_messages_are_refused(void **state)
{
	struct mitogen_message *m = message_of_bytes("\xff\xff", 2);

	(void)state;
	open_port(&open_ops);
	m->header.kind = FRAME_CBOR;
	send_to_port(m);
	assert_int_equal(got_count, 0);
	assert_int_equal(answered.code, MITOGEN_ERR_TYPE);
	assert_non_null(strstr(logged, "malformed"));
}

static void raw_bytes_are_not_looked_into(void **state)
{
	(void)state;
	open_port(&open_ops);
	send_to_port(message_of_bytes("\xff\xff", 2));
	assert_int_equal(got_count, 1);
	assert_int_equal(got->header.kind, FRAME_RAW);
}

static void a_dead_message_is_never_answered(void **state)
{
	struct mitogen_message *m = message_new_dead(MITOGEN_ERR_LOST, "gone");

	(void)state;
	send_to_port(m);
	assert_int_equal(answers, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_numbers_are_above_the_fixed_ones, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_number_is_taken_once, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_handles_are_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(ancestors_pass_the_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(others_do_not_pass_the_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(the_wrong_stream_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(long_messages_are_put_together, setup, teardown),
		cmocka_unit_test_setup_teardown(messages_of_several_sources_are_kept_apart, setup,
						teardown),
		cmocka_unit_test_setup_teardown(too_long_messages_are_refused_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(too_long_answers_are_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_the_sender_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_cut_is_not_begun, setup, teardown),
		cmocka_unit_test_setup_teardown(a_port_that_closes_drops_what_is_incomplete, setup,
						teardown),
		cmocka_unit_test_setup_teardown(too_many_incomplete_ones_of_a_child_drop_its_stream,
						setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_messages_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(raw_bytes_are_not_looked_into, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_message_is_never_answered, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
