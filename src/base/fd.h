/* SPDX-License-Identifier: BSD-3-Clause */
/* File descriptors: each has one owner, is close-on-exec and is closed once. */
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

/* Ignores -1. Keeps errno. */
void fd_close(int fd);
/* Two connected stream sockets, close-on-exec, numbers of at least 3. 0 or -1, errno. */
int fd_socketpair(int ret[2]);
/* A pipe, the same. 0 or -1, errno. */
int fd_pipe(int ret[2]);
/* 0 or -1, errno. */
int fd_set_nonblocking(int fd);
/* As writev(2), and cheaper for one piece. */
ssize_t fd_writev(int fd, const struct iovec *iov, int count);
/* The same, but that it never raises SIGPIPE, also for pipes. */
ssize_t fd_writev_quietly(int fd, const struct iovec *iov, int count);
/* A copy with a number of at least 3, close-on-exec. -1: errno. */
int fd_dup_high(int fd);
/* Raises what this process is allowed, as far as it may, when few numbers are left. What it starts
 * then is allowed as many. */
void fd_allow_more(void);
/* Has the number stand for what fd is, close-on-exec; what it stood for is closed. 0 or -1, errno. */
int fd_replace(int number, int fd);
/* The same as fd_dup_high, in exchange for fd; -1 stays -1. */
int fd_move_high(int fd);
/* Puts /dev/null in the place of every descriptor that was made by these functions and is open: what
 * still has their numbers reads and writes nothing, and closes them as ever. In a forked copy of the
 * process. The second closes all of them. */
void fd_blank_ours(void);
void fd_close_ours(void);
/* Puts /dev/null in the place of every descriptor but this one, whoever opened it, and of the standard
 * ones even if they were closed: what still has their numbers reads and writes nothing. */
void fd_blank_all(int kept);
/* Closes every descriptor from lowest on, whoever opened it. */
void fd_close_from(int lowest);
