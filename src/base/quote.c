/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/quote.h"

#include <stdbool.h>
#include <string.h>

#include "base/escape.h"

#define COMMAND_MAX 4096 /* bytes that are looked at; a log line has fewer */

struct text {
	char data[COMMAND_MAX];
	size_t size;
};

static void add(struct text *text, const char *data, size_t size)
{
	if (size > sizeof(text->data) - text->size)
		size = sizeof(text->data) - text->size;
	memcpy(text->data + text->size, data, size);
	text->size += size;
}

static bool is_plain(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789%+,-./:=@_";

	return *word && word[strspn(word, plain)] == '\0';
}

static void add_word(struct text *text, const char *word)
{
	if (is_plain(word)) {
		add(text, word, strlen(word));
		return;
	}
	add(text, "'", 1);
	for (size_t part; *word; word += part) {
		part = strcspn(word, "'");
		add(text, word, part);
		if (word[part] == '\'') {
			add(text, "'\\''", 4);
			part++;
		}
	}
	add(text, "'", 1);
}

char *quote_command(char *out, size_t size, const char *program, char *const *arguments)
{
	struct text text = {.size = 0};

	add_word(&text, program);
	for (; *arguments; arguments++) {
		add(&text, " ", 1);
		add_word(&text, *arguments);
	}
	return escape_again(out, size, text.data, text.size);
}
