/* SPDX-License-Identifier: BSD-3-Clause */
/* What sudo, su and doas have in common, which make us another account of the same machine. */
#pragma once

#include "connect/refusal.h"
#include "parent/connection.h"

/* Said of a tool, behind its name. */
#define PRIVILEGE_NO_PASSWORD                                                                      \
	"asks for a password, and none was given: give it as the option password (mitogen: "       \
	"--ask-become-pass or --password-file)"

/* As connect_method.explain, by such a table. tool: its name. */
void privilege_explain(const struct refusal *table, const char *tool, const char *output,
		       mitogen_error *err);
/* For connect_method.listen: the tool asks for the only password that it asks for. */
enum tool_says privilege_answer(const char *tool, const char *password, struct tool_memory *memory,
				const char **ret_answer, mitogen_error *err);
/* For connect_method.listen: does it ask for a new password, for which there is no answer? */
enum tool_says privilege_watch(const char *tool, const struct tool_line *line, mitogen_error *err);
