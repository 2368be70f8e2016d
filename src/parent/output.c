/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "core/router.h"

#define DRAIN_MAX  (64u * 1024)
#define READ_SIZE  4096
#define MARK       "..." /* ends and begins the pieces of a long line */
#define PIECE_SIZE (OUTPUT_LINE_MAX - 2 * sizeof(MARK))

struct output_lines {
	char line[PIECE_SIZE]; /* an incomplete one, or its last piece so far */
	size_t line_size;
	bool is_continued;          /* pieces of it have gone */
	char tail[OUTPUT_LINE_MAX]; /* the last lines, escaped; while they are kept */
	size_t tail_size;
};

struct batch { /* whole lines on their way to the log */
	char text[READ_SIZE];
	size_t size;
};

void output_init(struct output *output, struct router *router)
{
	*output = (struct output){.router = router, .pipe.fd = -1};
}

/* ---- Lines ---- */

/* Keeps the end of it, line by line, as " | "-separated text. */
static void keep(struct output_lines *lines, const char *line)
{
	size_t size = strlen(line), gap = lines->tail_size > 0 ? 3 : 0;

	if (size + gap > sizeof(lines->tail) - lines->tail_size) {
		lines->tail_size = 0; /* older lines are of less use than the last ones */
		gap = 0;
	}
	memcpy(lines->tail + lines->tail_size, " | ", gap);
	memcpy(lines->tail + lines->tail_size + gap, line, size);
	lines->tail_size += gap + size;
}

static void flush(struct output *output, struct batch *batch)
{
	if (batch->size > 0)
		forward_log_add(output->router, output->context_id, batch->text, batch->size);
	batch->size = 0;
}

static void append(struct batch *batch, const char *text, size_t size)
{
	memcpy(batch->text + batch->size, text, size);
	batch->size += size;
}

/* What is meant for a terminal has one at the end of each line. */
static size_t without_return(const char *line, size_t size)
{
	return size > 0 && line[size - 1] == '\r' ? size - 1 : size;
}

/* The first bytes of what is collected are a line, or a piece of one of which more is to come. */
static void take_line(struct output *output, size_t size, bool is_whole, struct batch *batch)
{
	struct output_lines *lines = output->lines;
	char text[OUTPUT_LINE_MAX];
	size_t length = is_whole ? without_return(lines->line, size) : size;
	bool is_taken = is_whole && !lines->is_continued && output->take &&
			output->take(output, lines->line, length);

	if (output->context_id != 0 && !is_taken) {
		if (batch->size + size + 2 * sizeof(MARK) > sizeof(batch->text))
			flush(output, batch);
		append(batch, MARK, lines->is_continued ? strlen(MARK) : 0);
		append(batch, lines->line, length);
		append(batch, MARK, is_whole ? 0 : strlen(MARK));
		append(batch, "\n", 1);
	} else if (!is_taken && escape_text(text, sizeof(text), lines->line, length)[0]) {
		keep(lines, text);
	}
	lines->line_size -= size;
	memmove(lines->line, lines->line + size, lines->line_size);
	lines->is_continued = !is_whole;
}

/* Where the line that fills the buffer can be cut: not within a character, if it is UTF-8. */
static size_t find_cut(const struct output_lines *lines)
{
	size_t cut = lines->line_size;

	while (cut > lines->line_size - 4 && ((uint8_t)lines->line[cut - 1] & 0xc0) == 0x80)
		cut--;
	return (uint8_t)lines->line[cut - 1] >= 0xc0 ? cut - 1 : lines->line_size;
}

/* Takes bytes up to the end of a line, or as many as fit. Returns how many. */
static size_t add_bytes(struct output *output, const char *data, size_t size, struct batch *batch)
{
	struct output_lines *lines = output->lines;
	const char *newline = memchr(data, '\n', size);
	size_t length = newline ? (size_t)(newline - data) : size, room;

	if (lines->line_size == sizeof(lines->line) && length > 0)
		take_line(output, find_cut(lines), false, batch);
	room = sizeof(lines->line) - lines->line_size;
	if (length > room) {
		length = room;
		newline = NULL;
	}
	memcpy(lines->line + lines->line_size, data, length);
	lines->line_size += length;
	if (newline)
		take_line(output, lines->line_size, true, batch);
	return newline ? length + 1 : length;
}

