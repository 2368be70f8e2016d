/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/number.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char complaint[96]; /* what the latest call that failed has returned */

const char *number_seconds(const char *text, int64_t *ret_ms)
{
	size_t size = strspn(text, "0123456789.");
	const char *dot = strchr(text, '.');
	double seconds = strtod(text, NULL);
	bool is_number =
		size > 0 && !text[size] && !(dot && strchr(dot + 1, '.')) && strcmp(text, ".") != 0;

	if (is_number && seconds >= 0.001 && seconds <= SECONDS_MAX) {
		*ret_ms = (int64_t)(seconds * 1000 + 0.999);
		return NULL;
	}
	snprintf(complaint, sizeof(complaint), "%sgive 0.001 to %d seconds, like 30 or 0.5",
		 is_number ? "" : "this is no number of seconds; ", SECONDS_MAX);
	return complaint;
}

const char *number_count(const char *text, long max, long *ret)
{
	size_t size = strspn(text, "0123456789");
	double number = strtod(text, NULL);

	if (size == 0 || text[size] || number < 1 || number > (double)max) {
		snprintf(complaint, sizeof(complaint), "give a whole number from 1 to %ld", max);
		return complaint;
	}
	*ret = (long)number;
	return NULL;
}
