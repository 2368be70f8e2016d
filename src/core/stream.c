/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/sys.h"
#include "core/message.h"
#include "wire/frame.h"
#include "wire/handles.h"

#define READ_SIZE    (64u * 1024)
#define DIRECT_MIN   (16u * 1024) /* so much of a payload is worth a read of its own */
#define FRAME_MAX    (FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX)
#define WRITE_FRAMES 64
#define WRITE_BYTES  (64u * 1024)  /* taken from the queue at a time */
#define ROUND_BYTES  (256u * 1024) /* written at a time while nobody else has the lock */
#define DRAIN_MAX    (4u << 20)    /* more than a descriptor holds: somebody still writes */
_Static_assert(FRAME_MAX + READ_SIZE <= BROKER_SCRATCH, "a read behind an incomplete frame fits");
#define BATCH_BYTES (32u * 1024) /* senders that do not wait write when so much is queued */

static void flush_task(struct task *task);

void stream_init(struct stream *stream, struct broker *broker, const struct stream_events *events)
{
	*stream = (struct stream){.broker = broker, .events = events};
	stream->in.fd = stream->out.fd = -1;
	stream->flush.run = flush_task;
	list_init(&stream->texts);
	list_init(&stream->writing);
	queue_init(&stream->queue);
}

static void release_text(struct stream_text *text)
{
	list_remove(&text->link);
	text->release(text);
}

static void drop_texts(struct stream *stream)
{
	while (!list_is_empty(&stream->texts))
		release_text(LIST_OWNER(stream->texts.next, struct stream_text, link));
}

static void close_descriptors(struct stream *stream)
{
	if (stream->is_open) {
		broker_unwatch(stream->broker, &stream->in);
		broker_unwatch(stream->broker, &stream->out);
		if (stream->out.fd != stream->in.fd)
			fd_close(stream->out.fd);
		fd_close(stream->in.fd);
		stream->in.fd = stream->out.fd = -1;
		stream->is_open = false;
	}
	list_remove(&stream->flush.link);
	sys.free(TAKE_PTR(stream->partial));
	stream->partial_size = 0;
}

static void drop_all(struct stream *stream)
{
	drop_texts(stream);
	message_unref_all(&stream->writing);
	stream->writing_bytes = stream->written = 0;
	queue_clear(&stream->queue);
}

void stream_disconnect(struct stream *stream, const struct stream_events *events)
{
	close_descriptors(stream);
	drop_texts(stream);
	stream->events = events;
	stream->is_broken = false;
}

void stream_close(struct stream *stream)
{
	close_descriptors(stream);
	stream->events = NULL;
	stream->is_held = false;
	message_unref(TAKE_PTR(stream->incoming));
	drop_all(stream);
}

/* No more I/O; tells the owner, who closes. */
static void end(struct stream *stream, const char *why)
{
	const struct stream_events *events = TAKE_PTR(stream->events);

	broker_unwatch(stream->broker, &stream->in);
	broker_unwatch(stream->broker, &stream->out);
	if (events)
		events->ended(stream, why);
}

/* ---- Reading ---- */

/* From a header that has come: 1 and *ret_size, the message waits for its payload; 0: incomplete; -1: stop. */
static int begin_frame(struct stream *stream, const uint8_t *data, size_t size, size_t *ret_size)
{
	struct frame_header header;
	enum frame_result result = frame_decode(data, size, &header);
	struct mitogen_message *m;

	if (result < 0) {
		end(stream, frame_result_text(result));
		return -1;
	}
	if (result == FRAME_INCOMPLETE)
		return 0;
	m = message_new(header.length);
	if (!m) {
		end(stream, "out of memory");
		return -1;
	}
	m->header = header;
	m->is_secret = header.handle == HANDLE_CALL_SECRET;
	stream->has_secret |= m->is_secret;
	stream->incoming = m;
	stream->incoming_size = 0;
	*ret_size = FRAME_HEADER_SIZE;
	return 1;
}

/* What is missing of the payload that comes. */
static size_t missing(const struct stream *stream)
{
	return stream->incoming ? stream->incoming->size - stream->incoming_size : 0;
}

/* So much more of its payload is there. False: stop. */
static bool grow_frame(struct stream *stream, size_t size)
{
	stream->incoming_size += size;
	if (missing(stream) > 0)
		return true;
	stream->frames_in++;
	return stream->events->frame(stream, TAKE_PTR(stream->incoming));
}

