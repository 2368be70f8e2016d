/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/memory.h"

#define WORD_MAX 32 /* longer words are no mistyped ones of ours */

static const char *own_name = "mitogen";

void say_set_name(const char *name)
{
	own_name = name;
}

int say_format(char out[SAY_MAX], const char *format, va_list args)
{
	int used = snprintf(out, SAY_MAX - 1, "%s: ", own_name);
	int more = vsnprintf(out + used, SAY_MAX - 1 - (size_t)used, format, args);

	used = more < SAY_MAX - 1 - used ? used + more : SAY_MAX - 2;
	out[used] = '\n';
	return used + 1;
}

void say(const char *format, ...)
{
	char line[SAY_MAX];
	va_list args;
	int size;

	va_start(args, format);
	size = say_format(line, format, args);
	va_end(args);
	if (write(STDERR_FILENO, line, (size_t)size) < 0)
		return; /* there is nowhere else to say it */
}

char *say_describe(const char *path, const mitogen_error *error)
{
	static const char builtin[] = "mitogen.";
	size_t length = strlen(path);
	const char *text = error->text, *reason;

	if (length > 0 && strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0)
		text += length + 2;
	reason = strstr(text, ": ");
	if (strncmp(text, builtin, strlen(builtin)) != 0 || !reason)
		return memory_format("%s", error->text);
	reason += 2;
	if (length == 0 || strncmp(reason, path, length) == 0)
		return memory_format("%s", reason);
	return memory_format("%s: %s", path, reason);
}

void say_error(const char *path, const mitogen_error *error)
{
	char *text = say_describe(path, error);

	say("%s", text);
	free(text);
}

/* How many characters have to be put in, taken out, replaced or swapped to make b of a. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1] = {{0}};
	size_t length = strlen(b);

	for (size_t j = 0; j <= length; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= strlen(a); i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			row[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
			if (above[j] + 1 < row[j])
				row[j] = above[j] + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    second[j - 2] + 1 < row[j])
				row[j] = second[j - 2] + 1;
		}
	}
	return rows[strlen(a) % 3][length];
}

const char *say_closest(const char *word, const char *const *candidates)
{
	const char *best = NULL;
	size_t best_distance = 3;

	for (; *candidates && strlen(word) <= WORD_MAX; candidates++) {
		size_t d = distance(word, *candidates);

		if (d < best_distance && d < strlen(*candidates) && d < strlen(word)) {
			best_distance = d;
			best = *candidates;
		}
	}
	return best;
}
