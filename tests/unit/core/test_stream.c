/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../canary.h"
#include "stream_fixture.h"
#include "wire/handles.h"

static void read_in_pieces_of_any_size(void **state)
{
	static const size_t pieces[] = {13, 27, 28, 29, 1000, 65536};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		feed(encode_all(bytes), pieces[i]);
		assert_all_came();
		teardown(state);
		setup(state);
	}
}

static void read_byte_by_byte(void **state)
{
	struct mitogen_message *m = numbered(3);
	size_t size = encode(bytes, m);

	(void)state;
	message_unref(m);
	for (size_t i = 0; i < size; i++) {
		assert_int_equal(frame_count, 0);
		assert_int_equal(write(peer, bytes + i, 1), 1);
		pump(&broker);
	}
	assert_int_equal(frame_count, 1);
}

static void the_largest_frame(void **state)
{
	struct mitogen_message *m = message_new(FRAME_PAYLOAD_MAX);
	static uint8_t large[FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX];

	(void)state;
	memset(m->payload, 'x', m->size);
	m->header.kind = FRAME_RAW;
	encode(large, m);
	message_unref(m);
	for (size_t at = 0; at < sizeof(large);) {
		ssize_t n = write(peer, large + at, sizeof(large) - at);

		assert_true(n > 0);
		at += (size_t)n;
		pump(&broker);
	}
	assert_int_equal(frame_count, 1);
	assert_int_equal(LIST_OWNER(frames.next, struct mitogen_message, link)->size,
			 FRAME_PAYLOAD_MAX);
}

static void lines_before_the_first_frame(void **state)
{
	struct mitogen_message *m = numbered(3);
	size_t size;

	(void)state;
	stream.greeting = true;
	assert_int_equal(write(peer, "some", 4), 4);
	pump(&broker);
	assert_string_equal(greeted, "");
	assert_int_equal(write(peer, " words\ng", 8), 8);
	pump(&broker);
	assert_string_equal(greeted, "some words\n");
	memcpy(bytes, "o\n", 2);
	size = 2 + encode(bytes + 2, m);
	message_unref(m);
	feed(size, size);
	assert_string_equal(greeted, "some words\ngo\n");
	assert_int_equal(frame_count, 1);
	assert_null(end_reason);
}

static void a_plain_end(void **state)
{
	(void)state;
	feed(encode_all(bytes), 65536);
	fd_close(peer);
	peer = -1;
	pump(&broker);
	assert_all_came();
	assert_string_equal(end_reason, "");
	assert_int_equal(ends, 1);
}

static void an_end_inside_a_frame(void **state)
{
	struct mitogen_message *m = numbered(3);

	(void)state;
	feed(encode(bytes, m) - 1, 1000);
	message_unref(m);
	fd_close(peer);
	peer = -1;
	pump(&broker);
	assert_int_equal(frame_count, 0);
	assert_string_equal(end_reason, "the stream ended inside a frame");
}

/* What came before the corruption counts, what is behind it does not. */
static void corruption_ends_it(void **state)
{
	size_t size = encode_all(bytes);

	(void)state;
	bytes[FRAME_HEADER_SIZE + payload_size(0)] ^= 1; /* the magic of the second frame */
	feed(size, 65536);
	assert_int_equal(frame_count, 1);
	assert_non_null(end_reason);
	assert_string_not_equal(end_reason, "");
	assert_int_equal(ends, 1);
}

static void rubbish_is_noticed_at_its_first_bytes(void **state)
{
	(void)state;
	assert_int_equal(write(peer, "HT", 2), 2);
	pump(&broker);
	assert_non_null(end_reason);
}

static void a_frame_that_is_too_long_is_not_waited_for(void **state)
{
	struct mitogen_message *m = numbered(1);
	struct frame_header header = m->header;

	(void)state;
	message_unref(m);
	header.length = FRAME_PAYLOAD_MAX + 1;
	frame_encode(bytes, &header);
	feed(FRAME_HEADER_SIZE, FRAME_HEADER_SIZE);
	assert_non_null(end_reason);
	assert_string_not_equal(end_reason, "");
}

static void may_be_closed_by_its_frame(void **state)
{
	(void)state;
	closes_at_frame = true;
	encode_all(bytes);
	feed(2 * FRAME_HEADER_SIZE + payload_size(0) + payload_size(1), 65536);
	assert_int_equal(frame_count, 1);
	assert_null(end_reason);
}

