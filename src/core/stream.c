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

#define READ_SIZE    (64u * 1024)
#define FRAME_MAX    (FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX)
#define WRITE_FRAMES 64
#define DRAIN_MAX    (4u << 20) /* more than a socket holds: somebody still writes */
_Static_assert(FRAME_MAX + READ_SIZE <= BROKER_SCRATCH, "a read behind an incomplete frame fits");
#define BATCH_BYTES (32u * 1024) /* senders that do not wait write when so much is queued */

static void flush_task(struct task *task);

void stream_init(struct stream *stream, struct broker *broker, const struct stream_events *events)
{
	*stream = (struct stream){.broker = broker, .events = events};
	stream->in.fd = stream->out.fd = -1;
	stream->flush.run = flush_task;
	list_init(&stream->begun);
	list_init(&stream->normal.messages);
	list_init(&stream->bulk.messages);
}

static void drop_all(struct stream *stream)
{
	message_unref_all(&stream->begun);
	message_unref_all(&stream->normal.messages);
	message_unref_all(&stream->bulk.messages);
	stream->normal.bytes = stream->bulk.bytes = 0;
}

static struct stream_queue *queue_of(struct stream *stream, const struct mitogen_message *m)
{
	return m->header.flags & FRAME_BULK ? &stream->bulk : &stream->normal;
}

void stream_close(struct stream *stream)
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
	stream->events = NULL;
	sys.free(TAKE_PTR(stream->partial));
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

/* Consumes one frame at data. 1: done, *ret_size bytes; 0: incomplete; -1: stop. */
static int take_frame(struct stream *stream, const uint8_t *data, size_t size, size_t *ret_size)
{
	struct frame_header header;
	enum frame_result result = frame_decode(data, size, &header);
	struct mitogen_message *m;

	if (result < 0) {
		end(stream, frame_result_text(result));
		return -1;
	}
	if (result == FRAME_INCOMPLETE || size < FRAME_HEADER_SIZE + header.length)
		return 0;
	m = message_new(header.length);
	if (!m) {
		end(stream, "out of memory");
		return -1;
	}
	m->header = header;
	memcpy(m->payload, data + FRAME_HEADER_SIZE, header.length);
	*ret_size = FRAME_HEADER_SIZE + header.length;
	stream->frames_in++;
	return stream->events->frame(stream, m) ? 1 : -1;
}

