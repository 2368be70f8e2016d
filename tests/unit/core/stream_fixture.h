/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream whose other end is bytes; frames whose content follows from their number. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "core/stream.h"
#include "fixture.h"

#define FRAMES 40

SHARED struct broker broker;
SHARED struct stream stream;
SHARED int peer; /* the other end, as bytes */
SHARED struct list frames;
SHARED int frame_count;
SHARED char greeted[256];
SHARED const char *end_reason; /* NULL: still open; "": a plain end */
SHARED int ends;
SHARED bool closes_at_frame;
SHARED int taken; /* frames of bulk */

SHARED bool on_frame(struct stream *from, struct mitogen_message *frame)
{
	list_append(&frames, &frame->link);
	frame_count++;
	if (!closes_at_frame)
		return true;
	stream_close(from);
	return false;
}

/* Takes whole lines, up to "go". */
SHARED ptrdiff_t on_greeting(struct stream *from, const uint8_t *data, size_t size)
{
	const uint8_t *newline = memchr(data, '\n', size);
	size_t length = newline ? (size_t)(newline - data) + 1 : 0;

	strncat(greeted, (const char *)data, length);
	if (length == 3 && memcmp(data, "go\n", 3) == 0)
		from->greeting = false;
	return (ptrdiff_t)length;
}

SHARED void on_ended(struct stream *from, const char *why)
{
	(void)from;
	end_reason = why ? why : "";
	ends++;
}

SHARED size_t waiting(uint32_t handle)
{
	return stream_waiting(&stream, 0, 0, handle);
}

SHARED void on_taken(struct stream *from, const struct mitogen_message *m, size_t before,
		     size_t left)
{
	(void)from;
	assert_int_equal(before, left + FRAME_HEADER_SIZE + m->size);
	if (!(m->header.flags & FRAME_BULK))
		return;
	assert_int_equal(left, waiting(m->header.handle));
	taken++;
}

SHARED const struct stream_events events = {
	.frame = on_frame,
	.greeting = on_greeting,
	.ended = on_ended,
	.taken = on_taken,
};

SHARED int setup(void **state)
{
	int fds[2];

	(void)state;
	list_init(&frames);
	frame_count = ends = taken = 0;
	greeted[0] = '\0';
	end_reason = NULL;
	closes_at_frame = false;
	assert_int_equal(broker_init(&broker), 0);
	assert_int_equal(fd_socketpair(fds), 0);
	peer = fds[1];
	fd_set_nonblocking(peer);
	stream_init(&stream, &broker, &events);
	return stream_open(&stream, fds[0], fds[0]);
}

SHARED int teardown(void **state)
{
	struct list *node;

	(void)state;
	stream_close(&stream);
	fd_close(peer);
	while ((node = list_pop(&frames)) != NULL)
		message_unref(LIST_OWNER(node, struct mitogen_message, link));
	broker_clear(&broker);
	sys.malloc = malloc;
	sys.sendmsg = sendmsg;
	sys.send = send;
	sys.recv = recv;
	return 0;
}

/* ---- Bytes of frames ---- */

/* A payload whose length and content follow from the number. */
SHARED size_t payload_size(int number)
{
	return (size_t)(number * 97 % 5000);
}

SHARED struct mitogen_message *numbered(int number)
{
	struct mitogen_message *m = message_new(payload_size(number));

	assert_non_null(m);
	memset(m->payload, number, m->size);
	m->header.kind = FRAME_RAW;
	m->header.handle = (uint32_t)number;
	return m;
}

SHARED size_t encode(uint8_t *out, struct mitogen_message *m)
{
	m->header.length = (uint32_t)m->size;
	frame_encode(out, &m->header);
	memcpy(out + FRAME_HEADER_SIZE, m->payload, m->size);
	return FRAME_HEADER_SIZE + m->size;
}

SHARED size_t encode_all(uint8_t *out)
{
	size_t size = 0;

	for (int i = 0; i < FRAMES; i++) {
		struct mitogen_message *m = numbered(i);

		size += encode(out + size, m);
		message_unref(m);
	}
	return size;
}

SHARED void assert_all_came(void)
{
	int number = 0;

	assert_int_equal(frame_count, FRAMES);
	LIST_FOR_EACH (node, &frames) {
		struct mitogen_message *m = LIST_OWNER(node, struct mitogen_message, link);

		assert_int_equal(m->header.handle, number);
		assert_int_equal(m->size, payload_size(number));
		for (size_t i = 0; i < m->size; i++)
			assert_int_equal(m->payload[i], (uint8_t)number);
		number++;
	}
}

SHARED size_t queued(void)
{
	return stream.queue.normal_bytes + stream.queue.bulk_bytes;
}

SHARED uint8_t bytes[FRAMES * (5000 + FRAME_HEADER_SIZE)];

/* Writes everything in pieces of this size and lets each be read on its own. */
SHARED void feed(size_t size, size_t piece)
{
	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		assert_int_equal(write(peer, bytes + at, n), n);
		pump(&broker);
	}
}
