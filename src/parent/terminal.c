/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/terminal.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/pty.h"
#include "base/sys.h"
#include "core/broker.h"

/* Tools that write their prompt first, and only then have the terminal not echo, do so at once; others
 * never do. Nothing tells when, so it is looked at, less and less often. */
#define LOOK_FIRST_MS 1
#define LOOK_LAST_MS  64

struct terminal {
	struct broker *broker;
	struct pty pty;
	struct source source; /* its master */
	terminal_says *says;
	void *owner;
	struct closing closing;
	bool is_closed;

	char line[TERMINAL_LINE_MAX]; /* without an end so far */
	size_t line_size;

	char *answer; /* with its newline; NULL: none is to be typed */
	size_t answer_size, typed;
	struct timer look;
	int look_ms;
};

/* ---- Reading ---- */

static void say(struct terminal *terminal, bool is_complete)
{
	size_t size = terminal->line_size;

	while (is_complete && size > 0 && terminal->line[size - 1] == '\r')
		size--; /* the terminal's own */
	if (is_complete)
		terminal->line_size = 0; /* the bytes stay */
	terminal->says(terminal->owner, terminal->line, size, is_complete);
}

/* Takes bytes up to the end of a line, or as many as fit. Returns how many. */
static size_t take(struct terminal *terminal, const char *data, size_t size)
{
	const char *newline = memchr(data, '\n', size);
	size_t length = newline ? (size_t)(newline - data) : size;
	size_t room = sizeof(terminal->line) - terminal->line_size;

	if (length > room) {
		length = room;
		newline = NULL;
	}
	memcpy(terminal->line + terminal->line_size, data, length);
	terminal->line_size += length;
	if (newline || terminal->line_size == sizeof(terminal->line))
		say(terminal, true);
	return newline ? length + 1 : length;
}

/* One read. False: there is nothing more now. */
static bool read_some(struct terminal *terminal)
{
	char data[TERMINAL_LINE_MAX];
	ssize_t n = sys.read(terminal->pty.master, data, sizeof(data));
	size_t at = 0;

	if (n < 0 && errno == EINTR)
		return true;
	if (n == 0 || (n < 0 && errno != EAGAIN)) /* it was taken from us, and from the tool */
		broker_unwatch(terminal->broker, &terminal->source);
	while (n > 0 && at < (size_t)n && !terminal->is_closed)
		at += take(terminal, data + at, (size_t)n - at);
	if (n > 0 && terminal->line_size > 0 && !terminal->is_closed)
		say(terminal, false);
	return n > 0 && !terminal->is_closed;
}

static void ready(struct source *source, unsigned events)
{
	(void)events;
	read_some(LIST_OWNER(source, struct terminal, source));
}

void terminal_drain(struct terminal *terminal)
{
	/* it holds little more than this */
	for (int i = 0; i < 16 && !terminal->is_closed && read_some(terminal); i++)
		;
	if (terminal->line_size > 0 && !terminal->is_closed)
		say(terminal, true);
}

/* ---- Typing ---- */

static void forget_answer(struct terminal *terminal)
{
	timer_cancel(&terminal->look);
	if (terminal->answer)
		explicit_bzero(terminal->answer, terminal->answer_size);
	sys.free(TAKE_PTR(terminal->answer));
}

static void type_or_wait(struct terminal *terminal)
{
	ssize_t n = 0;

	if (!pty_echoes(terminal->pty.master))
		n = sys.write(terminal->pty.master, terminal->answer + terminal->typed,
			      terminal->answer_size - terminal->typed);
	terminal->typed += n > 0 ? (size_t)n : 0;
	if (terminal->typed == terminal->answer_size) {
		forget_answer(terminal);
		return;
	}
	broker_set_timer(terminal->broker, &terminal->look, clock_deadline(terminal->look_ms));
	if (terminal->look_ms < LOOK_LAST_MS)
		terminal->look_ms *= 2;
}

static void look(struct timer *timer)
{
	type_or_wait(LIST_OWNER(timer, struct terminal, look));
}

int terminal_type(struct terminal *terminal, const char *text)
{
	size_t size = strlen(text) + 1;

	forget_answer(terminal);
	terminal->line_size = 0;
	terminal->answer = sys.malloc(size);
	if (!terminal->answer)
		return MITOGEN_ERR_MEMORY;
	memcpy(terminal->answer, text, size - 1);
	terminal->answer[size - 1] = '\n';
	terminal->answer_size = size;
	terminal->typed = 0;
	terminal->look_ms = LOOK_FIRST_MS;
	type_or_wait(terminal);
	return 0;
}

void terminal_forget_answer(struct terminal *terminal)
{
	forget_answer(terminal);
}

bool terminal_is_waiting(const struct terminal *terminal)
{
	return terminal->answer != NULL;
}

void terminal_set_raw(struct terminal *terminal)
{
	pty_set_raw(terminal->pty.master); /* which fails for none */
}

/* ---- Life ---- */

static void destroy(struct closing *closing)
{
	sys.free(LIST_OWNER(closing, struct terminal, closing));
}

struct terminal *terminal_open(struct broker *broker, struct pty *pty, terminal_says *says,
			       void *owner)
{
	struct terminal *terminal = sys.calloc(1, sizeof(*terminal));

	if (!terminal || fd_set_nonblocking(pty->master) < 0)
		goto failed;
	terminal->broker = broker;
	terminal->pty = *pty;
	terminal->says = says;
	terminal->owner = owner;
	terminal->source = (struct source){.fd = pty->master, .ready = ready};
	terminal->look.due = look;
	terminal->closing.destroy = destroy;
	if (broker_watch(broker, &terminal->source, POLLER_READ) < 0)
		goto failed;
	*pty = PTY_NONE;
	return terminal;
failed:
	pty_close(pty);
	sys.free(terminal);
	return NULL;
}

void terminal_close(struct terminal *terminal)
{
	if (!terminal)
		return;
	terminal->is_closed = true;
	forget_answer(terminal);
	if (terminal->source.ready)
		broker_unwatch(terminal->broker, &terminal->source);
	pty_close(&terminal->pty);
	broker_close_later(terminal->broker, &terminal->closing);
}
