/* SPDX-License-Identifier: BSD-3-Clause */
/* Being a child: reads who it is from its parent, serves calls, and ends with its parent. */
#pragma once

#include <stdbool.h>

struct builtin;
struct router;

/* Was this program started as a child? */
bool child_is_child(int argc, char *const *argv);
/* First thing in main of a child, one thread. Takes the standard descriptors over: afterwards stdin is
 * empty, and what is printed reaches the parent's log. prepare is called once the router exists,
 * before the first call; it returns 0, or a code: the child gives up. Does not return. */
__attribute__((noreturn)) void child_run(const struct builtin *const *builtins,
					 int (*prepare)(struct router *router));
