/* SPDX-License-Identifier: BSD-3-Clause */
/* Another account of this machine, through su. */
#include <string.h>

#include "base/error.h"
#include "connect/arguments.h"
#include "connect/methods.h"
#include "connect/password_prompt.h"
#include "connect/privilege.h"
#include "parent/first_stage.h"
#include "parent/launch.h"
#include "parent/method_options.h"

typedef mitogen_su_options su_options;

METHOD_OPTIONS_CHECK(su_options);

static const struct method_option options_table[] = {
	METHOD_OPTION_IMAGE(su_options),
	{.name = "username",
	 .kind = OPTION_NAME,
	 .offset = offsetof(su_options, username),
	 .value = "USER",
	 .help = OPTION_HELP("who to become; root")},
	{.name = "password",
	 .kind = OPTION_SECRET,
	 .offset = offsetof(su_options, password),
	 .help = OPTION_HELP("of that account")},
	{.name = "su_path",
	 .kind = OPTION_TEXT,
	 .offset = offsetof(su_options, su_path),
	 .value = "FILE",
	 .help = OPTION_HELP("the program; su")},
	{.name = NULL},
};

static const struct refusal refusals[] = {
	{"account has expired", MITOGEN_ERR_AUTH,
	 "the other account has expired"}, /* before the next */
	{"uthentication failure", MITOGEN_ERR_AUTH,
	 "the password is wrong, or the account is locked"},
	{"ncorrect password", MITOGEN_ERR_AUTH, "the password is wrong"},
	{"su: Sorry", MITOGEN_ERR_AUTH, "the password is wrong"},
	{"new one required", MITOGEN_ERR_AUTH,
	 "the password of the other account has expired: change it by hand"},
	{"token manipulation error", MITOGEN_ERR_AUTH,
	 "the password of the other account has expired: change it by hand"},
	{"must be run from a terminal", MITOGEN_ERR_CONNECT,
	 "it wants a terminal, and none can be had here"},
	{"does not exist", MITOGEN_ERR_CONNECT, "there is no account of that name"},
	{"unknown user", MITOGEN_ERR_CONNECT, "there is no account of that name"},
	{"No passwd entry for", MITOGEN_ERR_CONNECT, "there is no account of that name"},
	{"unknown id", MITOGEN_ERR_CONNECT, "there is no account of that name"},
	{"unknown login", MITOGEN_ERR_CONNECT, "there is no account of that name"},
	{"account is currently not available", MITOGEN_ERR_CONNECT,
	 "the other account has no shell (nologin): use sudo or doas, which need none"},
	{"failed to execute", MITOGEN_ERR_CONNECT,
	 "the login shell of the other account cannot be run"},
	{"ermission denied", MITOGEN_ERR_AUTH,
	 "this account may not become the other one (pam_wheel?)"},
	{"suid", MITOGEN_ERR_CONNECT, "it cannot become root: its file is not setuid root"},
	{"cannot set groups", MITOGEN_ERR_CONNECT,
	 "it cannot become root: its file is not setuid root, on a file system that is mounted "
	 "nosuid, or this process may gain no privileges"},
	{.words = NULL},
};

static int command(const struct connect_options *options, const char *context_path,
		   struct launch_command *ret, mitogen_error *err)
{
	const su_options *own = options->own;
	struct arguments arguments = {.list = NULL};

	(void)context_path; /* it is in the process list under its own name */
	arguments_add(&arguments, own->su_path ? own->su_path : "su");
	arguments_add(&arguments, own->username ? own->username : "root");
	arguments_add(&arguments, "-c");
	arguments_add(&arguments, first_stage_command);
	ret->terminal = options->on_terminal ? LAUNCH_TERMINAL_AS_INPUT : LAUNCH_NO_TERMINAL;
	return arguments_command(&arguments, options->environment, ret, err);
}

/* It has no prompt of ours, and no terminal unless it wants one: PAM asks and reads on the standard
 * descriptors. The only others who could ask there are the account itself, whose password it is, and its profile. */
static enum tool_says listen(const struct connect_options *options, struct tool_memory *memory,
			     const struct tool_line *line, const char **ret_answer,
			     mitogen_error *err)
{
	const su_options *own = options->own;

	if (!line->is_complete && password_prompt(line->text, line->size))
		return privilege_answer("su", own->password, memory, ret_answer, err);
	return privilege_watch("su", line, err);
}

static void explain(const struct connect_options *options, const char *output, int status,
		    mitogen_error *err)
{
	(void)options;
	(void)status;
	privilege_explain(refusals, "su", output, err);
}

static bool wants_terminal(const char *output)
{
	return strstr(output, "must be run from a terminal") != NULL;
}

const struct connect_method connect_su = {
	.name = "su",
	.options = options_table,
	.options_size = sizeof(su_options),
	.has_first_stage = true,
	.is_same_machine = true,
	.may_ask_on_streams = true,
	.command = command,
	.listen = listen,
	.explain = explain,
	.wants_terminal = wants_terminal,
};
