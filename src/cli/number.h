/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers on the command line. */
#pragma once

#include <stdint.h>

#define SECONDS_MAX 1000000 /* so that an int has room for the milliseconds */

/* "30" or "0.5" as milliseconds, rounded up: from 0.001 to SECONDS_MAX seconds. NULL; or what to say
 * of the text. */
const char *number_seconds(const char *text, int64_t *ret_ms);
/* A whole number from 1 to max. NULL, or what to say. */
const char *number_count(const char *text, long max, long *ret);
