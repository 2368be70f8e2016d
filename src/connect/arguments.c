/* SPDX-License-Identifier: BSD-3-Clause */
#include "connect/arguments.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "parent/launch.h"

void arguments_clear(struct arguments *arguments)
{
	for (size_t i = 0; i < arguments->count; i++)
		sys.free(arguments->list[i]);
	sys.free(arguments->list);
	*arguments = (struct arguments){.list = NULL};
}

/* Takes text over. */
static void append(struct arguments *arguments, char *text)
{
	char **list = NULL;

	if (text)
		list = sys.realloc(arguments->list, (arguments->count + 2) * sizeof(*list));
	if (!list) {
		sys.free(text);
		arguments->has_failed = true;
		return;
	}
	list[arguments->count++] = text;
	list[arguments->count] = NULL;
	arguments->list = list;
}

void arguments_add(struct arguments *arguments, const char *text)
{
	append(arguments, sys_strdup(text));
}

void arguments_add_all(struct arguments *arguments, const char *const *texts)
{
	for (; texts && *texts; texts++)
		arguments_add(arguments, *texts);
}

void arguments_print(struct arguments *arguments, const char *format, ...)
{
	va_list args, again;
	char *text;
	int size;

	va_start(args, format);
	va_copy(again, args);
	size = vsnprintf(NULL, 0, format, args);
	text = size < 0 ? NULL : sys.malloc((size_t)size + 1);
	if (text)
		vsnprintf(text, (size_t)size + 1, format, again);
	va_end(again);
	va_end(args);
	append(arguments, text);
}

int arguments_command(struct arguments *arguments, char *const *environment,
		      struct launch_command *ret, mitogen_error *err)
{
	const char *path = environment_get(environment, "PATH");
	int r = 0;

	if (arguments->has_failed)
		r = error_set_memory(err);
	else if (spawn_find(arguments->list[0], path, &ret->path) == 0)
		ret->argv = TAKE_PTR(arguments->list);
	else if (errno == ENOENT)
		r = error_set(err, MITOGEN_ERR_CONNECT,
			      "there is no program %s here (PATH is %.300s)", arguments->list[0],
			      path ? path : "not set");
	else
		r = error_set_errno(err, "cannot run %s", arguments->list[0]);
	if (r == 0)
		arguments->count = 0;
	arguments_clear(arguments);
	return r;
}