/* Returns how many bytes were consumed, or -1: stop. */
static ptrdiff_t consume(struct stream *stream, const uint8_t *data, size_t size)
{
	size_t done = 0, taken = 0;

	while (done < size) {
		int r;

		if (stream->greeting) {
			ptrdiff_t n = stream->events->greeting(stream, data + done, size - done);

			if (n <= 0)
				return n < 0 ? n : (ptrdiff_t)done;
			done += (size_t)n;
			continue;
		}
		r = take_frame(stream, data + done, size - done, &taken);
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		done += taken;
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

/* One read. True: there may be more. */
static bool read_some(struct stream *stream)
{
	uint8_t *buffer = stream->broker->scratch;
	size_t before = stream->partial_size, size;
	ptrdiff_t n, done;

	if (before > 0) {
		memcpy(buffer, stream->partial, before);
		sys.free(TAKE_PTR(stream->partial));
	}
	n = stream->is_socket ? sys.recv(stream->in.fd, buffer + before, READ_SIZE, 0)
			      : sys.read(stream->in.fd, buffer + before, READ_SIZE);
	if (n <= 0) {
		int error = errno;

		if (before > 0 && keep_partial(stream, buffer, before) < 0)
			end(stream, "out of memory");
		else if (n == 0)
			end(stream, before > 0 && !stream->greeting
					    ? "the stream ended inside a frame"
					    : NULL);
		else if (error != EAGAIN && error != EINTR)
			end(stream, error == ECONNRESET ? NULL : strerror(error));
		return n < 0 && error == EINTR;
	}
	stream->bytes_in += (uint64_t)n;
	size = before + (size_t)n;
	done = consume(stream, buffer, size);
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

/* The next message to write: what was begun, then normal ones, then bulk. */
static struct list *first(struct stream *stream)
{
	if (!list_is_empty(&stream->begun))
		return stream->begun.next;
	if (!list_is_empty(&stream->normal.messages))
		return stream->normal.messages.next;
	if (!list_is_empty(&stream->bulk.messages))
		return stream->bulk.messages.next;
	return NULL;
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
	struct list *const queues[] = {&stream->begun, &stream->normal.messages,
				       &stream->bulk.messages};
	size_t sent = stream->begun_sent;
	int count = 0;

	for (size_t i = 0; i < 3; i++) {
		LIST_FOR_EACH (node, queues[i]) {
			struct mitogen_message *m = LIST_OWNER(node, struct mitogen_message, link);

			if (count > 2 * WRITE_FRAMES - 2)
				return count;
			count += add_message(iov + count, m, sent);
			sent = 0;
		}
	}
	return count;
}

/* Forgets what n more written bytes have completed. */
static void advance(struct stream *stream, size_t n)
{
	stream->bytes_out += n;
	n += stream->begun_sent;
	for (struct list *node; n > 0 && (node = first(stream)) != NULL;) {
		struct mitogen_message *m = LIST_OWNER(node, struct mitogen_message, link);
		size_t size = FRAME_HEADER_SIZE + m->size;

		list_remove(node);
		if (list_is_empty(&stream->begun) && stream->begun_sent == 0)
			queue_of(stream, m)->bytes -= size;
		stream->begun_sent = 0;
		if (n < size) {
			list_append(&stream->begun, node);
			stream->begun_sent = n;
			return;
		}
		n -= size;
		stream->frames_out++;
		message_unref(m);
	}
}

/* One attempt. As writev(2), but that it never raises SIGPIPE and never waits. */
static ssize_t write_pieces(struct stream *stream, struct iovec *iov, int count)
{
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)count};

	if (!stream->is_socket) /* SIGPIPE is blocked on this thread */
		return sys.writev(stream->out.fd, iov, count);
	if (count == 1) /* the usual call, and the cheaper one */
		return sys.send(stream->out.fd, iov->iov_base, iov->iov_len,
				MSG_NOSIGNAL | MSG_DONTWAIT);
	return sys.sendmsg(stream->out.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Writes until all is written (1), the descriptor is full (0), or it is broken (-1). */
static int write_some(struct stream *stream)
{
	while (first(stream)) {
		struct iovec iov[2 * WRITE_FRAMES];
		ssize_t n = write_pieces(stream, iov, collect(stream, iov));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		advance(stream, (size_t)n);
	}
	return 1;
}

static void want_write(struct stream *stream, bool wanted)
{
	struct source *source = stream->out.fd == stream->in.fd ? &stream->in : &stream->out;
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
	r = write_some(stream);
	if (r >= 0) {
		want_write(stream, r == 0);
		if (r > 0 && stream->events && stream->events->drained)
			stream->events->drained(stream);
		return;
	}
	/* what the neighbour sent before it went is still to be read; then comes the end, even if it
	 * would go on sending: it reads no more */
	stream->is_broken = true;
	drop_all(stream);
	stream_drain(stream);
	if (stream->events)
		end(stream, NULL);
}

static void flush_task(struct task *task)
{
	flush(LIST_OWNER(task, struct stream, flush));
}

void stream_send(struct stream *stream, struct mitogen_message *m, bool now)
{
	struct stream_queue *queue = queue_of(stream, m);

	if (!stream->events || stream->is_broken) {
		message_unref(m);
		return;
	}
	m->header.length = (uint32_t)m->size;
	frame_encode(m->frame, &m->header);
	list_append(&queue->messages, &m->link);
	queue->bytes += FRAME_HEADER_SIZE + m->size;
	if (!may_write(stream))
		return;
	/* a full descriptor, seen by what is begun, is the broker's business; so is every error */
	if ((now || queue->bytes >= BATCH_BYTES) && stream->is_socket &&
	    list_is_empty(&stream->begun))
		write_some(stream);
	if (first(stream))
		broker_defer(stream->broker, &stream->flush);
}

bool stream_is_idle(const struct stream *stream)
{
	return list_is_empty(&stream->begun) && list_is_empty(&stream->normal.messages) &&
	       list_is_empty(&stream->bulk.messages);
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
