/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/output.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/memory.h"

struct piece {
	struct piece *next;
	mitogen_bytes bytes;
	mitogen_message *message; /* which lends them; otherwise they are text, or nothing */
	char *text;
	struct line *line; /* that they go through, or NULL; it ends where there is no message */
	const char *prefix;
};

void output_init(struct output *output)
{
	*output = (struct output){.is_one_file = standard_outputs_are_one()};
	standard_open(&output->queues[OUTPUT_STDOUT].to, STDOUT_FILENO);
	standard_open(&output->queues[OUTPUT_STDERR].to, STDERR_FILENO);
}

static void remove_first(struct output_queue *queue)
{
	struct piece *piece = queue->first;

	queue->first = piece->next;
	free(queue->text);
	queue->data = queue->text = NULL;
	free(piece->text);
	mitogen_message_unref(piece->message);
	free(piece);
}

void output_clear(struct output *output)
{
	for (int stream = 0; stream < OUTPUT_STREAMS; stream++) {
		while (output->queues[stream].first)
			remove_first(&output->queues[stream]);
		standard_close(&output->queues[stream].to);
	}
}

static void add(struct output *output, enum output_stream stream, struct piece content)
{
	struct output_queue *queue = &output->queues[output->is_one_file ? OUTPUT_STDOUT : stream];
	struct piece *piece = memory_calloc(1, sizeof(*piece));

	*piece = content;
	if (!queue->first)
		queue->end = &queue->first;
	*queue->end = piece;
	queue->end = &piece->next;
}

void output_add(struct output *output, enum output_stream stream, mitogen_message *m,
		mitogen_bytes bytes)
{
	add(output, stream, (struct piece){.bytes = bytes, .message = mitogen_message_ref(m)});
}

void output_add_lines(struct output *output, enum output_stream stream, mitogen_message *m,
		      mitogen_bytes bytes, struct line *line, const char *prefix)
{
	add(output, stream,
	    (struct piece){.bytes = bytes,
			   .message = mitogen_message_ref(m),
			   .line = line,
			   .prefix = prefix});
}

void output_end_lines(struct output *output, enum output_stream stream, struct line *line,
		      const char *prefix)
{
	add(output, stream, (struct piece){.line = line, .prefix = prefix});
}

void output_say(struct output *output, const char *format, ...)
{
	char line[SAY_MAX];
	struct piece piece = {0};
	va_list args;

	va_start(args, format);
	piece.bytes.size = (size_t)say_format(line, format, args);
	va_end(args);
	piece.bytes.data = piece.text = memory_calloc(1, piece.bytes.size);
	memcpy(piece.text, line, piece.bytes.size);
	add(output, OUTPUT_STDERR, piece);
}

bool output_is_empty(const struct output *output)
{
	return !output->queues[OUTPUT_STDOUT].first && !output->queues[OUTPUT_STDERR].first;
}

void output_poll(const struct output *output, struct pollfd fds[OUTPUT_STREAMS])
{
	for (int stream = 0; stream < OUTPUT_STREAMS; stream++) {
		const struct output_queue *queue = &output->queues[stream];

		fds[stream] =
			(struct pollfd){.fd = queue->first ? queue->to.fd : -1, .events = POLLOUT};
	}
}

/* Makes the bytes of the first piece ready to be written; there may be none. */
static void begin(struct output_queue *queue)
{
	const struct piece *piece = queue->first;
	mitogen_bytes bytes = piece->bytes;

	if (piece->line && piece->message)
		bytes.size =
			lines_add(piece->line, piece->prefix, bytes.data, bytes.size, &queue->text);
	else if (piece->line)
		bytes.size = lines_end(piece->line, piece->prefix, &queue->text);
	if (piece->line)
		bytes.data = queue->text;
	queue->data = bytes.data;
	queue->size = bytes.size;
	queue->written = 0;
}

/* How much of it to write at once: of lines as many as a pipe takes whole, or a single long one. */
static size_t next_size(const struct output_queue *queue)
{
	const char *data = queue->data + queue->written, *end;
	size_t left = queue->size - queue->written;

	if (!queue->first->line || left <= PIPE_BUF)
		return left;
	end = memrchr(data, '\n', PIPE_BUF);
	if (!end)
		end = memchr(data, '\n', left);
	return end ? (size_t)(end - data) + 1 : left;
}

/* Forgets pieces without bytes. False: nothing is left. */
static bool has_bytes(struct output_queue *queue)
{
	for (; queue->first; remove_first(queue)) {
		if (!queue->data)
			begin(queue);
		if (queue->size > 0)
			return true;
	}
	return false;
}

/* Writes once. 0, or -1 with errno. */
static int write_some(struct output_queue *queue)
{
	ssize_t n;

	if (!has_bytes(queue))
		return 0;
	n = standard_write(&queue->to, queue->data + queue->written, next_size(queue));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	queue->written += (size_t)n;
	if (queue->written == queue->size)
		remove_first(queue);
	return 0;
}

int output_write(struct output *output, const struct pollfd fds[OUTPUT_STREAMS],
		 enum output_stream *ret_stream)
{
	for (int stream = 0; stream < OUTPUT_STREAMS; stream++) {
		if (!fds[stream].revents || write_some(&output->queues[stream]) == 0)
			continue;
		*ret_stream = (enum output_stream)stream;
		return -1;
	}
	return 0;
}
