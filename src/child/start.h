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
 * before the first call. Does not return. */
__attribute__((noreturn)) void child_run(const struct builtin *builtins,
					 void (*prepare)(struct router *router));
