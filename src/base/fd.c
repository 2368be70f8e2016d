/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

#define TRACKED_MAX (1u << 20) /* greater numbers are not remembered */
#define FEW         64         /* children, programs and the like take some each, all at once */

static uint32_t ours[TRACKED_MAX / 32]; /* a bit for each that is open; atomic */

static int remember(int fd)
{
	if (fd >= 0 && (unsigned)fd < TRACKED_MAX)
		__atomic_or_fetch(&ours[fd / 32], 1u << fd % 32, __ATOMIC_RELAXED);
	return fd;
}

void fd_close(int fd)
{
	int saved = errno;

	if (fd < 0)
		return;
	if ((unsigned)fd < TRACKED_MAX) /* before another thread can get the number */
		__atomic_and_fetch(&ours[fd / 32], ~(1u << fd % 32), __ATOMIC_RELAXED);
	close(fd);
	errno = saved;
}

/* A host program may have closed its standard descriptors; what lands there would be mistaken. */
int fd_move_high(int fd)
{
	int high;

	if (fd < 0 || fd >= 3)
		return remember(fd);
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

ssize_t fd_writev(int fd, const struct iovec *iov, int count)
{
	return count == 1 ? sys.write(fd, iov->iov_base, iov->iov_len) : sys.writev(fd, iov, count);
}

/* SIGPIPE comes to the thread that wrote. It takes it back, unless one waited for it before. */
ssize_t fd_writev_quietly(int fd, const struct iovec *iov, int count)
{
	sigset_t sigpipe, before, waiting;
	ssize_t n;
	int error, ignored;

	sigemptyset(&sigpipe);
	sigemptyset(&waiting);
	sigaddset(&sigpipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
	if (sigismember(&before, SIGPIPE))
		sigpending(&waiting);
	n = fd_writev(fd, iov, count);
	error = errno;
	if (n < 0 && error == EPIPE && !sigismember(&waiting, SIGPIPE)) {
		sigpending(&waiting); /* not if it is ignored */
		if (sigismember(&waiting, SIGPIPE))
			sigwait(&sigpipe, &ignored);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return n;
}

int fd_dup_high(int fd)
{
	return remember(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

void fd_allow_more(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max ||
	    (limit.rlim_cur > FEW && fcntl((int)limit.rlim_cur - FEW, F_GETFD) < 0))
		return;
	limit.rlim_cur = limit.rlim_cur < limit.rlim_max / 2 ? limit.rlim_cur * 2 : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Descriptors have smaller numbers. */
static int highest_end(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1 << 20
		       ? (int)limit.rlim_cur
		       : 1024;
}

int fd_replace(int number, int fd)
{
#ifdef __linux__
	return dup3(fd, number, O_CLOEXEC) < 0 ? -1 : 0;
#else
	return dup2(fd, number) < 0 || fcntl(number, F_SETFD, FD_CLOEXEC) < 0 ? -1 : 0;
#endif
}

void fd_close_from(int lowest)
{
	int end = highest_end();

#ifdef SYS_close_range
	if (syscall(SYS_close_range, lowest, ~0U, 0) == 0)
		return;
#endif
	for (int fd = lowest; fd < end; fd++)
		close(fd);
}

static void blank(int fd, int null)
{
	if (null < 0)
		close(fd);
	else
		dup3(null, fd, fd < 3 ? 0 : O_CLOEXEC);
}

void fd_blank_ours(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (unsigned i = 0; i < TRACKED_MAX; i++)
		if (ours[i / 32] >> i % 32 & 1)
			blank((int)i, null);
	if (null >= 0)
		close(null);
}

void fd_close_ours(void)
{
	for (unsigned i = 0; i < TRACKED_MAX; i++)
		if (ours[i / 32] >> i % 32 & 1)
			fd_close((int)i);
}

void fd_blank_all(int kept)
{
	int null = fd_move_high(open("/dev/null", O_RDWR | O_CLOEXEC)), end = highest_end();
	struct dirent *entry;
	DIR *list;

	for (int fd = 0; fd < 3; fd++)
		blank(fd, null);
	list = opendir("/proc/self/fd");
	while (list && (entry = readdir(list)) != NULL) {
		long fd = strtol(entry->d_name, NULL, 10); /* 0 for "." and ".." */

		if (fd >= 3 && fd != kept && fd != null && fd != dirfd(list))
			blank((int)fd, null);
	}
	for (int fd = 3; !list && fd < end; fd++)
		if (fd != kept && fd != null && fcntl(fd, F_GETFD) >= 0)
			blank(fd, null);
	if (list)
		closedir(list);
	fd_close(null);
}
