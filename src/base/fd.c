/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

void fd_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

/* A host program may have closed its standard descriptors; what lands there would be mistaken. */
static int move_high(int ret[2], int made)
{
	for (int i = 0; made == 0 && i < 2; i++) {
		int high;

		if (ret[i] >= 3)
			continue;
		high = fd_dup_high(ret[i]);
		if (high < 0) {
			fd_close(ret[0]);
			fd_close(ret[1]);
			return -1;
		}
		fd_close(ret[i]);
		ret[i] = high;
	}
	return made;
}

int fd_socketpair(int ret[2])
{
	return move_high(ret, sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret));
}

int fd_pipe(int ret[2])
{
	return move_high(ret, sys.pipe2(ret, O_CLOEXEC));
}

int fd_set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int fd_dup_high(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

void fd_close_from(int lowest)
{
	struct rlimit limit;
	int end = 1024;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, lowest, ~0U, 0) == 0)
		return;
#endif
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1 << 20)
		end = (int)limit.rlim_cur;
	for (int fd = lowest; fd < end; fd++)
		close(fd);
}