static size_t copy_payload(struct stream *stream, const uint8_t *data, size_t size)
{
	size_t n = size < missing(stream) ? size : missing(stream);

	memcpy(stream->incoming->payload + stream->incoming_size, data, n);
	return n;
}

/* Returns how many bytes were consumed, or -1: stop. */
static ptrdiff_t consume(struct stream *stream, const uint8_t *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t taken = 0;
		ptrdiff_t n = 0;

		if (stream->greeting) {
			n = stream->events->greeting(stream, data + done, size - done);
			taken = n > 0 ? (size_t)n : 0;
		} else if (!stream->incoming) {
			n = begin_frame(stream, data + done, size - done, &taken);
		}
		if (n < 0)
			return -1;
		done += taken;
		if (stream->incoming) {
			taken = copy_payload(stream, data + done, size - done);
			done += taken;
			if (!grow_frame(stream, taken))
				return -1;
		} else if (n == 0) {
			break;
		}
	}
	return (ptrdiff_t)done;
}

static int keep_partial(struct stream *stream, const uint8_t *data, size_t size)
{
	stream->partial_size = size;
	if (size == 0)
		return 0;
	stream->partial = sys.malloc(size);
	if (!stream->partial)
		return -1;
	memcpy(stream->partial, data, size);
	return 0;
}

static ptrdiff_t read_bytes(struct stream *stream, void *data, size_t size)
{
	return stream->is_socket ? sys.recv(stream->in.fd, data, size, 0)
				 : sys.read(stream->in.fd, data, size);
}

/* A read has failed. True: another one may not. */
static bool read_failed(struct stream *stream, ptrdiff_t n, int error)
{
	bool is_inside = stream->incoming || (stream->partial && !stream->greeting);

	if (n == 0)
		end(stream, is_inside ? "the stream ended inside a frame" : NULL);
	else if (error != EAGAIN && error != EINTR)
		end(stream, error == ECONNRESET ? NULL : strerror(error));
	return n < 0 && error == EINTR;
}

/* A large part of a payload, to where it belongs. True: there may be more. */
static bool read_payload(struct stream *stream)
{
	uint8_t *to = stream->incoming->payload + stream->incoming_size;
	size_t size = missing(stream);
	ptrdiff_t n = read_bytes(stream, to, size);

	if (n <= 0)
		return read_failed(stream, n, errno);
	stream->bytes_in += (uint64_t)n;
	return grow_frame(stream, (size_t)n) && (size_t)n == size;
}

/* One read. True: there may be more. */
static bool read_some(struct stream *stream)
{
	uint8_t *buffer = stream->broker->scratch;
	size_t before = stream->partial_size, size;
	ptrdiff_t n, done;

	if (missing(stream) >= DIRECT_MIN)
		return read_payload(stream);
	n = read_bytes(stream, buffer + before, READ_SIZE);
	if (n <= 0)
		return read_failed(stream, n, errno);
	if (before > 0)
		memcpy(buffer, stream->partial, before);
	sys.free(TAKE_PTR(stream->partial));
	stream->bytes_in += (uint64_t)n;
	size = before + (size_t)n;
	stream->has_secret = stream->incoming && stream->incoming->is_secret;
	done = consume(stream, buffer, size);
	if (stream->has_secret) /* behind that is the start of a header at most */
		explicit_bzero(buffer, done < 0 ? size : (size_t)done);
	if (done < 0)
		return false;
	if (keep_partial(stream, buffer + done, size - (size_t)done) < 0) {
		end(stream, "out of memory");
		return false;
	}
	return (size_t)n == READ_SIZE;
}

void stream_drain(struct stream *stream)
{
	uint64_t limit = stream->bytes_in + DRAIN_MAX;

	while (stream->events && stream->is_open && stream->bytes_in < limit) {
		uint64_t before = stream->bytes_in;

		if (!read_some(stream) && stream->bytes_in == before)
			return;
	}
}

/* ---- Writing ---- */

/* Takes what goes next, enough for a write and no more, as others may come that go before the rest.
 * False: there is nothing to write. */
