/* SPDX-License-Identifier: BSD-3-Clause */
/* Making text from elsewhere safe to print on a terminal or in a log. */
#pragma once

#include <stddef.h>

/*
 * Copies data so that it is one printable line: control bytes, DEL and what is not UTF-8 become
 * \n, \t, \xNN; C1 controls and bidirectional overrides are escaped byte by byte. Cut to fit into
 * out (with "..."), which is always NUL-terminated. Returns out. size > 0.
 */
char *escape_text(char *out, size_t size, const void *data, size_t length);
/* The same for text that should have been escaped where it was made: backslashes stay. */
char *escape_again(char *out, size_t size, const void *data, size_t length);
