/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/tool.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/pty.h"
#include "base/sys.h"
#include "core/router.h"
#include "core/stream.h"
#include "parent/login.h"
#include "parent/output.h"
#include "parent/terminal.h"

/* ---- Answering ---- */

struct answer { /* on its way to the tool's standard input */
	struct stream_text text;
	char line[]; /* with a newline */
};

static void release(struct stream_text *text)
{
	struct answer *answer = LIST_OWNER(text, struct answer, text);

	explicit_bzero(answer->line, text->size);
	sys.free(answer);
}

static int answer_on_stream(struct tool *tool, const char *line)
{
	size_t size = strlen(line) + 1;
	struct answer *answer = sys.calloc(1, sizeof(*answer) + size);

	if (!answer)
		return -1;
	memcpy(answer->line, line, size - 1);
	answer->line[size - 1] = '\n';
	answer->text = (struct stream_text){
		.data = (const uint8_t *)answer->line, .size = size, .release = release};
	stream_say(tool->login->stream, &answer->text);
	return 0;
}

/* The question is no part of what is said next; who was let in needs not be told of it, either. */
static void forget_question(struct tool *tool)
{
	tool->line_size = 0;
	output_forget_line(tool->login->output);
}

static int give(struct tool *tool, const struct tool_line *line, const char *answer)
{
	if (!line->from_terminal)
		forget_question(tool);
	return tool->terminal ? terminal_type(tool->terminal, answer)
			      : answer_on_stream(tool, answer);
}

static void fail(struct tool *tool, const mitogen_error *error)
{
	tool->is_done = true;
	tool->failed(tool, error);
}

static void listen_to(struct tool *tool, const struct tool_line *line)
{
	const struct login *login = tool->login;
	const char *answer = NULL;
	mitogen_error error;
	int r = 0;

	if (tool->is_done || !login->method->listen)
		return;
	switch (login->method->listen(login->options, &tool->memory, line, &answer, &error)) {
	case TOOL_NOTHING:
		return;
	case TOOL_FAILED:
		fail(tool, &error);
		return;
	case TOOL_ASKS:
		r = give(tool, line, answer);
		break;
	}
	if (r < 0) {
		error_set_memory(&error);
		fail(tool, &error);
	}
}

/* ---- Hearing ---- */

static void add_to_line(struct tool *tool, const char *data, size_t size)
{
	size_t room = sizeof(tool->line), kept;

	if (size > room) {
		data += size - room;
		size = room;
	}
	kept = tool->line_size < room - size ? tool->line_size : room - size;
	memmove(tool->line, tool->line + tool->line_size - kept, kept);
	memcpy(tool->line + kept, data, size);
	tool->line_size = kept + size;
}

static void hear_line(struct tool *tool, bool is_complete)
{
	struct tool_line line = {
		.text = tool->line, .size = tool->line_size, .is_complete = is_complete};

	if (is_complete && line.size > 0 && line.text[line.size - 1] == '\r')
		line.size--;
	listen_to(tool, &line);
	if (is_complete)
		tool->line_size = 0;
}

void tool_hear(struct tool *tool, const char *data, size_t size)
{
	while (size > 0 && !tool->is_done) {
		const char *newline = memchr(data, '\n', size);
		size_t length = newline ? (size_t)(newline - data) : size;

		add_to_line(tool, data, length);
		hear_line(tool, newline != NULL);
		length += newline != NULL;
		data += length;
		size -= length;
	}
}

/* Its terminal shows this. */
static void says(void *owner, const char *text, size_t size, bool is_complete)
{
	struct tool *tool = owner;
	struct tool_line line = {text, size, is_complete, true};

	for (; line.size > 0 && *line.text == '\r'; line.size--)
		line.text++; /* it wants its question to be at the beginning of a line */
	if (is_complete) {
		output_add(tool->login->output, line.text, line.size);
		output_add(tool->login->output, "\n", 1);
	}
	listen_to(tool, &line);
}

void tool_init(struct tool *tool, const struct login *login,
	       void (*failed)(struct tool *tool, const mitogen_error *error))
{
	*tool = (struct tool){.login = login, .failed = failed};
}

int tool_open(struct tool *tool, struct pty *pty)
{
	if (pty->master < 0)
		return 0;
	tool->terminal = terminal_open(&tool->login->router->broker, pty, says, tool);
	return tool->terminal ? 0 : -1;
}

void tool_settle(struct tool *tool)
{
	tool->is_done = true;
	if (tool->terminal)
		terminal_forget_answer(tool->terminal);
	if (tool->terminal && tool->login->method->may_ask_on_streams)
		terminal_set_raw(tool->terminal); /* it is one of the streams */
}

bool tool_is_echoing(const struct tool *tool)
{
	return tool->terminal && terminal_is_waiting(tool->terminal);
}

void tool_drain(struct tool *tool)
{
	if (tool->terminal)
		terminal_drain(tool->terminal);
}

void tool_close(struct tool *tool)
{
	tool->is_done = true;
	terminal_close(TAKE_PTR(tool->terminal));
}
