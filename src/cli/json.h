/* SPDX-License-Identifier: BSD-3-Clause */
/* Printing JSON (RFC 8259). Numbers and braces need no help. */
#pragma once

/* In quotes, to stdout. text is UTF-8. */
void json_print_string(const char *text);
