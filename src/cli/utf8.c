/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define QUOTE_MAX 80 /* characters */

/* How many bytes the character there has; 0 if it is none. */
static size_t character(const char *text)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *at = (const uint8_t *)text;
	size_t size = *at < 0x80 ? 1 : *at < 0xc0 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	uint32_t number = size < 2 ? *at : *at & (0xffu >> (size + 1));

	if (*at >= 0xf8)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80) /* the end of the text is none either */
			return 0;
		number = number << 6 | (at[i] & 0x3f);
	}
	if (size == 0 || number < smallest[size] || number > 0x10ffff ||
	    (number >= 0xd800 && number <= 0xdfff))
		return 0;
	return size;
}

bool utf8_is_valid(const char *text)
{
	while (*text) {
		size_t size = character(text);

		if (size == 0)
			return false;
		text += size;
	}
	return true;
}

char *utf8_quote(char out[UTF8_QUOTE_SIZE], const char *text)
{
	size_t used = 0;

	for (int i = 0; i < QUOTE_MAX && text[used]; i++) {
		size_t size = character(text + used);

		used += size > 0 ? size : 1;
	}
	snprintf(out, UTF8_QUOTE_SIZE, "%.*s%s", (int)used, text, text[used] ? "..." : "");
	return out;
}
