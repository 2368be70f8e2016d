/* SPDX-License-Identifier: BSD-3-Clause */
/* Another account of this machine, through sudo. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "connect/arguments.h"
#include "connect/methods.h"
#include "connect/privilege.h"
#include "parent/first_stage.h"
#include "parent/launch.h"
#include "parent/method_options.h"

#define MARKER_SIZE 64

typedef mitogen_sudo_options sudo_options;

METHOD_OPTIONS_CHECK(sudo_options);

static const struct method_option options_table[] = {
	METHOD_OPTION_IMAGE(sudo_options),
	{.name = "username",
	 .kind = OPTION_NAME,
	 .offset = offsetof(sudo_options, username),
	 .value = "USER",
	 .help = OPTION_HELP("who to become; root")},
	{.name = "password",
	 .kind = OPTION_SECRET,
	 .offset = offsetof(sudo_options, password),
	 .help = OPTION_HELP("what sudo asks for, as a rule that of who calls it")},
	{.name = "preserve_env",
	 .kind = OPTION_FLAG,
	 .offset = offsetof(sudo_options, preserve_env),
	 .help = OPTION_HELP("keep the environment: -E")},
	{.name = "set_home",
	 .kind = OPTION_FLAG,
	 .offset = offsetof(sudo_options, set_home),
	 .help = OPTION_HELP("HOME is the other account's: -H")},
	{.name = "login",
	 .kind = OPTION_FLAG,
	 .offset = offsetof(sudo_options, login),
	 .help = OPTION_HELP("by the other account's login shell: -i")},
	{.name = "selinux_role",
	 .kind = OPTION_NAME,
	 .offset = offsetof(sudo_options, selinux_role),
	 .value = "ROLE",
	 .help = OPTION_HELP("-r")},
	{.name = "selinux_type",
	 .kind = OPTION_NAME,
	 .offset = offsetof(sudo_options, selinux_type),
	 .value = "TYPE",
	 .help = OPTION_HELP("-t")},
	{.name = "sudo_path",
	 .kind = OPTION_TEXT,
	 .offset = offsetof(sudo_options, sudo_path),
	 .value = "FILE",
	 .help = OPTION_HELP("the program; sudo")},
	{.name = "sudo_args",
	 .kind = OPTION_LIST,
	 .offset = offsetof(sudo_options, sudo_args),
	 .value = "ARGUMENT",
	 .help = OPTION_HELP("another argument for it; may be given again")},
	{.name = NULL},
};

static const struct refusal refusals[] = {
	{"incorrect password attempt", MITOGEN_ERR_AUTH, "the password is wrong"},
	{"is your account locked", MITOGEN_ERR_AUTH, "this account is locked, or has expired"},
	{"a password is required", MITOGEN_ERR_AUTH, "it " PRIVILEGE_NO_PASSWORD},
	{"is not in the sudoers file", MITOGEN_ERR_AUTH,
	 "this account may not use it: sudoers does not name it"},
	{"is not allowed to execute", MITOGEN_ERR_AUTH,
	 "sudoers does not let this account run sh as the other one"},
	{"is not allowed to run sudo", MITOGEN_ERR_AUTH,
	 "this account may not use it on this machine"},
	{"may not run sudo", MITOGEN_ERR_AUTH, "this account may not use it on this machine"},
	{"not allowed to preserve the environment", MITOGEN_ERR_AUTH,
	 "sudoers does not allow preserve_env: its rule needs SETENV"},
	{"must have a tty", MITOGEN_ERR_CONNECT,
	 "sudoers wants a terminal (requiretty), and none can be had here"},
	{"expired, reset your password", MITOGEN_ERR_AUTH,
	 "the password of this account has expired: change it by hand"},
	{"Password expired", MITOGEN_ERR_AUTH,
	 "the password of this account has expired: its administrator must change it"},
	{"required to change your password", MITOGEN_ERR_AUTH,
	 "the password of this account has expired: change it by hand"},
	{"Account expired", MITOGEN_ERR_AUTH, "this account has expired"},
	{"account has expired", MITOGEN_ERR_AUTH, "this account has expired"},
	{"unknown user", MITOGEN_ERR_CONNECT, "there is no account of that name"},
	{"no new privileges", MITOGEN_ERR_CONNECT,
	 "this process may gain no privileges: a container, or a service with NoNewPrivileges"},
	{"effective uid is not 0", MITOGEN_ERR_CONNECT,
	 "it cannot become root: it is not setuid, or on a file system that is mounted nosuid"},
	{"have the setuid bit set", MITOGEN_ERR_CONNECT,
	 "it cannot become root: its file is not setuid root"},
	{"no valid sudoers sources", MITOGEN_ERR_CONNECT, "sudoers cannot be read, or is wrong"},
	{"usage: sudo", MITOGEN_ERR_CONNECT,
	 "it does not understand its arguments: look at sudo_args, or is it very old?"},
	{"account is currently not available", MITOGEN_ERR_CONNECT,
	 "the other account has no shell (nologin): do without login"},
	{"sh: command not found", MITOGEN_ERR_CONNECT, "it finds no sh to run"},
	{.words = NULL},
};

/* What it is to ask with: nobody can guess it. */
static void make_marker(const struct connect_options *options, char out[MARKER_SIZE])
{
	snprintf(out, MARKER_SIZE, "mitogen-%08x%08x password: ", options->marker[0],
		 options->marker[1]);
}

