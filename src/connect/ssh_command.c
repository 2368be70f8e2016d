/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ssh gets to read from us: first what options of ours say, or a clean stream needs; then the user's
 * own arguments; then what is only our default. Of an option that comes twice, ssh takes the first.
 */
#include "connect/ssh_command.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/quote.h"
#include "base/sys.h"
#include "connect/arguments.h"
#include "parent/connection.h"
#include "parent/first_stage.h"
#include "parent/launch.h"
#include "parent/method_options.h"

#define KEEPALIVE_INTERVAL 15
#define KEEPALIVE_COUNT    3
#define LEAST_TIMEOUT      5    /* seconds */
#define JUMPS_MAX          5    /* each is quoted by all behind it */
#define PROXY_COMMAND_SIZE 4096 /* quote_command makes no longer one */

typedef mitogen_ssh_options ssh_options;

static const char *path_of(const ssh_options *own)
{
	return own->ssh_path ? own->ssh_path : "ssh";
}

/* ---- What holds for all hosts on the way ---- */

static void add_host_keys(struct arguments *arguments, const ssh_options *own)
{
	switch (own->check_host_keys) {
	case MITOGEN_HOST_KEYS_ENFORCE:
		arguments_add(arguments, "-oStrictHostKeyChecking=yes");
		break;
	case MITOGEN_HOST_KEYS_ACCEPT:
		arguments_add(arguments, "-oStrictHostKeyChecking=accept-new");
		break;
	case MITOGEN_HOST_KEYS_IGNORE:
		arguments_add(arguments, "-oStrictHostKeyChecking=no");
		arguments_add(arguments, "-oUserKnownHostsFile=/dev/null");
		arguments_add(arguments, "-oGlobalKnownHostsFile=/dev/null");
		break;
	}
}

static int or_default(int value, int fallback)
{
	return value ? value : fallback;
}

int ssh_keepalive(const struct connect_options *options, int *ret_count)
{
	const ssh_options *own = options->own;

	if (own->keepalive_enabled == MITOGEN_NO)
		return 0;
	*ret_count = or_default(own->keepalive_count, KEEPALIVE_COUNT);
	return or_default(own->keepalive_interval, KEEPALIVE_INTERVAL) * 1000;
}

/* Of an option that ssh has twice, the first counts: given says which of these are to come now. */
static void add_keepalive(struct arguments *arguments, const ssh_options *own, bool given)
{
	bool is_given = own->keepalive_enabled != MITOGEN_SWITCH_DEFAULT;

	if (own->keepalive_enabled == MITOGEN_NO) {
		if (given)
			arguments_add(arguments, "-oServerAliveInterval=0");
		return;
	}
	if ((is_given || own->keepalive_interval) == given)
		arguments_print(arguments, "-oServerAliveInterval=%d",
				or_default(own->keepalive_interval, KEEPALIVE_INTERVAL));
	if ((is_given || own->keepalive_count) == given)
		arguments_print(arguments, "-oServerAliveCountMax=%d",
				or_default(own->keepalive_count, KEEPALIVE_COUNT));
}

/* For the connection and the host's first words, in which ssh can hang best. Less than all that we wait, so
 * that ssh can say itself what it waited for; but not where the second would be missed. */
static void add_timeout(struct arguments *arguments, const struct connect_options *options)
{
	int seconds = options->connect_timeout_ms / 1000 - 1;

	if (seconds >= LEAST_TIMEOUT)
		arguments_print(arguments, "-oConnectTimeout=%d", seconds);
}

bool ssh_identity_path(const struct connect_options *options, char *path, size_t size)
{
	const ssh_options *own = options->own;
	const char *file = own->identity_file ? own->identity_file : "", *home = "";
	int n;

	if (strncmp(file, "~/", 2) == 0) {
		home = environment_get(options->environment, "HOME");
		file++;
	}
	n = snprintf(path, size, "%s%s", home ? home : "", file);
	return home && (size_t)n < size;
}

static void add_identities_only(struct arguments *arguments, mitogen_switch value)
{
	if (value != MITOGEN_SWITCH_DEFAULT)
		arguments_add(arguments, value == MITOGEN_YES ? "-oIdentitiesOnly=yes"
							      : "-oIdentitiesOnly=no");
}

/* What the user's arguments may change. */
static void add_defaults(struct arguments *arguments, const struct connect_options *options)
{
	const ssh_options *own = options->own;

	add_timeout(arguments, options);
	add_keepalive(arguments, own, false);
	if (!own->compression)
		arguments_add(arguments, "-oCompression=no");
}

static void add_debug_level(struct arguments *arguments, const ssh_options *own)
{
	for (int i = 0; i < own->ssh_debug_level; i++)
		arguments_add(arguments, "-v");
}

/* Would ssh take it for an option, or a shell that ssh runs see more than a word in it? Newer versions refuse
 * these themselves. */
