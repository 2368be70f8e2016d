/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/platforms_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "core/router.h"
#include "parent/platforms_table.h"

#define FILE_NAME     "platforms"
#define FILE_SIZE_MAX (PLATFORMS_MAX * PLATFORMS_LINE_MAX)

/* is_private: nobody else can have put something there, or can take it away. */
static bool is_ours(int fd, mode_t type, bool is_private)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
	       !(is_private && st.st_mode & (S_IWGRP | S_IWOTH));
}

static int open_directory(int at, const char *path, bool is_private)
{
	CLEANUP_FD int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && is_ours(fd, S_IFDIR, is_private) ? TAKE_FD(fd) : -1;
}

/* The path of the directory for caches. False: there is none. */
static bool find_caches(char *out, size_t size)
{
	const char *caches = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
	int n = 0;

	if (caches && caches[0] == '/')
		n = snprintf(out, size, "%s", caches);
	else if (home && home[0] == '/')
		n = snprintf(out, size, "%s/.cache", home);
	return n > 0 && (size_t)n < size;
}

/* If where it belongs is ours: with sudo it may be somebody else's home. */
static void make_caches(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	char above[PATH_MAX];
	CLEANUP_FD int fd = -1;

	snprintf(above, sizeof(above), "%.*s", (int)(name - path), path);
	fd = open_directory(AT_FDCWD, above, false);
	if (fd >= 0)
		mkdirat(fd, name, 0700); /* or it exists */
}

/* Our own directory among the caches, or -1. */
static int open_cache(bool is_made)
{
	CLEANUP_FD int caches = -1;
	char path[PATH_MAX];

	if (!find_caches(path, sizeof(path)))
		return -1;
	if (is_made)
		make_caches(path);
	caches = open_directory(AT_FDCWD, path, false);
	if (caches < 0)
		return -1;
	if (is_made)
		mkdirat(caches, "mitogen", 0700);
	return open_directory(caches, "mitogen", true);
}

static void read_into(struct platforms *platforms, int directory)
{
	CLEANUP_FD int fd = openat(directory, FILE_NAME,
				   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	CLEANUP_FREE char *text = NULL;
	ssize_t size;

	if (fd < 0 || !is_ours(fd, S_IFREG, true))
		return;
	text = sys.malloc(FILE_SIZE_MAX);
	size = text ? sys.read(fd, text, FILE_SIZE_MAX) : -1;
	if (size > 0)
		platforms_parse(platforms, text, (size_t)size);
}

static bool write_to(int fd, const struct platforms *platforms)
{
	CLEANUP_FREE char *text = sys.malloc(FILE_SIZE_MAX);
	size_t used = 0;

	if (!text)
		return false;
	LIST_FOR_EACH (node, &platforms->oldest_first)
		used += platforms_print(LIST_OWNER(node, struct platforms_entry, link),
					text + used);
	return sys.write(fd, text, used) == (ssize_t)used;
}

/* Readers see the old one or the new one. */
static void replace(int directory, const struct platforms *platforms)
{
	char name[sizeof(FILE_NAME) + 16];
	bool is_whole;
	int fd;

	snprintf(name, sizeof(name), FILE_NAME ".%08" PRIx32, random_u32());
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	is_whole = write_to(fd, platforms);
	fd_close(fd);
	if (!is_whole || renameat(directory, name, directory, FILE_NAME) < 0)
		unlinkat(directory, name, 0);
}

void platforms_file_load(struct router *router)
{
	CLEANUP_FD int directory = open_cache(false);
	struct platforms *platforms = sys.malloc(sizeof(*platforms));

	if (!platforms)
		return;
	platforms_init(platforms);
	if (directory >= 0)
		read_into(platforms, directory);
	router->platforms = platforms;
}

/* Sets what is news in the other. False: nothing is. */
static bool add_news(const struct platforms *from, struct platforms *to)
{
	bool is_any = false;

	LIST_FOR_EACH (node, &from->oldest_first) {
		const struct platforms_entry *entry =
			LIST_OWNER(node, struct platforms_entry, link);

		is_any |= entry->is_news;
		if (entry->is_news && to)
			platforms_set(to, entry->target, entry->platform, false);
	}
	return is_any;
}

void platforms_file_save(struct router *router)
{
	CLEANUP_FD int directory = -1;
	struct platforms all;

	if (!router->platforms || !add_news(router->platforms, NULL))
		return;
	directory = open_cache(true);
	if (directory < 0)
		return;
	platforms_init(&all);
	read_into(&all, directory);
	add_news(router->platforms, &all);
	replace(directory, &all);
	platforms_drop(&all);
}
