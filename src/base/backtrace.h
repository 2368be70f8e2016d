/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which functions a thread is in, taken in a signal handler. With glibc by the tables that exceptions
 * use; elsewhere along the frame pointers, and what lies before the first of them on the stack is
 * looked through for addresses of code: those are marked as guesses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BACKTRACE_MAX 48

struct safe_text;

struct backtrace {
	uintptr_t frames[BACKTRACE_MAX]; /* the innermost first */
	bool is_guess[BACKTRACE_MAX];
	size_t count;
};

/* Once, before the first; not in a handler. */
void backtrace_prepare(void);
/* Of what the handler, to which ucontext was given, has interrupted. Async-signal-safe;
 * modules_load comes before it. */
void backtrace_take(struct backtrace *ret, const void *ucontext);
/* A line for each: "  #0 0x100551 agent+0x551". Async-signal-safe. */
void backtrace_write(const struct backtrace *backtrace, struct safe_text *text);
