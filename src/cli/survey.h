/* SPDX-License-Identifier: BSD-3-Clause */
/* A question to the processes at targets and on the way to them, and to our own: a builtin's call. */
#pragma once

#include <mitogen/mitogen.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/session.h"
#include "cli/target_options.h"

#define SURVEY_HELP                                                                                \
	"\n" TARGET_HELP "\n"                                                                      \
	"options:\n"                                                                               \
	"  --json               print JSON\n"                                                      \
	"  --timeout SECONDS    how long each may take to connect, and to answer; "                \
	"60\n" OPTIONS_OF_ALL_HELP "\n"                                                            \
	"exit status: 4 a process was not reached or lost; 2 wrong usage.\n"

struct answer {
	struct hop *hop;
	uint32_t id;
	mitogen_message *message; /* its value, or NULL: */
	mitogen_error error;
};

struct survey {
	struct target_options options;
	struct session session;
	bool is_json;
	int64_t timeout_ms;
	struct answer *answers; /* in the order of the hops */
	int count;
};

/* Reads the command line, connects, asks. 0; a positive exit status, having said why; or -1: --help or
 * --version was asked for and printed. survey_clear in any case. */
int survey_ask(struct survey *ret, const char *builtin, const char *help, char **argv);
/* Says once why a part of the tree has not answered. The exit status. */
int survey_complain(const struct survey *survey);
void survey_clear(struct survey *survey);
/* Text of a foreign process as printable ASCII, cut to size - 1. */
void survey_copy_text(char *out, size_t size, mitogen_bytes text);
/* `"error": {...}` in JSON. */
void survey_print_error(const struct answer *answer);
