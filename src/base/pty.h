/* SPDX-License-Identifier: BSD-3-Clause */
/* Pseudo-terminals, for programs that ask on their terminal. */
#pragma once

#include <stdbool.h>

/* What is written to one side is read from the other; the settings are the slave's, and can be had from
 * either. As long as the slave is open the master has no end of file. Both are close-on-exec. */
struct pty {
	int master, slave; /* -1: none */
};

#define PTY_NONE ((struct pty){-1, -1})

/* Without the C library's help, which takes care that the slave belongs to a certain group and fails where
 * /dev/pts is not mounted as it expects. 0, or -1 with errno. */
int pty_open(struct pty *ret);
/* Takes PTY_NONE, and leaves it. Closing the master hangs up: the session whose terminal it is gets
 * SIGHUP, also where we may send it no signal. */
void pty_close(struct pty *pty);
/* Would what is typed be shown? Also true if that cannot be told. */
bool pty_echoes(int fd);
/* From now on bytes pass as they are, both ways. 0, or -1 with errno. */
int pty_set_raw(int fd);