/* All that has arrived, up to the end, without another round. */
static void drained(void **state)
{
	(void)state;
	assert_int_equal(write(peer, bytes, encode_all(bytes)), encode_all(bytes));
	fd_close(peer);
	peer = -1;
	stream_drain(&stream);
	assert_all_came();
	assert_string_equal(end_reason, "");
}

static void drained_without_an_end(void **state)
{
	(void)state;
	assert_int_equal(write(peer, bytes, encode_all(bytes)), encode_all(bytes));
	stream_drain(&stream);
	assert_all_came();
	assert_null(end_reason);
}

static bool is_interrupted;

/* Every other call is interrupted, those between read a byte. */
static ssize_t recv_badly(int fd, void *data, size_t size, int flags)
{
	(void)size;
	is_interrupted = !is_interrupted;
	if (!is_interrupted)
		return recv(fd, data, 1, flags);
	errno = EINTR;
	return -1;
}

static void interrupted_reads_go_on(void **state)
{
	struct mitogen_message *m = numbered(3);
	size_t size = encode(bytes, m);

	(void)state;
	message_unref(m);
	sys.recv = recv_badly;
	feed(size, size);
	assert_int_equal(frame_count, 1);
	assert_null(end_reason);
}

static void descriptors_may_be_of_two_kinds(void **state)
{
	int pipes[2], sockets[2];

	teardown(state);
	setup(state);
	stream_close(&stream);
	fd_close(peer);
	assert_int_equal(fd_pipe(pipes), 0);
	assert_int_equal(fd_socketpair(sockets), 0);
	peer = pipes[1];
	stream_init(&stream, &broker, &events);
	assert_int_equal(stream_open(&stream, pipes[0], sockets[0]), 0);
	feed(encode_all(bytes), 4000);
	assert_all_came();
	stream_send(&stream, numbered(3), true);
	pump(&broker);
	assert_int_equal(read(sockets[1], bytes, sizeof(bytes)),
			 FRAME_HEADER_SIZE + payload_size(3));
	fd_close(sockets[1]);
	assert_null(end_reason);
}

/* Of a call with a secret, whatever pieces it comes in, nothing stays where it was read. */
static void secrets_are_wiped_behind_it(void **state)
{
	static const size_t pieces[] = {7, 40, 65536};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct mitogen_message *m = message_new(20 * 1000);
		size_t size;

		memset(m->payload, 'x', m->size);
		memcpy(m->payload + 1000, CANARY, strlen(CANARY));
		memcpy(m->payload + 19000, CANARY, strlen(CANARY));
		m->header.kind = FRAME_RAW;
		m->header.handle = HANDLE_CALL_SECRET;
		size = encode(bytes, m);
		size += encode(bytes + size, m);
		message_unref(m);
		memset(broker.scratch, 0, BROKER_SCRATCH);
		canary_watch();
		feed(size, pieces[i]);
		assert_int_equal(frame_count, 2);
		assert_null(memmem(broker.scratch, BROKER_SCRATCH, CANARY, strlen(CANARY)));
		message_unref_all(&frames);
		assert_false(canary_was_freed);
		canary_end();
		teardown(state);
		setup(state);
	}
}

static void secrets_that_are_not_wanted_are_wiped(void **state)
{
	struct mitogen_message *m = message_new(strlen(CANARY));

	(void)state;
	memcpy(m->payload, CANARY, strlen(CANARY));
	m->header.kind = FRAME_RAW;
	m->header.handle = HANDLE_CALL_SECRET;
	closes_at_frame = true;
	canary_watch();
	feed(encode(bytes, m), 65536);
	message_unref_all(&frames);
	assert_false(canary_was_freed);
	assert_null(memmem(broker.scratch, BROKER_SCRATCH, CANARY, strlen(CANARY)));
	canary_end();
	message_unref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(read_in_pieces_of_any_size, setup, teardown),
		cmocka_unit_test_setup_teardown(read_byte_by_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(the_largest_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(lines_before_the_first_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(a_plain_end, setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_inside_a_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(corruption_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(rubbish_is_noticed_at_its_first_bytes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_frame_that_is_too_long_is_not_waited_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(may_be_closed_by_its_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(drained, setup, teardown),
		cmocka_unit_test_setup_teardown(drained_without_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(interrupted_reads_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_may_be_of_two_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(secrets_are_wiped_behind_it, setup, teardown),
		cmocka_unit_test_setup_teardown(secrets_that_are_not_wanted_are_wiped, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
