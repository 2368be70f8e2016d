/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of methods share that run a tool: its command line as text, and what it says. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "connect/methods.h"
#include "parent/launch.h"

#define SHARED __attribute__((unused)) static /* not every test uses all of it */

/* The arguments behind the tool's name, with "|" behind each; then its variable, if it has one. */
SHARED const char *command_line(const struct connect_method *method,
				const struct connect_options *options)
{
	static char line[8192];
	struct launch_command command = {0};
	mitogen_error err;
	size_t used = 0;

	assert_int_equal(method->command(options, "sudo.1", &command, &err), 0);
	for (char **argument = command.argv + 1; *argument; argument++)
		used += (size_t)snprintf(line + used, sizeof(line) - used, "%s|", *argument);
	if (command.variable)
		snprintf(line + used, sizeof(line) - used, "%s", command.variable);
	launch_command_clear(&command);
	return line;
}

SHARED bool needs_terminal(const struct connect_method *method,
			   const struct connect_options *options)
{
	struct launch_command command = {0};
	bool is_needed;

	assert_int_equal(method->command(options, "sudo.1", &command, NULL), 0);
	is_needed = command.terminal == LAUNCH_TERMINAL;
	launch_command_clear(&command);
	return is_needed;
}

static struct tool_memory memory;
static const char *answer;
static mitogen_error error;

SHARED enum tool_says hear(const struct connect_method *method,
			   const struct connect_options *options, const char *text,
			   bool is_complete, bool from_terminal)
{
	struct tool_line line = {text, strlen(text), is_complete, from_terminal};
	char *copy = malloc(line.size ? line.size : 1); /* so that a byte more is noticed */
	enum tool_says says;

	line.text = memcpy(copy, text, line.size);
	answer = NULL;
	error = (mitogen_error){.code = 0};
	says = method->listen(options, &memory, &line, &answer, &error);
	free(copy);
	assert_int_equal(answer != NULL, says == TOOL_ASKS);
	assert_int_equal(error.code != 0, says == TOOL_FAILED);
	return says;
}

/* What becomes of an error over a tool that printed this. */
SHARED const char *explain(const struct connect_method *method, const char *output)
{
	static const struct connect_options none;

	error = (mitogen_error){.code = MITOGEN_ERR_CONNECT, .text = "it exited with status 1"};
	method->explain(&none, output, 1 << 8, &error);
	return error.text;
}

SHARED int forget(void **state)
{
	(void)state;
	memory = (struct tool_memory){0};
	return 0;
}
