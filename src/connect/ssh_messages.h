/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What OpenSSH's client says: its prompts, which it writes to its terminal alone, what it does, and its last
 * words. Banners, messages of the day and what runs on the other side come elsewhere, and are no prompts.
 */
#pragma once

#include "parent/connection.h"

/* As the members of connect_method with these names. */
enum tool_says ssh_listen(const struct connect_options *options, struct tool_memory *memory,
			  const struct tool_line *line, const char **ret_answer,
			  mitogen_error *err);
void ssh_explain(const struct connect_options *options, const char *output, int status,
		 mitogen_error *err);
bool ssh_is_link_failure(int status);
bool ssh_is_detail(const struct connect_options *options, const char *line, size_t size);
