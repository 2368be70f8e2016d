/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program that logs in for us, until the first stage answers: hears what it writes to its terminal
 * and to its standard error, and gives the answers that its method has for it. Broker thread.
 */
#pragma once

#include "parent/connection.h"

struct login;
struct pty;
struct terminal;

#define TOOL_LINE_MAX 512 /* of a longer line only the end is heard */

struct tool {
	const struct login *login;
	struct tool_memory memory;
	struct terminal *terminal; /* NULL: it has none, or we hung up */
	char line[TOOL_LINE_MAX];  /* of its standard error, as far as it has come */
	size_t line_size;
	bool is_done; /* it has logged in, or failed: nobody listens any more */
	void (*failed)(struct tool *tool, const mitogen_error *error);
};

void tool_init(struct tool *tool, const struct login *login,
	       void (*failed)(struct tool *tool, const mitogen_error *error));
/* Takes its terminal over, whatever happens; PTY_NONE: it has none. 0, or -1 with errno. */
int tool_open(struct tool *tool, struct pty *pty);
/* It has written this to its standard error. */
void tool_hear(struct tool *tool, const char *data, size_t size);
/* It has logged in: what its terminal shows from now on is forwarded with the rest. Nobody gets an answer
 * any more that is not typed yet: who it has logged in may have the terminal now. */
void tool_settle(struct tool *tool);
/* Is there an answer that is not given, as everybody could read it on the terminal? */
bool tool_is_echoing(const struct tool *tool);
/* Takes what it has written to its terminal already, of which nothing more is awaited. */
void tool_drain(struct tool *tool);
/* Hangs up. */
void tool_close(struct tool *tool);