static void add_account(struct arguments *arguments, const sudo_options *own)
{
	arguments_add(arguments, "-u");
	arguments_add(arguments, own->username ? own->username : "root");
	if (own->preserve_env)
		arguments_add(arguments, "-E");
	if (own->set_home)
		arguments_add(arguments, "-H");
	if (own->login)
		arguments_add(arguments, "-i");
	if (own->selinux_role) {
		arguments_add(arguments, "-r");
		arguments_add(arguments, own->selinux_role);
	}
	if (own->selinux_type) {
		arguments_add(arguments, "-t");
		arguments_add(arguments, own->selinux_type);
	}
	arguments_add_all(arguments, own->sudo_args);
}

/* The prompt is in the environment, which sudo does not pass on and others cannot read: the profile of
 * the other account, which may run before our first stage, cannot ask with it. With preserve_env it would
 * be passed on, but then no profile runs, and the command line, which all can read, does as well. */
static void add_prompt(struct arguments *arguments, const struct connect_options *options,
		       struct launch_command *ret)
{
	const sudo_options *own = options->own;
	char marker[MARKER_SIZE];

	make_marker(options, marker);
	if (!own->password)
		arguments_add(arguments, "-n");
	if (own->preserve_env) {
		arguments_add(arguments, "-p");
		arguments_add(arguments, marker);
		return;
	}
	ret->variable = launch_variable("SUDO_PROMPT", marker);
	arguments->has_failed |= !ret->variable;
}

static int command(const struct connect_options *options, const char *context_path,
		   struct launch_command *ret, mitogen_error *err)
{
	const sudo_options *own = options->own;
	struct arguments arguments = {.list = NULL};

	(void)context_path; /* it is in the process list under its own name */
	arguments_add(&arguments, own->sudo_path ? own->sudo_path : "sudo");
	add_prompt(&arguments, options, ret);
	add_account(&arguments, own);
	arguments_add(&arguments, "--");
	arguments_add_all(&arguments, own->login ? first_stage_argv_plain : first_stage_argv);
	ret->terminal =
		own->password || options->on_terminal ? LAUNCH_TERMINAL : LAUNCH_NO_TERMINAL;
	return arguments_command(&arguments, options->environment, ret, err);
}

static enum tool_says listen(const struct connect_options *options, struct tool_memory *memory,
			     const struct tool_line *line, const char **ret_answer,
			     mitogen_error *err)
{
	const sudo_options *own = options->own;
	char marker[MARKER_SIZE];

	make_marker(options, marker);
	if (line->from_terminal && !line->is_complete &&
	    memmem(line->text, line->size, marker, strlen(marker)))
		return privilege_answer("sudo", own->password, memory, ret_answer, err);
	return privilege_watch("sudo", line, err);
}

static void explain(const struct connect_options *options, const char *output, int status,
		    mitogen_error *err)
{
	(void)options;
	(void)status;
	privilege_explain(refusals, "sudo", output, err);
}

static bool wants_terminal(const char *output)
{
	return strstr(output, "must have a tty") != NULL;
}

const struct connect_method connect_sudo = {
	.name = "sudo",
	.options = options_table,
	.options_size = sizeof(sudo_options),
	.has_first_stage = true,
	.is_same_machine = true,
	.command = command,
	.listen = listen,
	.explain = explain,
	.wants_terminal = wants_terminal,
};
