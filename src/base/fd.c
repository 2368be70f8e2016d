/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
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
int fd_move_high(int fd)
{
	int high;

	if (fd < 0 || fd >= 3)
		return fd;
	high = fd_dup_high(fd);
	fd_close(fd);
	return high;
}

static int move_both_high(int ret[2], const int made[2])
{
	int high[2] = {fd_move_high(made[0]), fd_move_high(made[1])};

	if (high[0] < 0 || high[1] < 0) {
		fd_close(high[0]);
		fd_close(high[1]);
		return -1;
	}
	memcpy(ret, high, sizeof(high));
	return 0;
}

int fd_socketpair(int ret[2])
{
	int made[2];

	return sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made) < 0
		       ? -1
		       : move_both_high(ret, made);
}

int fd_pipe(int ret[2])
{
	int made[2];

	return sys.pipe2(made, O_CLOEXEC) < 0 ? -1 : move_both_high(ret, made);
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
