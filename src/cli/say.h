/* SPDX-License-Identifier: BSD-3-Clause */
/* What the command tells a person on stderr. */
#pragma once

#include <mitogen/mitogen.h>
#include <stdarg.h>

#define SAY_PRINTF(f, a) __attribute__((__format__(__printf__, f, a)))
#define SAY_MAX          4096

/* "mitogen run", which stands before each line; a constant. */
void say_set_name(const char *name);
/* One line, written at once. */
void say(const char *format, ...) SAY_PRINTF(1, 2);
/* The same line into out, its newline included; returns its size. */
int say_format(char out[SAY_MAX], const char *format, va_list args) SAY_PRINTF(2, 0);
/* What a call of a builtin at path has failed with, without the builtin's name, which people do not
 * know; say_describe returns a text to be freed. */
void say_error(const char *path, const mitogen_error *error);
char *say_describe(const char *path, const mitogen_error *error);
/* The candidate that a mistyped word most likely means, or NULL. candidates ends with NULL. */
const char *say_closest(const char *word, const char *const *candidates);
