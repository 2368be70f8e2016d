/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling the public error object. err may be NULL everywhere. */
#pragma once

/* Of functions that hold an error, of 2 KiB, and are rarely called: kept apart from who calls them, or
 * what runs all the time would need so much stack, which is memory of every child. */
#define ERROR_PATH __attribute__((__cold__, __noinline__))

#include <mitogen/types.h>
#include <stdarg.h>

#define ERROR_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Replaces what err holds. Returns code. */
int error_set(mitogen_error *err, int code, const char *format, ...) ERROR_PRINTF(3, 4);
int error_vset(mitogen_error *err, int code, const char *format, va_list args) ERROR_PRINTF(3, 0);
/* MITOGEN_ERR_SYSTEM with errno: .sys, .type its name, its text appended. */
int error_set_errno(mitogen_error *err, const char *format, ...) ERROR_PRINTF(2, 3);
int error_set_memory(mitogen_error *err);
/* Puts text in front of what err says. Returns its code. */
int error_prefix(mitogen_error *err, const char *format, ...) ERROR_PRINTF(2, 3);
/* Copies, cut to fit; each may be NULL. */
void error_set_type(mitogen_error *err, const char *type);
void error_set_where(mitogen_error *err, const char *path, const char *function);
/* "MITOGEN_ERR_LOST"; "" for a number that is no code. */
const char *error_code_name(int code);
/* "ENOENT"; "errno 4711" has no name and gives "OSError". */
const char *error_errno_name(int number);
