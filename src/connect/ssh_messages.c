/* SPDX-License-Identifier: BSD-3-Clause */
#include "connect/ssh_messages.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/sys.h"
#include "connect/password_prompt.h"
#include "connect/refusal.h"
#include "connect/ssh_command.h"
#include "parent/method_options.h"

#define PROMPT_MAX 512 /* a longer one is none of ssh's */
#define SSH_FAILED 255 /* what ssh exits with over its own failures */
#define NO_COMMAND 127 /* what shells exit with */

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

typedef mitogen_ssh_options ssh_options;

/* ---- Prompts ---- */

enum asked { /* bits of tool_memory.asked */
	FOR_PASSWORD = 1,
	FOR_PASSPHRASE = 2,
	FOR_ANOTHER = 4, /* of a key that we were not told of */
};

enum prompt {
	PROMPT_NONE,
	PROMPT_PASSWORD,
	PROMPT_PASSPHRASE,
	PROMPT_HOST_KEY,
	PROMPT_NEW_PASSWORD,
	PROMPT_UNKNOWN,
};

#define FOR_KEY     "Enter passphrase for key '"
#define FOR_KEY_END "': "

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
	size_t size = strlen(text), length = strlen(with);

	return size >= length && strcmp(text + size - length, with) == 0;
}

/* Of what the host itself asks, newer versions say first who asks: "(alice@web1) Password: ". */
static const char *skip_asker(const char *text)
{
	const char *end = strstr(text, ") ");

	return *text == '(' && strchr(text, '@') && end ? end + 2 : text;
}

/* For the password of the account, of all that may be asked for. */
static bool asks_for_password(const char *text)
{
	static const char of_account[] =
		"Password for "; /* of other systems' PAM, and of Kerberos */

	if (ends(text, "'s password: ")) /* ssh's own question */
		return true;
	text = skip_asker(text);
	return password_prompt(text, strlen(text)) ||
	       (strncasecmp(text, of_account, strlen(of_account)) == 0 &&
		(ends(text, ":") || ends(text, ": ")));
}

/* What is on the terminal behind the last newline. ssh writes each of its questions at once. */
static enum prompt recognize(const char *text)
{
	if (begins(text, FOR_KEY))
		return ends(text + strlen(FOR_KEY), FOR_KEY_END) ? PROMPT_PASSPHRASE : PROMPT_NONE;
	if (strstr(text, "(yes/no") && ends(text, "? "))
		return PROMPT_HOST_KEY;
	if (begins(text, "Enter ") && ends(text, "'s old password: "))
		return PROMPT_NEW_PASSWORD;
	if (begins(text, "Enter ") && ends(text, "'s new password: "))
		return PROMPT_NEW_PASSWORD;
	if (asks_for_password(text))
		return PROMPT_PASSWORD;
	if (strcasestr(text, "current password:") || strcasestr(text, "new password:") ||
	    strcasestr(text, "UNIX password:"))
		return PROMPT_NEW_PASSWORD;
	return ends(text, ":") || ends(text, ": ") || ends(text, "?") || ends(text, "? ")
		       ? PROMPT_UNKNOWN
		       : PROMPT_NONE;
}

/* Is it the key that we were told of? ssh shows the first 100 bytes of a path, whose "~" it got expanded. */
static bool is_our_key(const ssh_options *own, const char *prompt)
{
	const char *path = own->identity_file, *shown = prompt + strlen(FOR_KEY);
	size_t shown_size = strlen(shown) - strlen(FOR_KEY_END), size;

	if (!path)
		return false;
	path += *path == '~';
	size = strlen(path);
	if (shown_size == 100) /* cut */
		return true;
	return shown_size >= size && memcmp(shown + shown_size - size, path, size) == 0;
}

/* A key opens once with the password; other keys do not concern it. */
static enum tool_says answer_passphrase(const ssh_options *own, struct tool_memory *memory,
					const char *prompt, const char **ret_answer,
					mitogen_error *err)
{
	bool is_ours = !own->identity_file || is_our_key(own, prompt);

	if (is_ours && !(memory->asked & FOR_PASSPHRASE)) {
		memory->asked |= FOR_PASSPHRASE;
		*ret_answer = own->password;
		return TOOL_ASKS;
	}
	if (is_ours && own->identity_file) {
		error_set(err, MITOGEN_ERR_AUTH,
			  "the password is not the passphrase of the key %.400s",
			  own->identity_file);
		return TOOL_FAILED;
	}
	*ret_answer = ""; /* ssh goes on without it */
	return TOOL_ASKS;
}

