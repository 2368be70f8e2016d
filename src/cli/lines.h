/* SPDX-License-Identifier: BSD-3-Clause */
/* Putting a name before each line of a program's output. */
#pragma once

#include <stddef.h>

#define LINE_SIZE_MAX (64u * 1024) /* longer ones are cut, each piece a line of its own */

struct line { /* whose end has not come yet; {0}: none */
	char *data;
	size_t size;
};

/* Puts the lines of data that are complete, the kept one first, behind "prefix: " into a buffer to
 * be freed, and keeps what remains. Returns their size; 0 without a buffer: none is complete. */
size_t lines_add(struct line *line, const char *prefix, const char *data, size_t size, char **ret);
/* The kept line in the same way, with the newline that it lacks. Nothing is kept then. */
size_t lines_end(struct line *line, const char *prefix, char **ret);
