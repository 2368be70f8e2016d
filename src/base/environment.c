/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/environment.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"

char **environment_copy(void)
{
	extern char **environ;

	return environment_copy_of(environ);
}

/* Are they of one name? */
static bool is_same(const char *a, const char *b)
{
	size_t length = strcspn(a, "=");

	return strncmp(a, b, length) == 0 && b[length] == '=';
}

char **environment_copy_with(char *const *environment, const char *variable)
{
	size_t count = 0, size = variable ? strlen(variable) + 1 : 0, copied = 0;
	char **copy, *at;

	for (; environment[count]; count++)
		size += strlen(environment[count]) + 1;
	copy = sys.malloc((count + 2) * sizeof(*copy) + size);
	if (!copy)
		return NULL;
	at = (char *)(copy + count + 2);
	for (size_t i = 0; i <= count; i++) {
		const char *next = i < count ? environment[i] : variable;

		if (!next || (i < count && variable && is_same(variable, next)))
			continue;
		copy[copied++] = memcpy(at, next, strlen(next) + 1);
		at += strlen(next) + 1;
	}
	copy[copied] = NULL;
	return copy;
}

char **environment_copy_of(char *const *environment)
{
	return environment_copy_with(environment, NULL);
}

const char *environment_get(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}