static enum tool_says answer_password(const ssh_options *own, struct tool_memory *memory,
				      const char **ret_answer, mitogen_error *err)
{
	if (memory->asked & FOR_PASSWORD) {
		error_set(err, MITOGEN_ERR_AUTH, "the password is wrong: %s asks for it again",
			  own->hostname);
		return TOOL_FAILED;
	}
	if (own->identity_file && (memory->asked & FOR_PASSPHRASE)) {
		error_set(err, MITOGEN_ERR_AUTH,
			  "the password is not the passphrase of the key %.400s, or %s asks for "
			  "another one behind it, which cannot be given",
			  own->identity_file, own->hostname);
		return TOOL_FAILED;
	}
	memory->asked |= FOR_PASSWORD;
	*ret_answer = own->password;
	return TOOL_ASKS;
}

static enum tool_says refuse(const ssh_options *own, enum prompt kind, const char *prompt,
			     mitogen_error *err)
{
	char quoted[PROMPT_MAX];

	switch (kind) {
	case PROMPT_HOST_KEY:
		error_set(err, MITOGEN_ERR_AUTH,
			  "the host key of a host on the way to %s is not known: name that host by "
			  "proxy_jump instead of in ssh_config, or add its key to known_hosts",
			  own->hostname);
		break;
	case PROMPT_NEW_PASSWORD:
		error_set(err, MITOGEN_ERR_AUTH,
			  "the password has expired, %s wants a new one: log in once by hand",
			  own->hostname);
		break;
	default:
		error_set(err, MITOGEN_ERR_AUTH, "it asks \"%s\", for which there is no answer",
			  escape_text(quoted, sizeof(quoted), prompt, strlen(prompt)));
	}
	return TOOL_FAILED;
}

/* "Authenticated to web1 ([10.0.0.1]:22) using "publickey"." */
static bool says_that_we_are_in(const struct tool_line *line)
{
	static const char words[] = "Authenticated to ";

	return line->is_complete && !line->from_terminal && line->size >= strlen(words) &&
	       memcmp(line->text, words, strlen(words)) == 0;
}

enum tool_says ssh_listen(const struct connect_options *options, struct tool_memory *memory,
			  const struct tool_line *line, const char **ret_answer, mitogen_error *err)
{
	const ssh_options *own = options->own;
	char text[PROMPT_MAX];
	enum prompt kind;

	memory->is_let_in |= says_that_we_are_in(line);
	if (!line->from_terminal || line->is_complete || line->size >= sizeof(text) ||
	    memchr(line->text, '\0', line->size))
		return TOOL_NOTHING;
	memcpy(text, line->text, line->size);
	text[line->size] = '\0';
	kind = recognize(text);
	switch (kind) {
	case PROMPT_NONE:
		return TOOL_NOTHING;
	case PROMPT_PASSPHRASE:
		return answer_passphrase(own, memory, text, ret_answer, err);
	case PROMPT_PASSWORD:
		return answer_password(own, memory, ret_answer, err);
	default:
		return refuse(own, kind, text, err);
	}
}

/* ---- Details ---- */

/* Not what it says of a failure: with our LogLevel, and with ssh_debug_level. */
static const char *const details[] = {
	"Transferred: sent ",
	"Bytes per second: sent ",
	"Learned new hostkey: ",
	"Deprecating obsolete hostkey: ",
};
static const char *const debug_details[] = {"debug1: ", "debug2: ", "debug3: ", "OpenSSH_"};