static bool take_more(struct stream *stream)
{
	while (stream->writing_bytes < WRITE_BYTES) {
		size_t left;
		struct mitogen_message *m = queue_take(&stream->queue, &left);

		if (!m)
			break;
		list_append(&stream->writing, &m->link);
		stream->writing_bytes += FRAME_HEADER_SIZE + m->size;
		if (stream->events && stream->events->taken)
			stream->events->taken(stream, m, left + FRAME_HEADER_SIZE + m->size, left);
	}
	return !list_is_empty(&stream->writing);
}

static int add_message(struct iovec *iov, struct mitogen_message *m, size_t sent)
{
	size_t head = FRAME_HEADER_SIZE + (m->whole ? 0 : m->size);
	int count = 0;

	if (sent < head)
		iov[count++] = (struct iovec){m->frame + sent, head - sent};
	if (m->whole) {
		size_t skip = sent < head ? 0 : sent - head;

		iov[count++] = (struct iovec){m->whole->payload + m->slice + skip, m->size - skip};
	}
	return count;
}

static int collect(struct stream *stream, struct iovec iov[2 * WRITE_FRAMES])
{
	size_t sent = stream->written;
	int count = 0;

	LIST_FOR_EACH (node, &stream->writing) {
		if (count > 2 * WRITE_FRAMES - 2)
			break;
		count += add_message(iov + count, LIST_OWNER(node, struct mitogen_message, link),
				     sent);
		sent = 0;
	}
	return count;
}

/* Forgets what n more written bytes have completed. */
static void advance(struct stream *stream, size_t n)
{
	stream->bytes_out += n;
	stream->written += n;
	while (!list_is_empty(&stream->writing)) {
		struct mitogen_message *m =
			LIST_OWNER(stream->writing.next, struct mitogen_message, link);
		size_t size = FRAME_HEADER_SIZE + m->size;

		if (stream->written < size)
			return;
		list_remove(&m->link);
		stream->written -= size;
		stream->writing_bytes -= size;
		stream->frames_out++;
		message_unref(m);
	}
}

