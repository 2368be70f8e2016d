/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/environment.h"

#include <string.h>
#include <unistd.h>

#include "base/sys.h"

char **environment_copy(void)
{
	extern char **environ;

	return environment_copy_of(environ);
}

char **environment_copy_of(char *const *environment)
{
	size_t count = 0, size = 0;
	char **copy, *at;

	for (; environment[count]; count++)
		size += strlen(environment[count]) + 1;
	copy = sys.malloc((count + 1) * sizeof(*copy) + size);
	if (!copy)
		return NULL;
	at = (char *)(copy + count + 1);
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(environment[i]) + 1;

		copy[i] = memcpy(at, environment[i], length);
		at += length;
	}
	copy[count] = NULL;
	return copy;
}

const char *environment_get(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}
