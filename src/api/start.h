/* SPDX-License-Identifier: BSD-3-Clause */
/* Child detection, for programs and for the agent alike, copies of the program that become children,
 * and the builtins. */
#pragma once

#include <mitogen/types.h>

struct builtin;
struct fork_server;

extern const struct builtin *const master_builtins[]; /* what a master runs for itself */

/* Does not return if this process was started as a child. */
void start_child_if_asked(int argc, char **argv);
/* As fork_server_start, for children of ours. */
int start_fork_server(struct fork_server *ret, mitogen_error *err);
