/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The byte connection to a neighbour: cuts what arrives into frames, and writes what is queued, in
 * the order of core/queue.h. It knows nothing of routing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "core/broker.h"
#include "core/queue.h"

struct id_blocks;
struct mitogen_message;
struct stream;

/* What it tells its owner; broker thread, router lock held. */
struct stream_events {
	/* A frame, as a message of its own, which is handed over. False: stop reading, the stream was
	 * or will be closed. */
	bool (*frame)(struct stream *stream, struct mitogen_message *frame);
	/* Bytes before the first frame, while stream->greeting is set: returns how many it consumed;
	 * 0: needs more; negative: stop. */
	ptrdiff_t (*greeting)(struct stream *stream, const uint8_t *data, size_t size);
	/* Nothing more can come: why is NULL for a plain end of file. Called once; the stream does
	 * no more I/O. Not called after stream_close. */
	void (*ended)(struct stream *stream, const char *why);
	/* Everything that was sent is written. May be NULL. */
	void (*drained)(struct stream *stream);
	/* This frame is about to be written. Of its flow, or of normal frames, so many bytes have
	 * waited, and are left. Any thread. May be NULL. */
	void (*taken)(struct stream *stream, const struct mitogen_message *m, size_t before,
		      size_t left);
};

/* Bytes of no frame, for what runs at the other end before a context does. */
struct stream_text {
	struct list link; /* zero at first */
	const uint8_t *data;
	size_t size, written;
	/* They are written, or never will be: the memory is the owner's again. */
	void (*release)(struct stream_text *text);
};

struct stream {
	struct broker *broker;
	const struct stream_events *events;
	struct source in, out; /* one descriptor: only in is watched */
	struct task flush;
	bool greeting; /* what arrives is text for events->greeting, not frames */
	bool is_held;  /* frames wait, whatever becomes of the stream; texts do not */
	bool is_open;
	bool is_socket;         /* both ways */
	bool is_broken;         /* for writing; what the neighbour sent before is still read */
	const char *why_broken; /* or NULL: the neighbour has closed it */

	uint8_t *partial; /* an incomplete frame header, or greeting, or NULL */
	size_t partial_size;
	struct mitogen_message *incoming; /* a frame of whose payload so much is there, or NULL */
	size_t incoming_size;
	bool has_secret; /* what was read last has some of one */

	struct list texts; /* go before all frames */
	struct queue queue;
	struct list writing;  /* taken from it; messages of one frame each */
	size_t writing_bytes; /* of these, what is written already included */
	size_t written;       /* bytes of the first one */

	uint64_t bytes_in, bytes_out, frames_in, frames_out; /* for stats */
};

/* Queues may be filled at once; I/O begins with stream_open. */
void stream_init(struct stream *stream, struct broker *broker, const struct stream_events *events);
/* Takes both descriptors over, which may be the same. Broker thread. 0 or -1, errno. */
int stream_open(struct stream *stream, int in_fd, int out_fd);
/* Broker thread. Reads what has arrived, up to a limit, as after the neighbour's death. */
void stream_drain(struct stream *stream);
/* Broker thread. Closes the descriptors, drops texts. The stream, which holds its frames and keeps them,
 * is as stream_init left it. */
void stream_disconnect(struct stream *stream, const struct stream_events *events);
/* Broker thread. Closes the descriptors, drops the queues. The memory stays the owner's, who frees
 * it in the closing phase. */
void stream_close(struct stream *stream);

/* Any thread, router lock held. Takes the message over, of at most FRAME_PAYLOAD_MAX bytes; a stream
 * that has ended drops it. now: the caller is about to wait, so write what fits at once, rather than
 * wake the broker for it. */
void stream_send(struct stream *stream, struct mitogen_message *m, bool now);
/* The same, behind everything that waits now from these sources, or from all: NULL. It overtakes what
 * others have queued, and what these queue later may overtake it. */
void stream_send_behind(struct stream *stream, struct mitogen_message *m,
			const struct id_blocks *sources);
/* Broker thread, router lock held. Takes the text over until its release. */
void stream_say(struct stream *stream, struct stream_text *text);
/* Frames may go now. Broker thread, router lock held. */
void stream_let_go(struct stream *stream);
/* Bytes that wait of a flow, by its source, target and port. */
size_t stream_waiting(const struct stream *stream, uint32_t src_id, uint32_t dst_id,
		      uint32_t handle);
/* Does nothing wait to be written? */
bool stream_is_idle(const struct stream *stream);
