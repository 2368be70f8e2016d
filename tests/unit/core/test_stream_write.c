/* SPDX-License-Identifier: BSD-3-Clause */
/* The writing side of src/core/stream.c. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream_fixture.h"

static size_t received;

static void receive_some(void)
{
	ssize_t n = read(peer, bytes + received, sizeof(bytes) - received);

	if (n > 0)
		received += (size_t)n;
}

static void send_all(bool now)
{
	received = 0;
	for (int i = 0; i < FRAMES; i++)
		stream_send(&stream, numbered(i), now);
}

/* What arrived is what encode_all makes. */
static void assert_all_received(void)
{
	static uint8_t expected[sizeof(bytes)];
	size_t size = encode_all(expected);

	assert_int_equal(received, size);
	assert_memory_equal(bytes, expected, size);
	assert_int_equal(queued(), 0);
	assert_int_equal(stream.frames_out, FRAMES);
	assert_int_equal(stream.bytes_out, size);
}

static void written_by_the_broker(void **state)
{
	(void)state;
	send_all(false);
	while (pump_once(&broker, 0))
		receive_some();
	receive_some();
	assert_all_received();
}

/* Who is about to wait needs no round of the broker. */
static void written_at_once(void **state)
{
	struct mitogen_message *m = numbered(3);

	(void)state;
	received = 0;
	pump(&broker);
	stream_send(&stream, m, true);
	receive_some();
	assert_int_equal(received, FRAME_HEADER_SIZE + payload_size(3));
	assert_int_equal(queued(), 0);
	assert_true(list_is_empty(&broker.tasks));
}

static struct mitogen_message *large_bulk(uint32_t handle)
{
	struct mitogen_message *m = message_new(32u * 1024);

	assert_non_null(m);
	memset(m->payload, 0, m->size);
	m->header.kind = FRAME_RAW;
	m->header.flags = FRAME_BULK;
	m->header.handle = handle;
	return m;
}

/* What the stream writes to comes out at .in, what is written to .out goes to the stream. */
static struct {
	int in, out;
} far_end;

static void use_pipes(void)
{
	int to[2], from[2];

	stream_close(&stream);
	assert_int_equal(fd_pipe(to), 0);
	assert_int_equal(fd_pipe(from), 0);
	fd_set_nonblocking(to[0]);
	far_end.in = to[0];
	far_end.out = from[1];
	stream_init(&stream, &broker, &events);
	assert_int_equal(stream_open(&stream, from[0], to[1]), 0);
	pump(&broker);
}

/* By any thread, as with sockets; one that is broken raises no signal. */
static void written_to_a_pipe(void **state)
{
	struct mitogen_message *m = numbered(5);
	size_t size;

	(void)state;
	use_pipes();
	stream_send(&stream, numbered(3), true);
	assert_int_equal(queued(), 0);
	assert_int_equal(read(far_end.in, bytes, sizeof(bytes)),
			 FRAME_HEADER_SIZE + payload_size(3));
	size = encode(bytes, m);
	assert_int_equal(write(far_end.out, bytes, size), size);
	message_unref(m);
	fd_close(far_end.in);
	stream_send(&stream, numbered(4), true);
	pump(&broker);
	assert_int_equal(frame_count, 1);
	assert_string_equal(end_reason, "");
	fd_close(far_end.out);
}

