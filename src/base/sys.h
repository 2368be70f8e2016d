/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one table through which allocation, the clock and those system calls go whose failures are
 * worth injecting: they occur in practice, and something is to be handled. base/faults.h replaces
 * entries in test builds; nothing else does.
 */
#pragma once

#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct sys {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *p, size_t size);
	void (*free)(void *p);
	int (*clock_gettime)(clockid_t clock, struct timespec *ret);
	ssize_t (*read)(int fd, void *data, size_t size);
	ssize_t (*write)(int fd, const void *data, size_t size);
	ssize_t (*writev)(int fd, const struct iovec *iov, int count);
	ssize_t (*recv)(int fd, void *data, size_t size, int flags);
	ssize_t (*send)(int fd, const void *data, size_t size, int flags);
	ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
	int (*socketpair)(int domain, int type, int protocol, int ret[2]);
	int (*pipe2)(int ret[2], int flags);
	int (*socket)(int domain, int type, int protocol);
	int (*accept4)(int fd, struct sockaddr *ret, socklen_t *size, int flags);
	int (*poll)(struct pollfd *fds, nfds_t count, int timeout_ms);
	pid_t (*fork)(void);
	pid_t (*waitpid)(pid_t pid, int *ret_status, int flags);
	int (*pidfd_open)(pid_t pid); /* -1, ENOSYS where there are none */
};

extern struct sys sys;

char *sys_strdup(const char *s); /* NULL: no memory */
