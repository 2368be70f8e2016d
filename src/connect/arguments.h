/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of a tool, made argument by argument. */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stddef.h>

struct launch_command;

struct arguments { /* zero at first */
	char **list;
	size_t count;
	bool has_failed; /* for want of memory */
};

void arguments_add(struct arguments *arguments, const char *text);
void arguments_add_all(struct arguments *arguments, const char *const *texts);
void arguments_print(struct arguments *arguments, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void arguments_clear(struct arguments *arguments);
/* The command that these are, the tool's name included, which is looked for in the PATH of that
 * environment. Empties arguments, whatever happens. 0, or a negative code with err set. */
int arguments_command(struct arguments *arguments, char *const *environment,
		      struct launch_command *ret, mitogen_error *err);
