/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of OpenSSH's client. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <mitogen/types.h>

struct connect_options;
struct launch_command;

/* As connect_method.command. */
int ssh_command(const struct connect_options *options, const char *context_path,
		struct launch_command *ret, mitogen_error *err);
/* Of the identity_file, whose "~/" is $HOME; "" without one. False: there is no $HOME, or no room. */
bool ssh_identity_path(const struct connect_options *options, char *path, size_t size);
/* As connect_method.keepalive. */
int ssh_keepalive(const struct connect_options *options, int *ret_count);
