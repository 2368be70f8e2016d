/* SPDX-License-Identifier: BSD-3-Clause */
/* Text from the command line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define UTF8_QUOTE_SIZE 336 /* for 80 characters of up to 4 bytes, and dots */

bool utf8_is_valid(const char *text);
/* text, cut to 80 characters with "..." behind them. Returns out. */
char *utf8_quote(char out[UTF8_QUOTE_SIZE], const char *text);
