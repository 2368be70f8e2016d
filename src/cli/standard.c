/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void standard_fill(void)
{
	/* a stdout that can be read only: writing to it fails as it does where it is closed */
	static const int modes[] = {O_RDONLY, O_RDONLY, O_RDWR};

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			return; /* no /dev: nothing here opens a descriptor that lands below 3 */
}

/* Opens the pipe or terminal again; -1 where that is impossible. */
static int reopen(int number)
{
	int mode = number == STDIN_FILENO ? O_RDONLY : O_WRONLY;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", number);
	return open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool has_mode(int number)
{
	int flags = fcntl(number, F_GETFL);
	int mode = flags & O_ACCMODE;

	return flags >= 0 &&
	       (mode == O_RDWR || mode == (number == STDIN_FILENO ? O_RDONLY : O_WRONLY));
}

void standard_open(struct standard *standard, int number)
{
	struct stat st;
	bool may_block;

	*standard = (struct standard){.fd = number};
	if (fstat(number, &st) < 0)
		return;
	standard->is_socket = S_ISSOCK(st.st_mode);
	may_block = S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(number));
	if (!may_block || !has_mode(number))
		return;
	standard->fd = reopen(number);
	standard->is_own = standard->fd >= 0;
	standard->is_careful = !standard->is_own;
	if (standard->is_careful)
		standard->fd = number;
}

bool standard_outputs_are_one(void)
{
	struct stat out, err;

	return has_mode(STDOUT_FILENO) && has_mode(STDERR_FILENO) &&
	       fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
	       out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

ssize_t standard_read(const struct standard *standard, void *data, size_t size)
{
	if (standard->is_socket)
		return recv(standard->fd, data, size, MSG_DONTWAIT);
	return read(standard->fd, data, size);
}

ssize_t standard_write(const struct standard *standard, const void *data, size_t size)
{
	if (standard->is_socket)
		return send(standard->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* a pipe that poll calls writable takes this much */
	if (standard->is_careful && size > PIPE_BUF)
		size = PIPE_BUF;
	return write(standard->fd, data, size);
}

void standard_close(struct standard *standard)
{
	if (standard->is_own)
		close(standard->fd);
	*standard = (struct standard){.fd = -1};
}

void standard_close_input(struct standard *standard)
{
	int null;

	standard_close(standard);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	close(null);
}
