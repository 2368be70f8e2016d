/* SPDX-License-Identifier: BSD-3-Clause */
/* A command line as a person would type it. */
#pragma once

#include <stddef.h>

/* The program and its arguments, NULL-terminated, in the words of a POSIX shell: in quotes only where
 * they are needed. Control bytes are escaped. Cut to fit into out, "..." at the end then. Returns out. */
char *quote_command(char *out, size_t size, const char *program, char *const *arguments);
