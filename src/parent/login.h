/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logging in somewhere through a tool, and starting the image there: from the tool's first word until
 * the image runs. Broker thread, router lock held.
 */
#pragma once

#include "parent/bootstrap.h"
#include "parent/tool.h"

enum login_result {
	LOGIN_GOES_ON,
	LOGIN_COMPLETE, /* the image runs */
	LOGIN_FAILED,   /* err holds the reason */
};

struct login {
	/* of its connection, who sets these */
	struct router *router;
	const struct connect_method *method;
	const struct connect_options *options;
	const char *path;      /* of the context */
	char *title;           /* of its process, or NULL: its path; taken over */
	struct stream *stream; /* to and from the tool */
	struct output *output; /* what it all prints */
	/* It cannot go on, for the reason that error holds. */
	void (*failed)(struct login *login, const mitogen_error *error);

	struct tool tool;
	struct bootstrap bootstrap;
	bool is_done; /* somebody is logged in: the first stage runs, or has run */
};

/* Frames wait in the stream until the image runs. */
void login_init(struct login *login);
/* The tool runs, with this terminal, which is taken over, or PTY_NONE. 0, or -1 with errno. */
int login_begin(struct login *login, struct pty *pty);
/* A line, with its newline, that came through the stream. */
enum login_result login_take_line(struct login *login, const char *line, size_t size,
				  mitogen_error *err);
/* There is nothing to be started any more: hangs up. */
void login_close(struct login *login);
