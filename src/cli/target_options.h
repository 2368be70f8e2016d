/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of the commands that take targets, and options of a few kinds. */
#pragma once

#include <mitogen/mitogen.h>

#include "cli/options.h"
#include "cli/passwords.h"
#include "cli/target.h"

/* What every such command has: the first entries of its options, and of its enum of them. */
enum {
	OPTION_ASK_PASS,
	OPTION_ASK_BECOME_PASS,
	OPTION_PASSWORD_FILE,
	OPTION_CONNECT_LIMIT,
	OPTION_VERBOSE,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_OWN
};

#define OPTIONS_OF_ALL                                                                             \
	[OPTION_ASK_PASS] = {"ask-pass", 'k', false},                                              \
	[OPTION_ASK_BECOME_PASS] = {"ask-become-pass", 'K', false},                                \
	[OPTION_PASSWORD_FILE] = {"password-file", 0, true},                                       \
	[OPTION_CONNECT_LIMIT] = {"connect-limit", 0, true},                                       \
	[OPTION_VERBOSE] = {"verbose", 'v', false}, [OPTION_HELP] = {"help", 'h', false},          \
	[OPTION_VERSION] = {"version", 0, false}
#define OPTIONS_OF_ALL_HELP                                                                        \
	"  -k, --ask-pass       ask for the password of hosts\n"                                   \
	"  -K, --ask-become-pass\n"                                                                \
	"                       ask for the password of sudo, su or doas\n"                        \
	"  --password-file FILE take the first from its first line, the second from its second\n"  \
	"                       one, or from the first if there is one only\n"                     \
	"  --connect-limit N    connect so many at a time; 64\n"                                   \
	"  -v, --verbose        log the stages of connecting; twice: in detail\n"                  \
	"  -h, --help           print this\n"                                                      \
	"  --version            print the version\n"

struct target_options {
	mitogen_log_level log_level;
	struct password_options passwords;
	int connect_limit;
	struct targets targets;
};

/* With the defaults. */
void target_options_init(struct target_options *ret);
/* Takes one of those options. 0; a positive exit status, having said why; or -1: what was asked for has
 * been printed. */
int target_options_take(struct target_options *options, int option, const char *value,
			const char *help);

/* take gets each option of the command's own, with owner, and returns 0 or a positive exit status,
 * having said why. Returns 0; a positive exit status of a mistake, which was told; or -1: --help or
 * --version was asked for and printed. *ret is to be cleared by targets_clear. */
int target_options_parse(struct target_options *ret, const struct option_spec *specs,
			 const char *help, char **argv,
			 int (*take)(void *owner, int option, const char *value), void *owner);
