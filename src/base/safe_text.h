/* SPDX-License-Identifier: BSD-3-Clause */
/* Text put together in a signal handler, where snprintf may not be called: all of it is
 * async-signal-safe. What does not fit is left out. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct safe_text {
	char *data;
	size_t size, used; /* .data is not NUL-terminated */
};

static inline void safe_text_add(struct safe_text *text, const char *string)
{
	while (*string && text->used < text->size)
		text->data[text->used++] = *string++;
}

static inline void safe_text_number(struct safe_text *text, uintmax_t number, unsigned base)
{
	char digits[3 * sizeof(number)];
	size_t at = sizeof(digits);

	digits[--at] = '\0';
	do
		digits[--at] = "0123456789abcdef"[number % base];
	while ((number /= base) > 0);
	safe_text_add(text, digits + at);
}

static inline void safe_text_hex(struct safe_text *text, uintptr_t number)
{
	safe_text_add(text, "0x");
	safe_text_number(text, number, 16);
}
