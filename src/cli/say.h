/* SPDX-License-Identifier: BSD-3-Clause */
/* What the command tells a person on stderr. */
#pragma once

#include <stdarg.h>

#define SAY_PRINTF(f, a) __attribute__((__format__(__printf__, f, a)))
#define SAY_MAX          4096

/* "mitogen run", which stands before each line; a constant. */
void say_set_name(const char *name);
/* One line, written at once. */
void say(const char *format, ...) SAY_PRINTF(1, 2);
/* The same line into out, its newline included; returns its size. */
int say_format(char out[SAY_MAX], const char *format, va_list args) SAY_PRINTF(2, 0);
/* The candidate that a mistyped word most likely means, or NULL. candidates ends with NULL. */
const char *say_closest(const char *word, const char *const *candidates);
