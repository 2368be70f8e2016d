/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of the commands that take targets, and options of a few kinds. */
#pragma once

#include <mitogen/mitogen.h>

#include "cli/options.h"
#include "cli/target.h"

/* What every such command has: the first entries of its options, and of its enum of them. */
enum {
	OPTION_VERBOSE,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_OWN
};

#define OPTIONS_OF_ALL                                                                             \
	[OPTION_VERBOSE] = {"verbose", 'v', false}, [OPTION_HELP] = {"help", 'h', false},          \
	[OPTION_VERSION] = {"version", 0, false}
#define OPTIONS_OF_ALL_HELP                                                                        \
	"  -v, --verbose        log what happens; twice: in detail\n"                              \
	"  -h, --help           print this\n"                                                      \
	"  --version            print the version\n"

struct target_options {
	mitogen_log_level log_level;
	struct targets targets;
};

/* Takes one of those options. 0; or -1: what was asked for has been printed. */
int options_take_common(int option, const char *help, mitogen_log_level *log_level);

/* take gets each option of the command's own, with owner, and returns 0 or a positive exit status,
 * having said why. Returns 0; a positive exit status of a mistake, which was told; or -1: --help or
 * --version was asked for and printed. *ret is to be cleared by targets_clear. */
int target_options_parse(struct target_options *ret, const struct option_spec *specs,
			 const char *help, char **argv,
			 int (*take)(void *owner, int option, const char *value), void *owner);
