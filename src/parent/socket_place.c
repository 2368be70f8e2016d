/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/socket_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/unix_socket.h"

#define SOCKET_NAME "socket" /* in a directory of our own choice */
#define TOP_MAX     84       /* bytes of where that is, as paths of sockets are short */
#define LOCK_TRIES  200
#define LOCK_MS     10

/* ---- The directory ---- */

/* Is this a directory where only we can make, replace or reach anything? */
static bool is_private(const struct stat *directory)
{
	return S_ISDIR(directory->st_mode) && directory->st_uid == geteuid() &&
	       (directory->st_mode & 077) == 0;
}

/* $XDG_RUNTIME_DIR, if it is as it should be, or /tmp. */
static const char *choose_top(void)
{
	const char *top = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	return top && *top == '/' && strlen(top) <= TOP_MAX && stat(top, &st) == 0 &&
			       is_private(&st)
		       ? top
		       : "/tmp";
}

static int set_path(struct socket_place *place, const char *path, mitogen_error *err)
{
	place->path = sys_strdup(path);
	if (!place->path) {
		error_set_memory(err);
		return MITOGEN_ERR_MEMORY;
	}
	place->name = strrchr(place->path, '/') + 1;
	return 0;
}

/* A new directory with nothing in it. */
static int make_default(struct socket_place *place, mitogen_error *err)
{
	char path[PATH_MAX];
	int size = snprintf(path, sizeof(path), "%s/mitogen-XXXXXX", choose_top());

	if ((size_t)size + sizeof("/" SOCKET_NAME) > sizeof(path) || !mkdtemp(path))
		return error_set_errno(err, "cannot make a directory %.1000s", path);
	place->has_made_directory = true;
	snprintf(path + size, sizeof(path) - (size_t)size, "/%s", SOCKET_NAME);
	if (set_path(place, path, err) == 0)
		return 0;
	path[size] = '\0';
	rmdir(path);
	return MITOGEN_ERR_MEMORY;
}

/* The directory that the given path names, made if it is missing. */
static int make_given(struct socket_place *place, const char *path, mitogen_error *err)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (*path != '/' || !slash[1])
		return error_set(err, MITOGEN_ERR_USAGE,
				 "%.1000s: a listener's path begins with \"/\" and ends with the "
				 "name of the socket",
				 path);
	snprintf(directory, sizeof(directory), "%.*s", slash > path ? (int)(slash - path) : 1,
		 path);
	if (set_path(place, path, err) < 0)
		return MITOGEN_ERR_MEMORY;
	place->has_made_directory = mkdir(directory, 0700) == 0;
	if (!place->has_made_directory && errno != EEXIST)
		return error_set_errno(err, "cannot make the directory %.1000s", directory);
	return 0;
}

static char *directory_of(const struct socket_place *place, char *out, size_t size)
{
	int length = (int)(place->name - place->path) - 1;

	snprintf(out, size, "%.*s", length > 0 ? length : 1, place->path);
	return out;
}

static int open_directory(struct socket_place *place, mitogen_error *err)
{
	char path[PATH_MAX];
	struct stat st;

	directory_of(place, path, sizeof(path));
	place->directory = fd_move_high(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (place->directory < 0 || fstat(place->directory, &st) < 0)
		return error_set_errno(err, "cannot open the directory %.1000s", path);
	if (!is_private(&st))
		return error_set(err, MITOGEN_ERR_USAGE,
				 "%.1000s is no place for a listener: it must be a directory that "
				 "belongs to user %d and has mode 0700",
				 path, (int)geteuid());
	return 0;
}

/* ---- The socket ---- */

/* Does nobody listen at what is there, and is it a socket? */
static bool is_stale(const struct socket_place *place)
{
	struct stat st;
	int fd;

	if (fstatat(place->directory, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISSOCK(st.st_mode))
		return false;
	fd = unix_socket_connect(place->path, 1);
	if (fd < 0)
		return errno == ECONNREFUSED;
	fd_close(fd);
	return false;
}

/* While nobody else does the same there. Returns the socket, or -1: errno. */
static int bind_and_listen(struct socket_place *place)
{
	CLEANUP_FD int fd = unix_socket_bind(place->path);
	struct stat st;

	if (fd < 0 && errno == EADDRINUSE) {
		if (!is_stale(place) || unlinkat(place->directory, place->name, 0) < 0) {
			errno = EADDRINUSE;
			return -1;
		}
		fd = unix_socket_bind(place->path);
	}
	if (fd < 0)
		return -1;
	/* through the directory that was looked at: the path may lead elsewhere by now */
	if (fstatat(place->directory, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	place->device = st.st_dev;
	place->inode = st.st_ino;
	return listen(fd, SOMAXCONN) < 0 ? -1 : TAKE_FD(fd);
}

/* Of two that find the same stale socket one must not remove the other's new one. 0, or -1: errno. */
static int lock(int directory)
{
	int r;

	for (int i = 0; (r = flock(directory, LOCK_EX | LOCK_NB)) < 0 && i < LOCK_TRIES; i++)
		sys.poll(NULL, 0, LOCK_MS);
	return r;
}

static int make_socket(struct socket_place *place, mitogen_error *err)
{
	int fd;

	if (lock(place->directory) < 0)
		return error_set_errno(err, "cannot listen at %.1000s: its directory is locked",
				       place->path);
	fd = bind_and_listen(place);
	if (fd < 0 && errno == EADDRINUSE)
		error_set_errno(err, "cannot listen at %.1000s: somebody does, or it is no socket",
				place->path);
	else if (fd < 0)
		error_set_errno(err, "cannot listen at %.1000s", place->path);
	flock(place->directory, LOCK_UN);
	return fd < 0 ? MITOGEN_ERR_SYSTEM : fd;
}

int socket_place_make(const char *path, struct socket_place *ret, mitogen_error *err)
{
	struct socket_place place = {.directory = -1, .owner = getpid()};
	int r = path ? make_given(&place, path, err) : make_default(&place, err);

	if (r == 0 && place.path)
		r = open_directory(&place, err);
	if (r == 0 && place.name)
		r = make_socket(&place, err);
	if (r < 0)
		socket_place_clear(&place);
	else
		*ret = place;
	return r;
}

/* Is what is there the socket that we made? */
static bool is_ours(const struct socket_place *place)
{
	struct stat st;

	return fstatat(place->directory, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == place->device && st.st_ino == place->inode;
}

void socket_place_clear(struct socket_place *place)
{
	char path[PATH_MAX];
	bool is_owner = place->owner == getpid();

	if (is_owner && place->name && is_ours(place))
		unlinkat(place->directory, place->name, 0);
	if (is_owner && place->name && place->has_made_directory)
		rmdir(directory_of(place, path, sizeof(path)));
	fd_close(place->directory);
	sys.free(place->path);
	*place = (struct socket_place){.directory = -1};
}
