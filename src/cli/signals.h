/* SPDX-License-Identifier: BSD-3-Clause */
/* The signals that ask us to end, as bytes in a pipe. One set for the process. */
#pragma once

/* Starts to catch SIGINT, SIGTERM and SIGHUP, except what was ignored when we were started.
 * Returns the descriptor to poll, or -1 with errno. */
int signals_catch(void);
/* The next one that came, or 0. */
int signals_next(void);
