/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/utf8.h"

#include <stdint.h>
#include <string.h>

static size_t ascii_prefix(const uint8_t *at, size_t size)
{
	size_t n = 0;
	uint64_t word;

	for (; size - n >= sizeof(word); n += sizeof(word)) {
		memcpy(&word, at + n, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			break;
	}
	while (n < size && at[n] < 0x80)
		n++;
	return n;
}

/* The size of the sequence that starts with a byte above 0x7f; 0 if it is not valid. The second
 * byte's range is what keeps out overlong forms, surrogates and what lies above U+10FFFF. */
static size_t sequence(const uint8_t *at, size_t size)
{
	uint8_t first = at[0], low = 0x80, high = 0xbf;
	size_t n;

	if (first >= 0xc2 && first <= 0xdf)
		n = 2;
	else if (first >= 0xe0 && first <= 0xef)
		n = 3;
	else if (first >= 0xf0 && first <= 0xf4)
		n = 4;
	else
		return 0;
	if (size < n)
		return 0;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	if (at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

bool utf8_valid(const void *data, size_t size)
{
	const uint8_t *at = data;

	while (size > 0) {
		size_t n = *at < 0x80 ? ascii_prefix(at, size) : sequence(at, size);

		if (n == 0)
			return false;
		at += n;
		size -= n;
	}
	return true;
}
