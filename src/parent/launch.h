/* SPDX-License-Identifier: BSD-3-Clause */
/* Running the command of a method with pipes to and from it, and a terminal if it asks on one. */
#pragma once

#include <mitogen/types.h>
#include <sys/types.h>

#include "base/pty.h"

/* What is to be run so that a child answers on its standard input and output. */
struct launch_command {
	char *path;  /* sys.free */
	char **argv; /* NULL-terminated; both the array and the strings with sys.free */
	enum launch_terminal {
		LAUNCH_NO_TERMINAL,
		LAUNCH_TERMINAL,          /* one of its own, to ask on, beside the pipes */
		LAUNCH_TERMINAL_AS_INPUT, /* the same, which its standard input is, too */
	} terminal;
	char *variable; /* "NAME=value": what its environment has besides; sys.free; or NULL */
	char *title; /* of the image that a first stage starts; sys.free; NULL: its context's path */
};

/* A child and we are connected by pipes: to its standard input, from its standard output, and from its
 * standard error, in this order wherever there are as many descriptors. */
#define LAUNCH_PIPES 3

struct launcher;

struct launched {
	pid_t pid;
	int fds[LAUNCH_PIPES]; /* our ends */
	struct pty terminal;   /* or PTY_NONE */
};

/* Makes them. 0, or a negative code with err set. */
int launch_connect(int ret_ours[LAUNCH_PIPES], int ret_theirs[LAUNCH_PIPES], mitogen_error *err);
/* Closes those that are not -1. */
void launch_close(const int fds[LAUNCH_PIPES]);
/* *launcher is NULL the first time, and kept for the next. 0 and *ret, whose process and descriptors are
 * the caller's; or a negative code with err set. */
int launch(struct launcher **launcher, const struct launch_command *command,
	   char *const *environment, struct launched *ret, mitogen_error *err);
/* For launch_command.variable. NULL: no memory. */
char *launch_variable(const char *name, const char *value);
void launch_command_clear(struct launch_command *command);
void launcher_free(struct launcher *launcher); /* takes NULL */
