/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of `mitogen run`. */
#pragma once

#include <mitogen/mitogen.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/target_options.h"

struct run_options {
	struct target_options common;
	const char *const *program; /* its arguments too; ends with NULL */
	const char **env;           /* as mitogen_exec takes it */
	const char *cwd;            /* NULL: that of the target */
	int64_t timeout_ms;         /* 0: none */
	bool no_stdin, raw;
};

extern const char run_help[];

/* 0; a positive exit status of a mistake, which it has said; or -1: --help or --version was asked
 * for and printed. *ret holds parts of argv. */
int run_options_parse(struct run_options *ret, char **argv);
void run_options_clear(struct run_options *options);
