/* SPDX-License-Identifier: BSD-3-Clause */
/* Unix stream sockets by their path, and who is at their other end. */
#pragma once

#include <sys/types.h>

/* A bound socket that does not listen yet, close-on-exec; it does not block. -1: errno; ENAMETOOLONG:
 * more than about 100 bytes. */
int unix_socket_bind(const char *path);
/* A connected one, close-on-exec, which blocks, but no call on it for longer than timeout_ms, connecting
 * included. -1: errno; EAGAIN: it took longer. */
int unix_socket_connect(const char *path, int timeout_ms);
/* The next one that waits to be accepted, close-on-exec; it does not block. -1: errno. */
int unix_socket_accept(int fd);
/* Sends without waiting, and without SIGPIPE. Bytes sent, or -1: errno. */
ssize_t unix_socket_send(int fd, const void *data, size_t size);
/* The effective user of the process at the other end when it connected or began to listen, and its PID,
 * 0 where that is not known. 0 or -1, errno. */
int unix_socket_peer(int fd, uid_t *ret_uid, pid_t *ret_pid);
