/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/log.h"

#define DRAIN_MAX (64u * 1024)

struct output_lines {
	char line[OUTPUT_LINE_MAX]; /* an incomplete one */
	size_t line_size;
	bool line_is_cut;           /* its rest is skipped */
	char tail[OUTPUT_LINE_MAX]; /* the last lines, escaped */
	size_t tail_size;
};

void output_init(struct output *output, struct broker *broker)
{
	*output = (struct output){.broker = broker, .pipe.fd = -1};
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

static void end_line(struct output *output)
{
	struct output_lines *lines = output->lines;
	char text[OUTPUT_LINE_MAX];

	escape_text(text, sizeof(text), lines->line, lines->line_size);
	lines->line_size = 0;
	lines->line_is_cut = false;
	if (output->name)
		log_relay(LOG_WARNING, output->name, text);
	else if (*text)
		keep(lines, text);
}

/* Takes one line, or what there is of it. Returns how many bytes. */
static size_t add_line(struct output *output, const char *data, size_t size)
{
	struct output_lines *lines = output->lines;
	const char *newline = memchr(data, '\n', size);
	size_t length = newline ? (size_t)(newline - data) : size;
	size_t room = sizeof(lines->line) - lines->line_size;
	size_t taken = lines->line_is_cut ? 0 : length < room ? length : room;

	memcpy(lines->line + lines->line_size, data, taken);
	lines->line_size += taken;
	if (newline && lines->line_is_cut) {
		lines->line_is_cut = false;
	} else if (newline) {
		end_line(output);
	} else if (lines->line_size == sizeof(lines->line)) {
		end_line(output);
		lines->line_is_cut = true;
	}
	return newline ? length + 1 : length;
}

/* An idle child costs no memory for lines. */
static void free_idle_lines(struct output *output)
{
	const struct output_lines *lines = output->lines;

	if (output->name && lines && lines->line_size == 0 && !lines->line_is_cut)
		sys.free(TAKE_PTR(output->lines));
}

void output_add(struct output *output, const char *data, size_t size)
{
	if (!output->lines)
		output->lines = sys.calloc(1, sizeof(*output->lines));
	while (output->lines && size > 0) {
		size_t taken = add_line(output, data, size);

		data += taken;
		size -= taken;
	}
	free_idle_lines(output);
}

void output_set_name(struct output *output, const char *name)
{
	output->name = name;
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
	char data[4096];
	ssize_t n = sys.read(output->pipe.fd, data, sizeof(data));

	if (n > 0) {
		output_add(output, data, (size_t)n);
		*ret_size = (size_t)n;
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		output_close(output);
	return n < 0 && errno == EINTR;
}

static void ready(struct source *source, unsigned events)
{
	struct output *output = LIST_OWNER(source, struct output, pipe);
	size_t ignored;

	(void)events;
	if (!output->name && output->before_read)
		output->before_read(output);
	if (output->pipe.fd >= 0)
		read_some(output, &ignored);
}

int output_open(struct output *output, int fd)
{
	output->pipe = (struct source){.fd = fd, .ready = ready};
	if (fd_set_nonblocking(fd) == 0 &&
	    broker_watch(output->broker, &output->pipe, POLLER_READ) == 0)
		return 0;
	fd_close(TAKE_FD(output->pipe.fd));
	return -1;
}

void output_drain(struct output *output)
{
	size_t total = 0, size = 0;

	while (output->pipe.fd >= 0 && total < DRAIN_MAX && read_some(output, &size))
		total += size;
}

void output_close(struct output *output)
{
	if (output->pipe.fd < 0)
		return;
	broker_unwatch(output->broker, &output->pipe);
	fd_close(TAKE_FD(output->pipe.fd));
	if (output->lines && output->lines->line_size > 0)
		end_line(output);
}

void output_clear(struct output *output)
{
	output_close(output);
	sys.free(TAKE_PTR(output->lines));
}
