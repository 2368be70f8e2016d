/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading options from a command line: long ones with a value behind "=" or in the next argument,
 * short ones that may stand together. */
#pragma once

#include <stdbool.h>

struct option_spec {
	const char *name; /* "timeout", without dashes */
	char letter;      /* its short form, or 0 */
	bool has_value;
};

struct options {
	const struct option_spec *specs; /* ends with a name of NULL */
	char *const *argv;               /* ends with NULL */
	int next;                        /* in argv */
	const char *letters;             /* left of an argument like -vv */
	const char *hint;                /* behind "there is no option --x; " */
};

enum option_result {
	OPTION_END = -1,     /* no more arguments */
	OPTION_OPERAND = -2, /* an argument that is no option */
	OPTION_DASHES = -3,  /* "--" */
	OPTION_MISTAKE = -4, /* said already */
};

/* argv[0] is the command's name. */
void options_init(struct options *options, const struct option_spec *specs, char *const *argv);
/* Takes the next: the option's index in specs with its value, if it has one, in *ret_value; or an
 * option_result, with an operand in *ret_value. */
int options_next(struct options *options, const char **ret_value);
