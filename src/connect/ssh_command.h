/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of OpenSSH's client. */
#pragma once

#include <mitogen/types.h>

struct connect_options;
struct launch_command;

/* As connect_method.command. */
int ssh_command(const struct connect_options *options, const char *context_path,
		struct launch_command *ret, mitogen_error *err);
/* As connect_method.keepalive. */
int ssh_keepalive(const struct connect_options *options, int *ret_count);
