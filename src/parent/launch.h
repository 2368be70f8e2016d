/* SPDX-License-Identifier: BSD-3-Clause */
/* Running the command of a method with a stream on its standard input and output. */
#pragma once

#include <mitogen/types.h>
#include <sys/types.h>

/* What is to be run so that a child answers on its standard input and output. */
struct launch_command {
	char *path;  /* sys.free */
	char **argv; /* NULL-terminated; both the array and the strings with sys.free */
};

struct launched {
	pid_t pid;
	int stream;   /* a socket: its standard input and output */
	int messages; /* a pipe: what it prints to standard error */
};

/* Makes what a child and we are connected by: [0] is a socket for its standard input and output, [1] a
 * pipe for its standard error. 0, or a negative code with err set. */
int launch_connect(int ret_ours[2], int ret_theirs[2], mitogen_error *err);
/* 0 and *ret, whose process and descriptors are the caller's; or a negative code with err set. */
int launch(const struct launch_command *command, char *const *environment, struct launched *ret,
	   mitogen_error *err);
void launch_command_clear(struct launch_command *command);
