/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define FLAGS (O_RDWR | O_NOCTTY | O_CLOEXEC)

#ifdef __linux__
#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41) /* Linux 4.13; old headers do not have it */
#endif

/* The first one may be missing, or have permissions of its own, where only the second one was mounted
 * with care, and the other way round. */
static int open_master(void)
{
	int fd = fd_move_high(open("/dev/ptmx", FLAGS));

	return fd >= 0 ? fd : fd_move_high(open("/dev/pts/ptmx", FLAGS));
}

static int open_slave(int master)
{
	int locked = 0, fd;
	unsigned number;
	char path[32];

	if (ioctl(master, TIOCSPTLCK, &locked) < 0)
		return -1;
	fd = fd_move_high(ioctl(master, TIOCGPTPEER, FLAGS)); /* wherever it is mounted */
	if (fd >= 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return fd;
	snprintf(path, sizeof(path), "/dev/pts/%u", number);
	return fd_move_high(open(path, FLAGS));
}
#else
static int open_master(void)
{
	int fd = fd_move_high(posix_openpt(O_RDWR | O_NOCTTY));

	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static int open_slave(int master)
{
	const char *path;

	if (grantpt(master) < 0 || unlockpt(master) < 0)
		return -1;
	path = ptsname(master);
	return path ? fd_move_high(open(path, FLAGS)) : -1;
}
#endif

int pty_open(struct pty *ret)
{
	CLEANUP_FD int master = open_master();
	int slave = master < 0 ? -1 : open_slave(master);

	if (slave < 0)
		return -1;
	*ret = (struct pty){TAKE_FD(master), slave};
	return 0;
}

void pty_close(struct pty *pty)
{
	fd_close(TAKE_FD(pty->slave));
	fd_close(TAKE_FD(pty->master));
}

bool pty_echoes(int fd)
{
	struct termios settings;

	return tcgetattr(fd, &settings) < 0 || (settings.c_lflag & ECHO);
}

int pty_set_raw(int fd)
{
	struct termios settings;

	if (tcgetattr(fd, &settings) < 0)
		return -1;
	cfmakeraw(&settings);
	return tcsetattr(fd, TCSANOW, &settings);
}
