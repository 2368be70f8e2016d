/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/lines.h"

#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"

struct text {
	char *data;
	size_t size, capacity;
};

static void append(struct text *text, const char *data, size_t size)
{
	if (size == 0)
		return;
	if (size > text->capacity - text->size) {
		text->capacity = 2 * (text->size + size);
		text->data = memory_realloc(text->data, text->capacity);
	}
	memcpy(text->data + text->size, data, size);
	text->size += size;
}

/* Writes the kept line with more of it behind, and forgets it. */
static void append_line(struct text *text, struct line *line, const char *prefix, const char *more,
			size_t size)
{
	append(text, prefix, strlen(prefix));
	append(text, ": ", 2);
	append(text, line->data, line->size);
	append(text, more, size);
	append(text, "\n", 1);
	free(line->data);
	*line = (struct line){0};
}

static void keep(struct line *line, const char *data, size_t size)
{
	line->data = memory_realloc(line->data, line->size + size);
	memcpy(line->data + line->size, data, size);
	line->size += size;
}

size_t lines_add(struct line *line, const char *prefix, const char *data, size_t size, char **ret)
{
	struct text text = {0};

	while (size > 0) {
		const char *newline = memchr(data, '\n', size);
		size_t length = newline ? (size_t)(newline - data) : size;
		size_t room = LINE_SIZE_MAX - line->size;
		size_t taken = length <= room ? length : room;

		if (taken < length || (newline && taken == length))
			append_line(&text, line, prefix, data, taken);
		else
			keep(line, data, taken);
		if (newline && taken == length)
			taken++;
		data += taken;
		size -= taken;
	}
	if (text.size > 0)
		*ret = text.data;
	return text.size;
}

size_t lines_end(struct line *line, const char *prefix, char **ret)
{
	struct text text = {0};

	if (line->size == 0)
		return 0;
	append_line(&text, line, prefix, "", 0);
	*ret = text.data;
	return text.size;
}
