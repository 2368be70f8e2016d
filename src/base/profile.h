/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the processor time of this process goes: while it runs, a hundred times a second the thread that
 * runs is interrupted by SIGPROF, and its functions are counted.
 */
#pragma once

/* Begins; the result goes to a file at path, which is made now. 0 or -1, errno; EBUSY: it has begun already,
 * or the program has a handler for SIGPROF. */
int profile_begin(const char *path);
/* For a thread of ours that blocks signals: lets it be counted. Does nothing unless it has begun. */
void profile_enter_thread(void);
/* Writes the file: a line for each way into a function, "thread;outermost;...;innermost count", as tools
 * for flame graphs read it, with addresses as addr2line(1) wants them. 0 or -1, errno. */
int profile_end(void);
/* In a forked copy of the process: it is not counted, and writes nothing. */
void profile_forget(void);
