/* SPDX-License-Identifier: BSD-3-Clause */
/* Targets as they are named on the command line: where a program is to run. */
#pragma once

struct target {
	const char *name; /* as given; lent */
	char *label;      /* the same, with "#2" behind it if it is named a second time */
};

/* Parses count names into ret. 0; or -1, having said what is wrong with one of them. */
int targets_parse(char *const *names, int count, struct target *ret);
void targets_clear(struct target *targets, int count);