static bool is_host(const char *name)
{
	return *name && *name != '-' && !strpbrk(name, "'`\"$\\;&<>|(){} \t\r\n");
}

/* The same; Windows domains are in front of a backslash. */
static bool is_user(const char *name)
{
	return *name && *name != '-' && name[strlen(name) - 1] != '\\' &&
	       !strpbrk(name, "'`\";&<>|(){} \t\r\n");
}

/* ---- Jumps ---- */

struct jump {
	char *user, *host, *port; /* within a copy of the text; user and port may be NULL */
};

/* Takes "[user@]host[:port]" apart; IPv6 addresses with a port are in brackets. */
static bool parse_jump(char *text, struct jump *ret)
{
	char *at = strrchr(text, '@'), *colon;

	*ret = (struct jump){.host = at ? at + 1 : text};
	if (at) {
		*at = '\0';
		ret->user = text;
	}
	colon = strrchr(ret->host, ':');
	if (ret->host[0] == '[') {
		char *end = strchr(ret->host, ']');

		if (!end || (end[1] && end[1] != ':'))
			return false;
		ret->port = end[1] ? end + 2 : NULL;
		*end = '\0';
		ret->host++;
	} else if (colon && colon == strchr(ret->host, ':')) {
		*colon = '\0';
		ret->port = colon + 1;
	}
	return is_host(ret->host) && (!ret->user || is_user(ret->user)) &&
	       (!ret->port || (*ret->port && strspn(ret->port, "0123456789") == strlen(ret->port)));
}

/* ssh replaces what follows a single one. NULL: no memory. */
static char *double_percents(const char *text)
{
	char *doubled = sys.malloc(2 * strlen(text) + 1), *at = doubled;

	for (; doubled && *text; text++) {
		*at++ = *text;
		if (*text == '%')
			*at++ = '%';
	}
	if (doubled)
		*at = '\0';
	return doubled;
}

static void add_doubled(struct arguments *arguments, const char *option, const char *text)
{
	CLEANUP_FREE char *doubled = double_percents(text);

	if (doubled)
		arguments_print(arguments, "%s%s", option, doubled);
	else
		arguments->has_failed = true;
}

/* The user's "-F", which is where the hosts on the way are configured, too. */
static const char *find_config(const ssh_options *own)
{
	for (const char *const *argument = own->ssh_args; argument && *argument; argument++)
		if (strncmp(*argument, "-F", 2) == 0)
			return (*argument)[2] ? *argument + 2 : argument[1];
	return NULL;
}

/* These may have a key of their own in ssh_config, or in an agent: the last host's is one more. */
static void add_jump_identity(struct arguments *arguments, const struct connect_options *options)
{
	const ssh_options *own = options->own;
	char path[PATH_MAX];

	if (own->identity_file && ssh_identity_path(options, path, sizeof(path)))
		add_doubled(arguments, "-i", path);
	add_identities_only(arguments, own->identities_only);
}

/* A ProxyCommand that leads through this host, to which via, if it is not NULL, leads. Not -J: what that
 * starts would ask on the terminal where the password of the last host is given, and would know nothing
 * of check_host_keys or identity_file. NULL: err is set. */
static char *make_proxy_command(const struct connect_options *options, const struct jump *jump,
				const char *via, mitogen_error *err)
{
	const ssh_options *own = options->own;
	struct arguments arguments = {.list = NULL};
	char *line = sys.malloc(PROXY_COMMAND_SIZE);

	add_doubled(&arguments, "", path_of(own));
	arguments_add(&arguments, "-axT");
	arguments_add(&arguments, "-oBatchMode=yes");
	add_host_keys(&arguments, own);
	add_keepalive(&arguments, own, true);
	add_jump_identity(&arguments, options);
	if (find_config(own))
		add_doubled(&arguments, "-F", find_config(own));
	add_defaults(&arguments, options);
	if (jump->user)
		add_doubled(&arguments, "-l", jump->user);
	if (jump->port)
		add_doubled(&arguments, "-p", jump->port);
	if (via)
		add_doubled(&arguments, "-oProxyCommand=", via);
	arguments_add(&arguments, "-W[%h]:%p");
	add_doubled(&arguments, "", jump->host);
	if (line && !arguments.has_failed &&
	    strlen(quote_command(line, PROXY_COMMAND_SIZE, arguments.list[0], arguments.list + 1)) <
		    PROXY_COMMAND_SIZE - 1) {
		arguments_clear(&arguments);
		return line;
	}
	if (line && !arguments.has_failed)
		error_set(err, MITOGEN_ERR_USAGE, "ssh: proxy_jump '%.400s': it is too long",
			  own->proxy_jump);
	else
		error_set_memory(err);
	arguments_clear(&arguments);
	sys.free(line);
	return NULL;
}

static int complain_of_jump(const ssh_options *own, mitogen_error *err)
{
	return error_set(
		err, MITOGEN_ERR_USAGE,
		"ssh: proxy_jump '%.400s': give up to %d of [USER@]HOST[:PORT] with commas "
		"between them, and IPv6 addresses in brackets",
		own->proxy_jump, JUMPS_MAX);
}