/* One attempt. As writev(2), but that it never raises SIGPIPE and never waits. */
static ssize_t write_pieces(struct stream *stream, struct iovec *iov, int count)
{
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)count};

	if (!stream->is_socket && broker_is_current(stream->broker)) /* it blocks SIGPIPE */
		return fd_writev(stream->out.fd, iov, count);
	if (!stream->is_socket)
		return fd_writev_quietly(stream->out.fd, iov, count);
	if (count == 1) /* the usual call, and the cheaper one */
		return sys.send(stream->out.fd, iov->iov_base, iov->iov_len,
				MSG_NOSIGNAL | MSG_DONTWAIT);
	return sys.sendmsg(stream->out.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* As write_some, for texts. */
static int write_texts(struct stream *stream)
{
	while (!list_is_empty(&stream->texts)) {
		struct stream_text *text = LIST_OWNER(stream->texts.next, struct stream_text, link);
		struct iovec piece = {(uint8_t *)(uintptr_t)text->data + text->written,
				      text->size - text->written};
		ssize_t n = write_pieces(stream, &piece, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		stream->bytes_out += (uint64_t)n;
		text->written += (size_t)n;
		if (text->written == text->size)
			release_text(text);
	}
	return 1;
}

/* Writes until all is written (1), the descriptor is full or others shall have the lock (0), or it is
 * broken (-1). */
static int write_some(struct stream *stream)
{
	uint64_t limit = stream->bytes_out + ROUND_BYTES;
	int r = write_texts(stream);

	if (r <= 0 || stream->is_held)
		return r;
	while (take_more(stream)) {
		struct iovec iov[2 * WRITE_FRAMES];
		ssize_t n;

		if (stream->bytes_out >= limit)
			return 0;
		n = write_pieces(stream, iov, collect(stream, iov));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		advance(stream, (size_t)n);
	}
	return 1;
}

static struct source *writing_source(struct stream *stream)
{
	return stream->out.fd == stream->in.fd ? &stream->in : &stream->out;
}

static void want_write(struct stream *stream, bool wanted)
{
	struct source *source = writing_source(stream);
	unsigned events = source == &stream->in ? POLLER_READ : 0;

	if (broker_want(stream->broker, source, wanted ? events | POLLER_WRITE : events) < 0)
		end(stream, "out of memory");
}

static bool may_write(const struct stream *stream)
{
	return stream->is_open && stream->events;
}

/* On the broker thread. */
static void flush(struct stream *stream)
{
	int r;

	if (!may_write(stream))
		return;
	r = stream->is_broken ? -1 : write_some(stream);
	if (r >= 0) {
		want_write(stream, r == 0);
		if (r > 0 && stream->events && stream->events->drained)
			stream->events->drained(stream);
		return;
	}
	/* what the neighbour sent before it went is still to be read; then comes the end, even if it
	 * would go on sending: it reads no more */
	stream->is_broken = true;
	if (stream->is_held)
		drop_texts(stream);
	else
		drop_all(stream);
	stream_drain(stream);
	if (stream->events)
		end(stream, stream->why_broken);
}

static void flush_task(struct task *task)
{
	flush(LIST_OWNER(task, struct stream, flush));
}

/* Has what was queued written, by the caller if it is worth it. r: what queueing said. */
static void push(struct stream *stream, bool now, int r)
{
	size_t waiting = stream->queue.normal_bytes + stream->queue.bulk_bytes;
	bool is_full = writing_source(stream)->wanted & POLLER_WRITE;

	if (r < 0) {
		stream->is_broken = true;
		stream->why_broken = "out of memory";
		drop_all(stream);
	}
	if (!may_write(stream) || is_full) /* the broker goes on, and sees to every error */
		return;
	if ((now || waiting >= BATCH_BYTES) && !stream->is_broken && write_some(stream) > 0)
		return;
	broker_defer(stream->broker, &stream->flush);
}

static bool begin_send(struct stream *stream, struct mitogen_message *m)
{
	if (!stream->is_held && (!stream->events || stream->is_broken)) {
		message_unref(m);
		return false;
	}
	m->header.length = (uint32_t)m->size;
	frame_encode(m->frame, &m->header);
	return true;
}

void stream_send(struct stream *stream, struct mitogen_message *m, bool now)
{
	if (begin_send(stream, m))
		push(stream, now, queue_add(&stream->queue, m));
}

void stream_send_behind(struct stream *stream, struct mitogen_message *m,
			const struct id_blocks *sources)
{
	if (begin_send(stream, m))
		push(stream, false, queue_add_behind(&stream->queue, m, sources));
}

void stream_say(struct stream *stream, struct stream_text *text)
{
	if (!stream->events || stream->is_broken) {
		text->release(text);
		return;
	}
	list_append(&stream->texts, &text->link);
	broker_defer(stream->broker, &stream->flush);
}

void stream_let_go(struct stream *stream)
{
	stream->is_held = false;
	broker_defer(stream->broker, &stream->flush);
}

size_t stream_waiting(const struct stream *stream, uint32_t src_id, uint32_t dst_id,
		      uint32_t handle)
{
	return queue_flow_bytes(&stream->queue, src_id, dst_id, handle);
}

bool stream_is_idle(const struct stream *stream)
{
	return list_is_empty(&stream->writing) && queue_is_empty(&stream->queue);
}

/* ---- Opening ---- */

static void ready(struct stream *stream, unsigned events)
{
	if (events & POLLER_WRITE)
		flush(stream);
	if (events & POLLER_READ && stream->events)
		read_some(stream); /* one read a round: no neighbour starves the others */
}

static void in_ready(struct source *source, unsigned events)
{
	ready(LIST_OWNER(source, struct stream, in), events);
}

static void out_ready(struct source *source, unsigned events)
{
	/* a pipe whose reader is gone shows as readable */
	ready(LIST_OWNER(source, struct stream, out), events ? POLLER_WRITE : 0);
}

int stream_open(struct stream *stream, int in_fd, int out_fd)
{
	struct stat in, out;

	if (fd_set_nonblocking(in_fd) < 0 || fd_set_nonblocking(out_fd) < 0 ||
	    fstat(in_fd, &in) < 0 || fstat(out_fd, &out) < 0)
		return -1;
	stream->in.fd = in_fd;
	stream->out.fd = out_fd;
	stream->in.ready = in_ready;
	stream->out.ready = out_ready;
	if (broker_watch(stream->broker, &stream->in, POLLER_READ) < 0)
		return -1;
	stream->is_socket = S_ISSOCK(in.st_mode) && S_ISSOCK(out.st_mode);
	stream->is_open = true;
	broker_defer(stream->broker, &stream->flush);
	return 0;
}
