/* SPDX-License-Identifier: BSD-3-Clause */
/* Another account of this machine, through doas. */
#include <string.h>

#include "base/error.h"
#include "connect/arguments.h"
#include "connect/methods.h"
#include "connect/privilege.h"
#include "parent/first_stage.h"
#include "parent/launch.h"
#include "parent/method_options.h"

typedef mitogen_doas_options doas_options;

METHOD_OPTIONS_CHECK(doas_options);

static const struct method_option options_table[] = {
	METHOD_OPTION_IMAGE(doas_options),
	{.name = "username",
	 .kind = OPTION_NAME,
	 .offset = offsetof(doas_options, username),
	 .value = "USER",
	 .help = OPTION_HELP("who to become; root")},
	{.name = "password",
	 .kind = OPTION_SECRET,
	 .offset = offsetof(doas_options, password),
	 .help = OPTION_HELP("of who calls it")},
	{.name = "doas_path",
	 .kind = OPTION_TEXT,
	 .offset = offsetof(doas_options, doas_path),
	 .value = "FILE",
	 .help = OPTION_HELP("the program; doas")},
	{.name = NULL},
};

static const struct refusal refusals[] = {
	{"uthentication failed", MITOGEN_ERR_AUTH,
	 "the password is wrong, or this account is locked or has expired"},
	{"uthentication required", MITOGEN_ERR_AUTH, "it " PRIVILEGE_NO_PASSWORD},
	{"a tty is required", MITOGEN_ERR_CONNECT, "it wants a terminal, and none can be had here"},
	{"unknown user", MITOGEN_ERR_CONNECT, "there is no account of that name"},
	{"doas is not enabled", MITOGEN_ERR_CONNECT, "it has no configuration, doas.conf"},
	{"not installed setuid", MITOGEN_ERR_CONNECT,
	 "it cannot become root: its file is not setuid root"},
	{"account expired", MITOGEN_ERR_AUTH, "this account has expired"},
	{"Operation not permitted", MITOGEN_ERR_AUTH,
	 "doas.conf does not let this account run sh as the other one"},
	{"syntax error", MITOGEN_ERR_CONNECT, "its configuration, doas.conf, is wrong"},
	{"usage: doas", MITOGEN_ERR_CONNECT, "it does not understand its arguments"},
	{"sh: command not found", MITOGEN_ERR_CONNECT, "it finds no sh to run"},
	{.words = NULL},
};

static int command(const struct connect_options *options, const char *context_path,
		   struct launch_command *ret, mitogen_error *err)
{
	const doas_options *own = options->own;
	struct arguments arguments = {.list = NULL};

	(void)context_path; /* it is in the process list under its own name */
	arguments_add(&arguments, own->doas_path ? own->doas_path : "doas");
	if (!own->password)
		arguments_add(&arguments, "-n");
	arguments_add(&arguments, "-u");
	arguments_add(&arguments, own->username ? own->username : "root");
	arguments_add_all(&arguments, first_stage_argv);
	ret->terminal = own->password ? LAUNCH_TERMINAL : LAUNCH_NO_TERMINAL;
	return arguments_command(&arguments, options->environment, ret, err);
}

static bool begins(const char *text, size_t size, const char *with)
{
	return size >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

/* "doas (alice@web1) password: ", behind a carriage return. It cannot be told to ask otherwise; but until
 * our first stage answers nobody else runs who could write to its terminal. */
static bool is_prompt(const char *text, size_t size)
{
	static const char end[] = ") password: ";

	if (size > 0 && *text == '\r') {
		text++;
		size--;
	}
	return begins(text, size, "doas (") && size >= strlen("doas (") + strlen(end) &&
	       memchr(text, '@', size) && begins(text + size - strlen(end), strlen(end), end);
}

static enum tool_says listen(const struct connect_options *options, struct tool_memory *memory,
			     const struct tool_line *line, const char **ret_answer,
			     mitogen_error *err)
{
	const doas_options *own = options->own;

	if (line->from_terminal && !line->is_complete && is_prompt(line->text, line->size))
		return privilege_answer("doas", own->password, memory, ret_answer, err);
	return privilege_watch("doas", line, err);
}

static void explain(const struct connect_options *options, const char *output, int status,
		    mitogen_error *err)
{
	(void)options;
	(void)status;
	privilege_explain(refusals, "doas", output, err);
}

const struct connect_method connect_doas = {
	.name = "doas",
	.options = options_table,
	.options_size = sizeof(doas_options),
	.has_first_stage = true,
	.is_same_machine = true,
	.command = command,
	.listen = listen,
	.explain = explain,
};
