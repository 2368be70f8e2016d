/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/sys.h"

static int make_address(const char *path, struct sockaddr_un *ret)
{
	size_t length = strlen(path);

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (length >= sizeof(ret->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(ret->sun_path, path, length + 1);
	return 0;
}

static int new_socket(void)
{
	return fd_move_high(sys.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

int unix_socket_bind(const char *path)
{
	struct sockaddr_un address;
	CLEANUP_FD int fd = -1;

	if (make_address(path, &address) < 0 || (fd = new_socket()) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fd_set_nonblocking(fd) < 0)
		return -1;
	return TAKE_FD(fd);
}

/* At least 1 ms: 0 would be no limit. */
static int limit_waits(int fd, int timeout_ms)
{
	int ms = timeout_ms > 0 ? timeout_ms : 1;
	struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
			       setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0
		       ? -1
		       : 0;
}

int unix_socket_connect(const char *path, int timeout_ms)
{
	struct sockaddr_un address;
	CLEANUP_FD int fd = -1;
	int r;

	if (make_address(path, &address) < 0 || (fd = new_socket()) < 0 ||
	    limit_waits(fd, timeout_ms) < 0)
		return -1;
	do
		r = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	while (r < 0 && errno == EINTR);
	return r < 0 ? -1 : TAKE_FD(fd);
}

int unix_socket_accept(int fd)
{
	return fd_move_high(sys.accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

ssize_t unix_socket_send(int fd, const void *data, size_t size)
{
	return sys.send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int unix_socket_peer(int fd, uid_t *ret_uid, pid_t *ret_pid)
{
#ifdef SO_PEERCRED
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -1;
	*ret_uid = peer.uid;
	*ret_pid = peer.pid;
	return 0;
#else
	gid_t ignored;

	*ret_pid = 0;
	return getpeereid(fd, ret_uid, &ignored);
#endif
}
