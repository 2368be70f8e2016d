/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/image.h"

#include <errno.h>
#include <limits.h>
#include <mitogen/mitogen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/memory.h"
#include "cli/say.h"

struct search {
	const char *file;
	char *looked; /* where it is not, for a person */
};

static bool is_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || access(path, X_OK) < 0)
		return false;
	errno = EISDIR;
	return S_ISREG(st.st_mode);
}

/* The path of the agent if it is in the directory; otherwise notes that it is not. */
static char *try_directory(struct search *search, const char *directory, int length)
{
	char *path = memory_format("%.*s/%s", length, directory, search->file);
	char *looked;

	if (is_program(path))
		return path;
	looked = memory_format("%s%s%s (%s)", search->looked ? search->looked : "",
			       search->looked ? ", " : "", path, strerror(errno));
	free(search->looked);
	free(path);
	search->looked = looked;
	return NULL;
}

static char *try_list(struct search *search, const char *list)
{
	char *path = NULL;

	while (list && *list && !path) {
		size_t length = strcspn(list, ":");

		if (length > 0)
			path = try_directory(search, list, (int)length);
		list += length + (list[length] == ':');
	}
	return path;
}

static char *try_beside_program(struct search *search)
{
	static const char *const directories[] = {"agents", "../lib/mitogen/agents"};
	char program[PATH_MAX], *path = NULL;
	ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *slash;

	program[size > 0 ? size : 0] = '\0';
	slash = strrchr(program, '/');
	if (!slash) /* no /proc */
		return NULL;
	*slash = '\0';
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]) && !path; i++) {
		char *directory = memory_format("%s/%s", program, directories[i]);

		path = try_directory(search, directory, (int)strlen(directory));
		free(directory);
	}
	return path;
}

char *image_find(void)
{
	struct search search = {.file = mitogen_platform()};
	char *path, *looked = NULL; /* in vain, where the variable said */

	path = try_list(&search, getenv("MITOGEN_IMAGE_PATH"));
	if (!path) {
		looked = search.looked ? memory_format("%s", search.looked) : NULL;
		path = try_beside_program(&search);
	}
	if (path && looked)
		say("MITOGEN_IMAGE_PATH has no agent: looked for %s; using %s", looked, path);
	free(looked);
	if (!path)
		say("the agent %s is missing; looked for %s; build it with 'make', or name the "
		    "directory "
		    "that has it in MITOGEN_IMAGE_PATH",
		    search.file, search.looked ? search.looked : "it in MITOGEN_IMAGE_PATH");
	free(search.looked);
	return path;
}
