/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The length of the well-formed UTF-8 sequence at p that a terminal may see, or 0. */
static size_t printable_sequence(const uint8_t *p, size_t left, bool is_escaped)
{
	uint32_t point;
	size_t length;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f && (p[0] != '\\' || is_escaped);
	length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
	if (!length || p[0] > 0xf4 || length > left)
		return 0;
	point = p[0] & (0xff >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (p[i] & 0x3f);
	}
	if (point < 0xa0 || (length == 3 && point < 0x800) || (length == 4 && point < 0x10000) ||
	    (point >= 0xd800 && point < 0xe000) || point > 0x10ffff)
		return 0;
	/* line and paragraph separators, and what reorders the text around it */
	if ((point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069))
		return 0;
	return length;
}

static char *escape(char *out, size_t size, const void *data, size_t length, bool is_escaped)
{
	const uint8_t *p = data, *end = p + length;
	char *at = out, *limit = out + size - 1, *cut = out;

	while (p < end) {
		char item[8];
		size_t taken = printable_sequence(p, (size_t)(end - p), is_escaped), n = taken;

		if (taken) {
			memcpy(item, p, taken);
		} else {
			const char *form = *p == '\n'   ? "\\n"
					   : *p == '\t' ? "\\t"
					   : *p == '\r' ? "\\r"
					   : *p == '\\' ? "\\\\"
							: "\\x%02x";

			n = (size_t)snprintf(item, sizeof(item), form, *p);
			taken = 1;
		}
		if (n > (size_t)(limit - at)) {
			at = cut;
			for (int dots = 0; dots < 3 && at < limit; dots++)
				*at++ = '.';
			break;
		}
		memcpy(at, item, n);
		at += n;
		p += taken;
		if (limit - at >= 3)
			cut = at; /* there is room for "..." behind this */
	}
	*at = '\0';
	return out;
}

char *escape_text(char *out, size_t size, const void *data, size_t length)
{
	return escape(out, size, data, length, false);
}

char *escape_again(char *out, size_t size, const void *data, size_t length)
{
	return escape(out, size, data, length, true);
}
