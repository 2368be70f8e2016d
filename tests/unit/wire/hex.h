/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes written as hexadecimal digits, which may be spaced. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hex {
	uint8_t *data; /* of exactly this size, so that sanitizers see a byte too far */
	size_t size;
};

static inline struct hex hex_parse(const char *text)
{
	struct hex hex = {malloc(strlen(text) / 2 + 1), 0};
	unsigned byte;
	int n;

	while (hex.data && sscanf(text, " %2x%n", &byte, &n) == 1) {
		hex.data[hex.size++] = (uint8_t)byte;
		text += n;
	}
	if (hex.size > 0)
		hex.data = realloc(hex.data, hex.size);
	return hex;
}