/* 0, or a negative code with err set. */
static int add_jumps(struct arguments *arguments, const struct connect_options *options,
		     mitogen_error *err)
{
	const ssh_options *own = options->own;
	CLEANUP_FREE char *text = sys_strdup(own->proxy_jump), *command = NULL;
	char *next = text;
	int count = 0;

	if (!text)
		return error_set_memory(err);
	while (next) {
		const char *one = strsep(&next, ",");
		struct jump jump;
		char *outer;

		if (++count > JUMPS_MAX || !parse_jump((char *)(uintptr_t)one, &jump))
			return complain_of_jump(own, err);
		outer = make_proxy_command(options, &jump, command, err);
		if (!outer)
			return MITOGEN_ERR_MEMORY;
		sys.free(command);
		command = outer;
	}
	arguments_print(arguments, "-oProxyCommand=%s", command);
	return 0;
}

/* ---- The host itself ---- */

/* 0, or a negative code with err set. */
static int add_identity(struct arguments *arguments, const struct connect_options *options,
			mitogen_error *err)
{
	const ssh_options *own = options->own;
	mitogen_switch only = own->identities_only;
	char path[PATH_MAX];

	if (!ssh_identity_path(options, path, sizeof(path)))
		return error_set(err, MITOGEN_ERR_USAGE,
				 "ssh: identity_file '%.400s': $HOME is not set, or it is too long",
				 own->identity_file);
	if (own->identity_file) {
		arguments_print(arguments, "-i%s", path);
		only = only == MITOGEN_SWITCH_DEFAULT ? MITOGEN_YES : only;
	}
	add_identities_only(arguments, only);
	return 0;
}

static void add_login(struct arguments *arguments, const ssh_options *own)
{
	if (own->username)
		arguments_print(arguments, "-l%s", own->username);
	if (own->port)
		arguments_print(arguments, "-p%d", own->port);
	/* it may ask once, or not at all */
	arguments_add(arguments, own->password ? "-oNumberOfPasswordPrompts=1" : "-oBatchMode=yes");
	if (own->compression)
		arguments_add(arguments, "-oCompression=yes");
}

/* Who on that machine looks at the process list wants to know where it comes from. NULL: no memory. */
static char *make_title(const struct connect_options *options)
{
	const ssh_options *own = options->own;
	const char *user = environment_get(options->environment, "LOGNAME");
	char host[65] = "", uid[16], title[256];

	if (own->remote_name)
		return sys_strdup(own->remote_name);
	if (!user)
		user = environment_get(options->environment, "USER");
	gethostname(host, sizeof(host) - 1);
	snprintf(uid, sizeof(uid), "%d", (int)getuid());
	snprintf(title, sizeof(title), "%.100s@%s:%d", user ? user : uid, host, (int)getpid());
	return sys_strdup(title);
}

int ssh_command(const struct connect_options *options, const char *context_path,
		struct launch_command *ret, mitogen_error *err)
{
	const ssh_options *own = options->own;
	struct arguments arguments = {.list = NULL};
	int r;

	(void)context_path; /* ssh is in the process list under its own name */
	if (!is_host(own->hostname) || (own->username && !is_user(own->username)))
		return error_set(
			err, MITOGEN_ERR_USAGE,
			"ssh: '%.200s%s%.200s' is not the name of a host, or of an account",
			own->username ? own->username : "", own->username ? "@" : "",
			own->hostname);
	arguments_add(&arguments, path_of(own));
	arguments_add(&arguments, "-ax"); /* no agent and no X11 for whoever is root there */
	add_debug_level(&arguments, own);
	add_login(&arguments, own);
	add_host_keys(&arguments, own);
	add_keepalive(&arguments, own, true);
	r = add_identity(&arguments, options, err);
	if (r == 0 && own->proxy_jump)
		r = add_jumps(&arguments, options, err);
	arguments_add_all(&arguments, own->ssh_args);
	if (own->ssh_debug_level == 0)
		arguments_add(&arguments, "-oLogLevel=VERBOSE"); /* says when it has logged in */
	add_defaults(&arguments, options);
	arguments_add(&arguments, "-T"); /* a clean stream */
	arguments_add(&arguments, "-enone");
	arguments_add(&arguments, own->hostname);
	arguments_add(&arguments, first_stage_command);
	if (r < 0) {
		arguments_clear(&arguments);
		return r;
	}
	if (own->password) {
		ret->terminal = LAUNCH_TERMINAL;
		ret->variable = launch_variable("SSH_ASKPASS_REQUIRE", "never"); /* but there */
		arguments.has_failed |= !ret->variable;
	}
	ret->title = make_title(options);
	arguments.has_failed |= !ret->title;
	return arguments_command(&arguments, options->environment, ret, err);
}
