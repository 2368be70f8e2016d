/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What OpenSSH's client says: its prompts, which it writes to its terminal alone, and its last words. Banners,
 * messages of the day and what runs on the other side come elsewhere, and never look like a prompt here.
 */
#pragma once

#include "parent/connection.h"

/* As connect_method.listen and connect_method.explain. */
enum tool_says ssh_listen(const struct connect_options *options, struct tool_memory *memory,
			  const struct tool_line *line, const char **ret_answer,
			  mitogen_error *err);
void ssh_explain(const struct connect_options *options, const char *output, int status,
		 mitogen_error *err);