/* An idle child costs no memory for lines. */
static void free_idle_lines(struct output *output)
{
	const struct output_lines *lines = output->lines;

	if (output->context_id != 0 && lines && lines->line_size == 0 && !lines->is_continued)
		sys.free(TAKE_PTR(output->lines));
}

void output_add(struct output *output, const char *data, size_t size)
{
	struct batch batch = {.size = 0};

	if (!output->lines)
		output->lines = sys.calloc(1, sizeof(*output->lines));
	while (output->lines && size > 0) {
		size_t taken = add_bytes(output, data, size, &batch);

		data += taken;
		size -= taken;
	}
	flush(output, &batch);
	free_idle_lines(output);
}

/* The last line has no newline. */
static void end_lines(struct output *output)
{
	struct batch batch = {.size = 0};

	if (output->lines && output->lines->line_size > 0)
		take_line(output, output->lines->line_size, true, &batch);
	flush(output, &batch);
}

void output_forget_line(struct output *output)
{
	if (output->lines)
		output->lines->line_size = 0;
}

void output_forward(struct output *output, uint32_t context_id)
{
	output->context_id = context_id;
	free_idle_lines(output);
}

const char *output_quote(const struct output *output, char *out, size_t size)
{
	const struct output_lines *lines = output->lines;

	if (lines && lines->tail_size > 0)
		snprintf(out, size, "; it printed: %.*s", (int)lines->tail_size, lines->tail);
	else
		out[0] = '\0';
	return out;
}

/* ---- The pipe ---- */

/* One read. False: there is nothing more now. */
static bool read_some(struct output *output, size_t *ret_size)
{
	char data[READ_SIZE];
	ssize_t n = sys.read(output->pipe.fd, data, sizeof(data));

	if (n > 0) {
		output_add(output, data, (size_t)n);
		if (output->context_id == 0 && output->heard)
			output->heard(output, data, (size_t)n);
		*ret_size = (size_t)n;
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		output_close(output);
	return n < 0 && errno == EINTR;
}

static void want(struct output *output, unsigned events)
{
	if (broker_want(&output->router->broker, &output->pipe, events) < 0)
		output_close(output);
}

static void room(struct forward_log_waiter *waiter)
{
	want(LIST_OWNER(waiter, struct output, waiter), POLLER_READ);
}

static void ready(struct source *source, unsigned events)
{
	struct output *output = LIST_OWNER(source, struct output, pipe);
	size_t ignored;

	(void)events;
	if (output->context_id == 0 && output->before_read)
		output->before_read(output);
	if (output->pipe.fd < 0)
		return;
	if (output->context_id == 0 || forward_log_has_room(output->router)) {
		read_some(output, &ignored);
		return;
	}
	want(output, 0);
	forward_log_wait(output->router, &output->waiter);
}

int output_open(struct output *output, int fd)
{
	output->pipe = (struct source){.fd = fd, .ready = ready};
	output->waiter.room = room;
	if (fd_set_nonblocking(fd) == 0 &&
	    broker_watch(&output->router->broker, &output->pipe, POLLER_READ) == 0)
		return 0;
	fd_close(TAKE_FD(output->pipe.fd));
	return -1;
}

void output_drain(struct output *output)
{
	size_t total = 0, size = 0;

	while (output->pipe.fd >= 0 && total < DRAIN_MAX && read_some(output, &size))
		total += size;
	if (output->context_id == 0)
		end_lines(output);
}

void output_close(struct output *output)
{
	if (output->pipe.fd < 0)
		return;
	list_remove(&output->waiter.link);
	broker_unwatch(&output->router->broker, &output->pipe);
	fd_close(TAKE_FD(output->pipe.fd));
	end_lines(output);
}

void output_clear(struct output *output)
{
	output_close(output);
	sys.free(TAKE_PTR(output->lines));
}