static void a_full_pipe_goes_on(void **state)
{
	size_t total = 0;
	ssize_t n;

	(void)state;
	use_pipes();
	for (int i = 0; i < 8; i++)
		stream_send(&stream, large_bulk(1), i == 7);
	assert_true(queued() > 0);
	do {
		pump(&broker);
		n = read(far_end.in, bytes, sizeof(bytes));
		total += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	assert_int_equal(total, 8 * (FRAME_HEADER_SIZE + 32u * 1024));
	assert_int_equal(queued(), 0);
	fd_close(far_end.in);
	fd_close(far_end.out);
}

static void partial_writes_go_on(void **state)
{
	int size = 1; /* the kernel's least */

	(void)state;
	assert_int_equal(setsockopt(stream.out.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	send_all(false);
	while (pump_once(&broker, 0))
		receive_some();
	receive_some();
	assert_all_received();
}

static ssize_t send_a_byte(int fd, const void *data, size_t size, int flags)
{
	(void)size;
	return send(fd, data, 1, flags);
}

static ssize_t sendmsg_some(int fd, const struct msghdr *message, int flags)
{
	static size_t turn;
	size_t n = 1 + turn++ % 40;

	if (n > message->msg_iov->iov_len)
		n = message->msg_iov->iov_len;
	return send(fd, message->msg_iov->iov_base, n, flags);
}

static void short_writes_of_any_size_go_on(void **state)
{
	(void)state;
	sys.send = send_a_byte;
	sys.sendmsg = sendmsg_some;
	send_all(false);
	while (pump_once(&broker, 0))
		receive_some();
	receive_some();
	assert_all_received();
}

static void slices_are_written_like_messages(void **state)
{
	struct mitogen_message *whole = message_of_bytes("0123456789", 10);

	(void)state;
	received = 0;
	sys.send = send_a_byte;
	sys.sendmsg = sendmsg_some;
	stream_send(&stream, message_slice(whole, 0, 7), false);
	stream_send(&stream, message_slice(whole, 7, 3), false);
	message_unref(whole);
	pump(&broker);
	receive_some();
	assert_int_equal(received, 2 * FRAME_HEADER_SIZE + 10);
	assert_memory_equal(bytes + FRAME_HEADER_SIZE, "0123456", 7);
	assert_memory_equal(bytes + 2 * FRAME_HEADER_SIZE + 7, "789", 3);
}

/* Normal ones overtake bulk, but never within a frame that was begun. */
static void bulk_waits(void **state)
{
	struct mitogen_message *bulk = numbered(50), *normal = numbered(2);
	size_t bulk_size = FRAME_HEADER_SIZE + bulk->size;

	(void)state;
	received = 0;
	bulk->header.flags = FRAME_BULK;
	stream_send(&stream, bulk, false);
	stream_send(&stream, message_ref(normal), false);
	message_unref(normal);
	pump(&broker);
	receive_some();
	assert_int_equal(received, bulk_size + FRAME_HEADER_SIZE + payload_size(2));
	assert_int_equal(bytes[19], 2); /* the handle */
}

/* Seven bytes fit, once. */
static ssize_t send_seven(int fd, const void *data, size_t size, int flags)
{
	(void)size;
	if (stream.bytes_out == 0)
		return send(fd, data, 7, flags);
	errno = EAGAIN;
	return -1;
}

static void a_begun_frame_is_finished_first(void **state)
{
	struct mitogen_message *bulk = numbered(50);

	(void)state;
	received = 0;
	bulk->header.flags = FRAME_BULK;
	pump(&broker);
	sys.send = send_seven;
	stream_send(&stream, bulk, true);
	assert_int_equal(stream.bytes_out, 7);
	stream_send(&stream, numbered(2), true);
	sys.send = send;
	pump(&broker);
	receive_some();
	assert_int_equal(received, 2 * FRAME_HEADER_SIZE + payload_size(50) + payload_size(2));
	assert_int_equal(bytes[19], 50);
	assert_int_equal(bytes[FRAME_HEADER_SIZE + payload_size(50) + 19], 2);
}

/* A barrier's own place in the order is the queue's business. */
static void behind_what_was_queued(void **state)
{
	struct mitogen_message *bulk = numbered(50);

	(void)state;
	received = 0;
	bulk->header.flags = FRAME_BULK;
	stream_send(&stream, bulk, false);
	stream_send_behind(&stream, numbered(2), NULL);
	stream_send(&stream, numbered(3), false);
	pump(&broker);
	receive_some();
	assert_int_equal(bytes[19], 3);
	assert_int_equal(bytes[FRAME_HEADER_SIZE + payload_size(3) + 19], 50);
	assert_int_equal(bytes[2 * FRAME_HEADER_SIZE + payload_size(3) + payload_size(50) + 19], 2);
}

/* So that who makes more can wait for it. */
static void told_what_still_waits(void **state)
{
	int size = 1; /* the kernel's least */

	(void)state;
	assert_int_equal(setsockopt(stream.out.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	for (int i = 0; i < 8; i++)
		stream_send(&stream, large_bulk(1), false);
	stream_send(&stream, large_bulk(2), false);
	assert_true(waiting(1) > 0);
	while (pump_once(&broker, 0)) {
		received = 0; /* what it is does not matter */
		receive_some();
	}
	assert_int_equal(waiting(1), 0);
	assert_int_equal(waiting(2), 0);
	assert_int_equal(taken, 9);
}

/* Others get the lock between. */
static void much_is_written_in_rounds(void **state)
{
	int size = 4 << 20;

	(void)state;
	assert_int_equal(setsockopt(stream.out.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	pump(&broker);
	for (int i = 0; i < 64; i++) {
		uint64_t before = stream.bytes_out;

		stream_send(&stream, large_bulk(1), i == 63);
		assert_true(stream.bytes_out - before < 512u * 1024);
	}
	while (queued() > 0) {
		uint64_t before = stream.bytes_out;

		assert_true(pump_once(&broker, 0));
		assert_true(stream.bytes_out - before < 1024u * 1024);
		received = 0;
		receive_some();
	}
}

static void *no_memory(size_t size)
{
	(void)size;
	return NULL;
}

/* It cannot be said what is missing then. */
static void without_memory_to_queue_it_ends(void **state)
{
	struct mitogen_message *m = large_bulk(1), *normal = numbered(1);

	(void)state;
	sys.malloc = no_memory;
	stream_send(&stream, message_ref(normal), false);
	stream_send(&stream, message_ref(m), true);
	sys.malloc = malloc;
	assert_int_equal(m->references, 1);
	assert_null(end_reason);
	pump(&broker);
	assert_string_equal(end_reason, "out of memory");
	assert_int_equal(ends, 1);
	assert_int_equal(normal->references, 1);
	message_unref(normal);
	message_unref(m);
}

/* An end for writing is no end for reading: what the neighbour sent before is still to come. */
static void what_came_before_the_break_is_read(void **state)
{
	(void)state;
	assert_int_equal(write(peer, bytes, encode_all(bytes)), encode_all(bytes));
	fd_close(peer);
	peer = -1;
	stream_send(&stream, numbered(1), true);
	stream_send(&stream, numbered(2), false);
	pump(&broker);
	assert_all_came();
	assert_non_null(end_reason);
	assert_int_equal(ends, 1);
	assert_int_equal(queued(), 0);
}

static int sends;

static ssize_t count_sends(int fd, const void *data, size_t size, int flags)
{
	sends++;
	return send(fd, data, size, flags);
}

/* A neighbour that reads no more is lost, even if it would go on sending. */
static void a_broken_stream_has_ended(void **state)
{
	struct mitogen_message *m = numbered(1);

	(void)state;
	assert_int_equal(shutdown(peer, SHUT_RD), 0);
	sends = 0;
	sys.send = count_sends;
	stream_send(&stream, numbered(1), false);
	pump(&broker);
	assert_int_equal(sends, 1);
	assert_string_equal(end_reason, "");
	stream_send(&stream, message_ref(m), true);
	stream_send(&stream, message_ref(m), false);
	assert_int_equal(m->references, 1);
	pump(&broker);
	assert_int_equal(sends, 1);
	message_unref(m);
}

static int released;

static void count_released(struct stream_text *text)
{
	(void)text;
	released++;
}

static struct stream_text text_of(const char *bytes_of_it)
{
	released = 0;
	return (struct stream_text){.data = (const uint8_t *)bytes_of_it,
				    .size = strlen(bytes_of_it),
				    .release = count_released};
}

/* In whatever pieces they are written. */
static void texts_go_before_frames(void **state)
{
	struct stream_text one = text_of("one"), two = text_of("two");

	(void)state;
	received = 0;
	sys.send = send_a_byte;
	sys.sendmsg = sendmsg_some;
	stream_send(&stream, numbered(2), false);
	stream_say(&stream, &one);
	stream_say(&stream, &two);
	assert_int_equal(released, 0);
	pump(&broker);
	receive_some();
	assert_int_equal(released, 2);
	assert_int_equal(received, 6 + FRAME_HEADER_SIZE + payload_size(2));
	assert_memory_equal(bytes, "onetwo", 6);
	assert_int_equal(bytes[6 + 19], 2); /* the handle */
}

static void frames_are_held_and_texts_are_not(void **state)
{
	struct stream_text text = text_of("first");

	(void)state;
	received = 0;
	stream.is_held = true;
	stream_send(&stream, numbered(2), true);
	stream_say(&stream, &text);
	pump(&broker);
	receive_some();
	assert_int_equal(received, 5);
	assert_int_equal(released, 1);
	stream_let_go(&stream);
	pump(&broker);
	receive_some();
	assert_int_equal(received, 5 + FRAME_HEADER_SIZE + payload_size(2));
	assert_int_equal(queued(), 0);
}

/* What is at its end changes before the frames go. */
static void held_frames_outlive_a_connection(void **state)
{
	struct stream_text text = text_of("text");
	int fds[2];

	(void)state;
	received = 0;
	stream.is_held = true;
	stream_send(&stream, numbered(2), true);
	fd_close(peer);
	stream_say(&stream, &text);
	pump(&broker);
	assert_int_equal(ends, 1);
	assert_int_equal(released, 1);
	stream_send(&stream, numbered(3), true);
	stream_disconnect(&stream, &events);
	assert_int_equal(fd_socketpair(fds), 0);
	peer = fds[1];
	fd_set_nonblocking(peer);
	assert_int_equal(stream_open(&stream, fds[0], fds[0]), 0);
	stream_let_go(&stream);
	pump(&broker);
	receive_some();
	assert_int_equal(received, 2 * FRAME_HEADER_SIZE + payload_size(2) + payload_size(3));
	assert_int_equal(ends, 1);
}

static void texts_of_a_stream_that_closes_are_released(void **state)
{
	struct stream_text before = text_of("x"), after = text_of("y");

	(void)state;
	stream_say(&stream, &before);
	stream_close(&stream);
	assert_int_equal(released, 1);
	stream_say(&stream, &after);
	assert_int_equal(released, 2);
	pump(&broker);
}

static void messages_to_a_closed_stream_are_dropped(void **state)
{
	struct mitogen_message *m = numbered(1);

	(void)state;
	stream_send(&stream, message_ref(m), false);
	stream_close(&stream);
	assert_int_equal(m->references, 1);
	stream_send(&stream, message_ref(m), true);
	assert_int_equal(m->references, 1);
	message_unref(m);
	stream_close(&stream);
	pump(&broker);
	assert_null(end_reason);
}

static void queued_before_it_is_open(void **state)
{
	int fds[2];

	(void)state;
	stream_close(&stream);
	fd_close(peer);
	stream_init(&stream, &broker, &events);
	stream_send(&stream, numbered(3), true);
	pump(&broker);
	assert_int_equal(queued(), FRAME_HEADER_SIZE + payload_size(3));
	assert_int_equal(fd_socketpair(fds), 0);
	peer = fds[1];
	assert_int_equal(stream_open(&stream, fds[0], fds[0]), 0);
	pump(&broker);
	received = 0;
	receive_some();
	assert_int_equal(received, FRAME_HEADER_SIZE + payload_size(3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(written_by_the_broker, setup, teardown),
		cmocka_unit_test_setup_teardown(written_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(written_to_a_pipe, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_pipe_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(partial_writes_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(short_writes_of_any_size_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(slices_are_written_like_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(bulk_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(a_begun_frame_is_finished_first, setup, teardown),
		cmocka_unit_test_setup_teardown(behind_what_was_queued, setup, teardown),
		cmocka_unit_test_setup_teardown(told_what_still_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(much_is_written_in_rounds, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_to_queue_it_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(what_came_before_the_break_is_read, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_broken_stream_has_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(texts_go_before_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(frames_are_held_and_texts_are_not, setup, teardown),
		cmocka_unit_test_setup_teardown(held_frames_outlive_a_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(texts_of_a_stream_that_closes_are_released, setup,
						teardown),
		cmocka_unit_test_setup_teardown(messages_to_a_closed_stream_are_dropped, setup,
						teardown),
		cmocka_unit_test_setup_teardown(queued_before_it_is_open, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
