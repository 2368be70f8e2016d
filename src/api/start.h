/* SPDX-License-Identifier: BSD-3-Clause */
/* Child detection, for programs and for the agent alike, and copies of the program that become children. */
#pragma once

#include <mitogen/types.h>

struct fork_server;

/* Does not return if this process was started as a child. */
void start_child_if_asked(int argc, char **argv);
/* As fork_server_start, for children of ours. */
int start_fork_server(struct fork_server *ret, mitogen_error *err);
