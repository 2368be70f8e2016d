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
	enum output_stream stream;
	bool is_lines;
	char *data;
	size_t size, written;
};

void output_init(struct output *output)
{
	*output = (struct output){0};
	standard_open(&output->streams[OUTPUT_STDOUT], STDOUT_FILENO);
	standard_open(&output->streams[OUTPUT_STDERR], STDERR_FILENO);
}

static void add(struct output *output, enum output_stream stream, char *data, size_t size,
		bool is_lines)
{
	struct piece *piece = memory_calloc(1, sizeof(*piece));

	*piece = (struct piece){.stream = stream, .data = data, .size = size, .is_lines = is_lines};
	if (output->last)
		output->last->next = piece;
	else
		output->first = piece;
	output->last = piece;
}

static void remove_first(struct output *output)
{
	struct piece *piece = output->first;

	output->first = piece->next;
	if (!output->first)
		output->last = NULL;
	free(piece->data);
	free(piece);
}

void output_clear(struct output *output)
{
	while (output->first)
		remove_first(output);
	standard_close(&output->streams[OUTPUT_STDOUT]);
	standard_close(&output->streams[OUTPUT_STDERR]);
}

void output_add(struct output *output, enum output_stream stream, const void *data, size_t size)
{
	char *copy = memory_calloc(1, size);

	memcpy(copy, data, size);
	add(output, stream, copy, size, false);
}

void output_add_lines(struct output *output, enum output_stream stream, char *data, size_t size)
{
	add(output, stream, data, size, true);
}

void output_say(struct output *output, const char *format, ...)
{
	char line[SAY_MAX];
	va_list args;
	int size;

	va_start(args, format);
	size = say_format(line, format, args);
	va_end(args);
	output_add(output, OUTPUT_STDERR, line, (size_t)size);
}

int output_fd(const struct output *output)
{
	return output->first ? output->streams[output->first->stream].fd : -1;
}

/* How much of it to write at once: of lines as many as a pipe takes whole, or a single long one. */
static size_t next_size(const struct piece *piece)
{
	const char *data = piece->data + piece->written, *end;
	size_t left = piece->size - piece->written;

	if (!piece->is_lines || left <= PIPE_BUF)
		return left;
	end = memrchr(data, '\n', PIPE_BUF);
	if (!end)
		end = memchr(data, '\n', left);
	return end ? (size_t)(end - data) + 1 : left;
}

int output_write(struct output *output, enum output_stream *ret_stream)
{
	struct piece *piece = output->first;
	ssize_t n;

	n = standard_write(&output->streams[piece->stream], piece->data + piece->written,
			   next_size(piece));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0) {
		*ret_stream = piece->stream;
		return -1;
	}
	piece->written += (size_t)n;
	if (piece->written == piece->size)
		remove_first(output);
	return 0;
}
