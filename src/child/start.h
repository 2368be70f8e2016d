/* SPDX-License-Identifier: BSD-3-Clause */
/* Being a child: reads who it is from its parent, serves calls, and ends with its parent. */
#pragma once

#include <stdbool.h>

struct builtin;
struct router;

/* Was this program started as a child? */
bool child_is_child(int argc, char *const *argv);
/* First thing in main of a child: deletes the file that was executed, if the child was told to. Only one
 * that has such a name is deleted. */
void child_unlink(int argc);

struct child_role {
	const struct builtin *const *builtins; /* as those of struct router */
	bool is_copy; /* of another process, whose descriptors stay as they are; otherwise a program */
	/* Sets up a fork server, if the parent wants one here. There is no router yet. 0 or -1. */
	int (*start_fork_server)(void);
	int (*prepare)(struct router *router); /* there is one; before the first call. The same */
	/* We are detached: nobody is above us any more. Broker thread, router lock. */
	void (*lose_above)(struct router *router);
};

/* In main of a child, one thread. Takes the standard descriptors over: afterwards stdin is
 * empty, and what is printed reaches the parent's log. Does not return. */
__attribute__((noreturn)) void child_run(const struct child_role *role);
