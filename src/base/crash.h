/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals that mean a crash print a back-trace to stderr; then the process dies of them as ever. Not
 * where the program has a handler of its own.
 */
#pragma once

/* From now on, in this process. name: which one it is, in the tree; copied. */
void crash_enable(const char *name);
/* For a thread of ours, and at its end: a stack for the handler, since its own may be used up. Does
 * nothing unless it is enabled. */
void crash_enter_thread(void);
void crash_leave_thread(void);