static bool begins_with_one(const char *line, size_t size, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (size >= strlen(words[i]) && memcmp(line, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

bool ssh_is_detail(const struct connect_options *options, const char *line, size_t size)
{
	const ssh_options *own = options->own;

	return begins_with_one(line, size, details, COUNT(details)) ||
	       (own->ssh_debug_level > 0 &&
		begins_with_one(line, size, debug_details, COUNT(debug_details)));
}

/* ---- Last words ---- */

static const struct refusal reasons[] = {
	{"REMOTE HOST IDENTIFICATION HAS CHANGED", MITOGEN_ERR_AUTH,
	 "its host key has changed: it was installed anew, or somebody is between; if you know "
	 "why, remove "
	 "the old key with ssh-keygen -R"},
	{"REVOKED HOST KEY DETECTED", MITOGEN_ERR_AUTH,
	 "its host key is revoked: somebody else may have it"},
	{"host key is known for", MITOGEN_ERR_AUTH,
	 "its host key is not known: log in once by hand, or give check_host_keys=accept"},
	{"Host key verification failed", MITOGEN_ERR_AUTH,
	 "a host key could not be verified: log in once by hand"},
	{"Too many authentication failures", MITOGEN_ERR_AUTH,
	 "it was offered too many keys that it does not know: give identity_file, or "
	 "identities_only"},
	{"Could not resolve hostname", MITOGEN_ERR_CONNECT,
	 "there is no host of that name: is it spelled right, and in DNS or /etc/hosts?"},
	{"timed out during banner exchange", MITOGEN_ERR_TIMEOUT,
	 "time-out: it took the connection and said nothing; is that an ssh server, is it "
	 "overloaded?"},
	{"Timeout, server ", MITOGEN_ERR_TIMEOUT,
	 "time-out: it answers no more, the link or the host is down"},
	{": Connection refused", MITOGEN_ERR_CONNECT,
	 "connection refused: does an ssh server run there, on this port?"},
	{": Connection timed out", MITOGEN_ERR_TIMEOUT,
	 "time-out while connecting: it is off, or a firewall is between"},
	{": Operation timed out", MITOGEN_ERR_TIMEOUT,
	 "time-out while connecting: it is off, or a firewall is between"},
	{": No route to host", MITOGEN_ERR_CONNECT,
	 "unreachable: it is off, or a firewall is between"},
	{": Host is down", MITOGEN_ERR_CONNECT, "unreachable: it is off"},
	{": Network is unreachable", MITOGEN_ERR_CONNECT,
	 "unreachable: there is no route to its network from here"},
	{"stdio forwarding failed", MITOGEN_ERR_CONNECT,
	 "unreachable: the host on the way to it cannot, or may not, connect to it"},
	{"Unable to negotiate", MITOGEN_ERR_CONNECT,
	 "ssh here and the server there have no algorithm in common: ssh_args can allow old ones, "
	 "with "
	 "-oHostKeyAlgorithms=+... or -oKexAlgorithms=+..."},
	{"Cannot execute command-line and remote command", MITOGEN_ERR_CONNECT,
	 "ssh_config has a RemoteCommand for it: give ssh_args=-oRemoteCommand=none"},
	{"Bad owner or permissions on", MITOGEN_ERR_CONNECT,
	 "ssh does not trust its own configuration, as others may write it"},
	{"unsupported option \"accept-new\"", MITOGEN_ERR_CONNECT,
	 "ssh here is older than 7.6 and knows no check_host_keys=accept"},
	{"onfiguration option", MITOGEN_ERR_CONNECT,
	 "ssh does not understand its configuration, or ssh_args"},
	{"usage: ssh", MITOGEN_ERR_CONNECT,
	 "ssh does not understand its arguments: look at ssh_args"},
	{"request failed on channel", MITOGEN_ERR_CONNECT,
	 "it runs no commands for this account: only a subsystem, as sftp"},
	{"_exchange_identification: ", MITOGEN_ERR_CONNECT,
	 "it ended the connection before the login: too many at once (lower --connect-limit), a "
	 "ban, or no ssh server"},
	{"Connection closed by", MITOGEN_ERR_CONNECT, "it ended the connection during the login"},
	{"Connection reset by", MITOGEN_ERR_CONNECT, "it ended the connection during the login"},
	{.words = NULL},
};

/* What ssh says beside a refusal, and what that means. */
static const struct refusal key_hints[] = {
	{"UNPROTECTED PRIVATE KEY FILE", 0, "; others can read the key: chmod 600"},
	{"not accessible: No such file", 0, "; there is no such identity_file"},
	{"not accessible: Permission denied", 0, "; the identity_file may not be read"},
	{"invalid format", 0, "; the identity_file is no private key"},
	{"error in libcrypto", 0, "; the identity_file is no private key"},
	{.words = NULL},
};

/* Sets err: "alice@web1 port 2222", where else it may be, ": ", then the text. */
static void set(mitogen_error *err, int code, const ssh_options *own, const char *elsewhere,
		const char *text)
{
	char port[20] = "";

	if (own->port)
		snprintf(port, sizeof(port), " port %d", own->port);
	error_set(err, code, "%.200s%s%.200s%s%s: %s", own->username ? own->username : "",
		  own->username ? "@" : "", own->hostname, port, elsewhere, text);
}

/* Its own format, OpenSSH's, names in front of all else the cipher, which may be "none". */
static bool is_encrypted(const struct connect_options *options)
{
	char path[PATH_MAX], head[256];
	CLEANUP_FD int fd = -1;
	ssize_t n;

	if (!ssh_identity_path(options, path, sizeof(path)))
		return false;
	fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK); /* it may be a FIFO */
	n = fd < 0 ? 0 : sys.read(fd, head, sizeof(head) - 1);
	head[n > 0 ? n : 0] = '\0';
	return strstr(head, "ENCRYPTED") ||
	       (strstr(head, "BEGIN OPENSSH") && !strstr(head, "AAAABG5vbmU"));
}

/* methods: those that the host would take, "publickey,password)". */
static void explain_refusal(const struct connect_options *options, const char *elsewhere,
			    const char *methods, const char *output, mitogen_error *err)
{
	const ssh_options *own = options->own;
	const struct refusal *hint = refusal_find(key_hints, output);
	size_t size = strcspn(methods, ")");
	bool takes_password = memmem(methods, size, "password", 8) ||
			      memmem(methods, size, "keyboard-interactive", 20);
	const char *why;
	char text[512];

	if (own->password && takes_password)
		why = "the password is wrong, or the account may not log in with one";
	else if (own->password)
		why = "the server takes no password, and took no key of ours";
	else if (is_encrypted(options))
		why = "the server took no key of ours, and the identity_file has a passphrase: "
		      "give that as password (mitogen: --ask-pass), or the key to an agent";
	else if (takes_password)
		why = "the server took no key of ours, and no password was given: give password "
		      "(mitogen: --ask-pass or --password-file) or identity_file";
	else
		why = "the server took no key of ours: is the public one in authorized_keys there?";
	snprintf(text, sizeof(text), "permission denied: %s%s", why, hint ? hint->text : "");
	set(err, MITOGEN_ERR_AUTH, own, elsewhere, text);
}

/* The status is that of what the host has run. */
static void explain_command(const ssh_options *own, const char *output, int status,
			    mitogen_error *err)
{
	char text[256];

	if (strstr(output, "Password change required")) {
		set(err, MITOGEN_ERR_AUTH, own, "",
		    "the password has expired: log in once by hand");
		return;
	}
	if (status == NO_COMMAND)
		snprintf(text, sizeof(text),
			 "it let us in, but its shell found no sh to run: what is its PATH?");
	else
		snprintf(text, sizeof(text),
			 "it let us in, but ended with status %d and did not run our command: has "
			 "the "
			 "account no shell (nologin), a forced command, or sftp only?",
			 status);
	set(err, MITOGEN_ERR_CONNECT, own, "", text);
}

void ssh_explain(const struct connect_options *options, const char *output, int status,
		 mitogen_error *err)
{
	static const char denied[] = "Permission denied (";
	const ssh_options *own = options->own;
	const struct refusal *reason = refusal_find(reasons, output);
	const char *refusal = strstr(output, denied);
	const char *elsewhere = own->proxy_jump ? ", or a host on the way" : "";

	if (status < 0 || !WIFEXITED(status))
		return;
	if (WEXITSTATUS(status) != SSH_FAILED)
		explain_command(own, output, WEXITSTATUS(status), err);
	else if (refusal)
		explain_refusal(options, elsewhere, refusal + strlen(denied), output, err);
	else if (reason)
		set(err, reason->code, own, elsewhere, reason->text);
}

bool ssh_is_link_failure(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == SSH_FAILED;
}
