/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/output.h"

#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/log.h"

/* Keeps the end of it, line by line, as " | "-separated text. */
static void keep(struct output *output, const char *line)
{
	size_t size = strlen(line), gap = output->tail_size > 0 ? 3 : 0;

	if (size + gap > sizeof(output->tail) - output->tail_size) {
		output->tail_size = 0; /* older lines are of less use than the last ones */
		gap = 0;
	}
	if (size > sizeof(output->tail))
		size = sizeof(output->tail);
	memcpy(output->tail + output->tail_size, " | ", gap);
	memcpy(output->tail + output->tail_size + gap, line, size);
	output->tail_size += gap + size;
}

static void end_line(struct output *output, const char *context)
{
	char text[OUTPUT_LINE_MAX];

	escape_text(text, sizeof(text), output->line, output->line_size);
	output->line_size = 0;
	output->line_is_cut = false;
	if (context)
		log_relay(LOG_WARNING, context, text);
	else if (*text)
		keep(output, text);
}

void output_add(struct output *output, const char *context, const char *data, size_t size)
{
	while (size > 0) {
		const char *newline = memchr(data, '\n', size);
		size_t length = newline ? (size_t)(newline - data) : size;
		size_t room = sizeof(output->line) - output->line_size;
		size_t taken = output->line_is_cut ? 0 : length < room ? length : room;

		memcpy(output->line + output->line_size, data, taken);
		output->line_size += taken;
		if (newline)
			end_line(output, context);
		else if (output->line_size == sizeof(output->line) && !output->line_is_cut) {
			end_line(output, context);
			output->line_is_cut = true;
		}
		if (newline)
			length++;
		data += length;
		size -= length;
	}
}

void output_end(struct output *output, const char *context)
{
	if (output->line_size > 0)
		end_line(output, context);
}

const char *output_quote(const struct output *output, char *out, size_t size)
{
	snprintf(out, size, "%s%.*s", output->tail_size > 0 ? "; it printed: " : "",
		 (int)output->tail_size, output->tail);
	return out;
}
