/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/say.h"

/* Our children end with us. */
void *memory_check(void *memory)
{
	if (memory)
		return memory;
	say("out of memory");
	_exit(EXIT_FAILED);
}

void *memory_calloc(size_t count, size_t size)
{
	return memory_check(calloc(count > 0 ? count : 1, size));
}

void *memory_realloc(void *old, size_t size)
{
	return memory_check(realloc(old, size));
}

char *memory_format(const char *format, ...)
{
	va_list args;
	char *text;
	int size;

	va_start(args, format);
	size = vasprintf(&text, format, args);
	va_end(args);
	return memory_check(size < 0 ? NULL : text);
}
