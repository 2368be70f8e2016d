/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What all threads of this process are doing: each is asked by a signal for its back-trace. Threads are
 * asked by one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* Takes THREADS_SIGNAL for it, unless the program has a handler for that, in which case nobody is asked. */
#define THREADS_SIGNAL SIGURG
void threads_enable(void);
/* For a thread of ours that blocks signals: lets it answer. Does nothing unless it is enabled. */
void threads_enter(void);
/* All but the caller. Not in a signal handler. */
void threads_write(FILE *out);
