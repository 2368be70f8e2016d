/* SPDX-License-Identifier: BSD-3-Clause */
/* What a tool prints over a refusal, in English and unless somebody has translated it, and what that means. */
#pragma once

struct refusal {
	const char *words;
	int code;
	const char *text;
};

/* The first of the table, which ends with words of NULL, whose words are in the output; or NULL. */
const struct refusal *refusal_find(const struct refusal *table, const char *output);
