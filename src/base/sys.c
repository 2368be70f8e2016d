/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int pidfd_open_call(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	errno = ENOSYS;
	return -1;
#endif
}

struct sys sys = {
	.malloc = malloc,
	.calloc = calloc,
	.realloc = realloc,
	.free = free,
	.clock_gettime = clock_gettime,
	.read = read,
	.write = write,
	.writev = writev,
	.recv = recv,
	.send = send,
	.sendmsg = sendmsg,
	.socketpair = socketpair,
	.pipe2 = pipe2,
	.socket = socket,
	.accept4 = accept4,
	.poll = poll,
	.fork = fork,
	.waitpid = waitpid,
	.pidfd_open = pidfd_open_call,
};

char *sys_strdup(const char *s)
{
	size_t size = strlen(s) + 1;
	char *copy = sys.malloc(size);

	return copy ? memcpy(copy, s, size) : NULL;
}
