/* SPDX-License-Identifier: BSD-3-Clause */
#include "connect/privilege.h"

#include <string.h>

#include "base/error.h"

void privilege_explain(const struct refusal *table, const char *tool, const char *output,
		       mitogen_error *err)
{
	const struct refusal *refusal = refusal_find(table, output);

	if (refusal)
		error_set(err, refusal->code, "%s: %s", tool, refusal->text);
}

enum tool_says privilege_answer(const char *tool, const char *password, struct tool_memory *memory,
				const char **ret_answer, mitogen_error *err)
{
	if (!password) {
		error_set(err, MITOGEN_ERR_AUTH, "%s " PRIVILEGE_NO_PASSWORD, tool);
		return TOOL_FAILED;
	}
	if (memory->asked) {
		error_set(err, MITOGEN_ERR_AUTH, "the password is wrong: %s asks for it again",
			  tool);
		return TOOL_FAILED;
	}
	memory->asked = 1;
	*ret_answer = password;
	return TOOL_ASKS;
}

enum tool_says privilege_watch(const char *tool, const struct tool_line *line, mitogen_error *err)
{
	static const char *const demands[] = {
		"required to change your password", /* pam_unix */
		"expired, reset your password",     /* sudo */
		"new one required",                 /* su */
	};

	for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]); i++) {
		if (!memmem(line->text, line->size, demands[i], strlen(demands[i])))
			continue;
		error_set(err, MITOGEN_ERR_AUTH,
			  "%s wants a new password, as the old one has expired: change it by hand",
			  tool);
		return TOOL_FAILED;
	}
	return TOOL_NOTHING;
}
