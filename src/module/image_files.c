/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/image_files.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/self.h"
#include "base/sys.h"
#include "module/image.h"
#include "module/images.h"
#include "module/platform.h"

struct image_files {
	struct image_source source;
	char *program; /* or NULL */
	char *directories;
};

/* The directories, separated by ':': those of path, then that of the program. NULL: no memory. */
static char *join_path(const char *path, const char *program)
{
	char own[PATH_MAX], *all;
	const char *slash;
	size_t size;

	if (!program) {
		ssize_t n = readlink(self_path(), own, sizeof(own) - 1);

		own[n > 0 ? n : 0] = '\0';
		program = own;
	}
	slash = strrchr(program, '/');
	size = strlen(path) + strlen(program) + sizeof(":.");
	all = sys.malloc(size);
	if (!all)
		return NULL;
	if (slash)
		snprintf(all, size, "%s:%.*s", path, (int)(slash - program), program);
	else
		snprintf(all, size, "%s%s", path, *program ? ":." : "");
	return all;
}

/* The file of this platform in the first directory, in out; or false. *directories is moved on. */
static bool next_file(const char **directories, const char *platform, char *out, size_t size)
{
	while (**directories) {
		const char *directory = *directories;
		size_t length = strcspn(directory, ":");
		int n = snprintf(out, size, "%.*s/%s", (int)length, directory, platform);

		*directories += length + (directory[length] == ':');
		if (length > 0 && n > 0 && (size_t)n < size)
			return true;
	}
	return false;
}

static bool is_there(const char *directories, const char *platform)
{
	char file[PATH_MAX], compressed[PATH_MAX + sizeof(".gz")];

	while (next_file(&directories, platform, file, sizeof(file))) {
		snprintf(compressed, sizeof(compressed), "%s.gz", file);
		if (access(file, R_OK) == 0 || access(compressed, R_OK) == 0)
			return true;
	}
	return false;
}

ERROR_PATH static void describe_rest(const char *directories, const char *platform,
				     const char *looked, mitogen_error *err)
{
	char others[PLATFORM_LIST_SIZE];
	size_t used = 0;
	const char *name;

	others[0] = '\0';
	for (size_t i = 0; (name = platform_at(i)) != NULL; i++)
		if (is_there(directories, name))
			used += (size_t)snprintf(others + used, sizeof(others) - used, "%s%s",
						 used > 0 ? ", " : "", name);
	error_set(err, MITOGEN_ERR_CONNECT,
		  "there is no image for %s%s%s%s; build it with 'make agents', or name the "
		  "directory that has it in MITOGEN_IMAGE_PATH",
		  platform, looked, used > 0 ? "; there are some for " : "", others);
}

/* From the first directory that has one. */
static struct image *search(const char *directories, const char *platform, bool is_raw,
			    mitogen_error *err)
{
	char file[PATH_MAX], looked[1024] = "";
	const char *rest = directories;
	size_t used = 0;
	mitogen_error why;

	while (next_file(&rest, platform, file, sizeof(file))) {
		struct image *image = image_load_either(file, platform, is_raw, &why);

		if (image)
			return image;
		if (used < sizeof(looked))
			used += (size_t)snprintf(looked + used, sizeof(looked) - used, "%s%.400s",
						 used > 0 ? "; " : ": ", why.text);
	}
	describe_rest(directories, platform, looked, err);
	return NULL;
}

static struct image *load(struct image_source *source, const char *file, const char *platform,
			  bool is_raw, mitogen_error *err)
{
	const struct image_files *files = LIST_OWNER(source, struct image_files, source);

	if (!file && platform == platform_own()) {
		if (!files->program)
			return image_load_own(err);
		file = files->program;
	}
	if (file)
		return image_load_either(file, platform, is_raw, err);
	return search(files->directories, platform, is_raw, err);
}

static void close_files(struct image_source *source)
{
	struct image_files *files = LIST_OWNER(source, struct image_files, source);

	sys.free(files->program);
	sys.free(files->directories);
	sys.free(files);
}

struct image_source *image_files_new(const char *program, const char *path)
{
	struct image_files *files = sys.calloc(1, sizeof(*files));

	if (!files)
		return NULL;
	if (!path)
		path = getenv("MITOGEN_IMAGE_PATH");
	files->program = program ? sys_strdup(program) : NULL;
	files->directories = join_path(path ? path : "", program);
	files->source = (struct image_source){files->program, load, close_files};
	if (files->directories && (files->program || !program))
		return &files->source;
	close_files(&files->source);
	return NULL;
}
