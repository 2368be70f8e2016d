/* SPDX-License-Identifier: BSD-3-Clause */
#include "connect/ssh_messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "parent/method_options.h"

#define EXITED(status) ((status) << 8) /* as waitpid has it */

static mitogen_ssh_options own;
static struct connect_options options;
static struct tool_memory memory;
static const char *answer;
static mitogen_error err;

static int setup(void **state)
{
	(void)state;
	own = (mitogen_ssh_options){.hostname = "web1", .password = "secret"};
	options = (struct connect_options){.own = &own};
	memory = (struct tool_memory){0};
	return 0;
}

static enum tool_says hear(const char *text, bool is_complete, bool from_terminal)
{
	const struct tool_line line = {text, strlen(text), is_complete, from_terminal};

	answer = NULL;
	error_set(&err, 0, "%s", "");
	return ssh_listen(&options, &memory, &line, &answer, &err);
}

static void answers(const char *prompt, const char *expected)
{
	assert_int_equal(hear(prompt, false, true), TOOL_ASKS);
	assert_string_equal(answer, expected);
}

static void ignores(const char *text)
{
	assert_int_equal(hear(text, false, true), TOOL_NOTHING);
	assert_null(answer);
}

static void fails(const char *prompt, const char *text)
{
	assert_int_equal(hear(prompt, false, true), TOOL_FAILED);
	assert_null(answer);
	assert_int_equal(err.code, MITOGEN_ERR_AUTH);
	if (!strstr(err.text, text))
		fail_msg("'%s' is not in '%s'", text, err.text);
}

static void a_password_is_given_once(void **state)
{
	(void)state;
	answers("alice@web1's password: ", "secret");
	fails("alice@web1's password: ", "the password is wrong");
}

static void the_host_itself_may_ask_for_it(void **state)
{
	static const char *const prompts[] = {
		"(alice@web1) Password: ",
		"Password: ",
		"Password:",
		"password: ",
		"(alice@10.0.0.1) Password:",
		"Password for alice@web1:",
		"(alice@web1) Password for alice@EXAMPLE.ORG: ",
		"(alice@web1) Mot de passe : ",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(prompts) / sizeof(*prompts); i++) {
		memory.asked = 0;
		answers(prompts[i], "secret");
	}
}

static void nothing_else_is_a_prompt_M7(void **state)
{
	(void)state;
	ignores("");
	ignores("Pass");
	ignores("alice@web1's password");
	ignores("Enter passphrase for key '/a: ");
	assert_int_equal(hear("alice@web1's password: ", true, true), TOOL_NOTHING);
	/* a banner, a message of the day, a program there */
	assert_int_equal(hear("alice@web1's password: ", false, false), TOOL_NOTHING);
	assert_int_equal(hear("Password: ", true, false), TOOL_NOTHING);
	assert_int_equal(memory.asked, 0);
}

static void other_questions_have_no_answer(void **state)
{
	(void)state;
	fails("(alice@web1) Verification code: ", "\"(alice@web1) Verification code: \"");
	fails("Accept updated hostkeys? (yes/no): ", "for which there is no answer");
	fails("Enter PIN for ED25519-SK key /k: ", "for which there is no answer");
	fails("(alice@web1) New password: ", "has expired");
	fails("Enter alice@web1's old password: ", "has expired");
	fails("(alice@web1) (current) UNIX password: ", "has expired");
	fails("(alice@web1) Current password: ", "has expired");
	fails("Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
	      "host key of a host on the way");
	assert_int_equal(memory.asked, 0);
}

static void a_key_is_opened_with_it(void **state)
{
	(void)state;
	own.identity_file = "~/.ssh/id";
	answers("Enter passphrase for key '/home/alice/.ssh/id': ", "secret");
	fails("Enter passphrase for key '/home/alice/.ssh/id': ",
	      "is not the passphrase of the key ~/.ssh/id");
}

static void what_opens_a_key_is_not_sent_to_the_host(void **state)
{
	(void)state;
	own.identity_file = "/k/id";
	answers("Enter passphrase for key '/k/id': ", "secret");
	fails("alice@web1's password: ", "is not the passphrase of the key");
}

static void keys_that_were_not_named_are_left_out(void **state)
{
	(void)state;
	own.identity_file = "/k/id";
	answers("Enter passphrase for key '/home/alice/.ssh/id_rsa': ", "");
	answers("alice@web1's password: ", "secret");
	setup(NULL);
	answers("Enter passphrase for key '/home/alice/.ssh/id_rsa': ", "secret");
	answers("Enter passphrase for key '/home/alice/.ssh/id_dsa': ", "");
	answers("alice@web1's password: ", "secret");
}

static void it_is_let_in_when_ssh_says_so(void **state)
{
	(void)state;
	hear("Authenticated", true, false);
	hear("Authenticated to web1 ([10.0.0.1]:22) using \"publickey\".", false, false);
	hear("Authenticated to web1 ([10.0.0.1]:22) using \"publickey\".", true, true);
	assert_false(memory.is_let_in);
	hear("Authenticated to web1 ([10.0.0.1]:22) using \"publickey\".", true, false);
	assert_true(memory.is_let_in);
}

static bool is_detail(const char *line)
{
	return ssh_is_detail(&options, line, strlen(line));
}

static void its_details_are_known_M8(void **state)
{
	(void)state;
	assert_true(is_detail("Transferred: sent 2909616, received 4400 bytes, in 0.7 seconds"));
	assert_true(is_detail("Bytes per second: sent 4067961.0, received 6151.7"));
	assert_false(is_detail("Permission denied (publickey)."));
	assert_false(is_detail("debug1"));
	assert_false(is_detail("debug1: of a program there"));
	own.ssh_debug_level = 1;
	assert_true(is_detail("debug1: Connecting to web1 [10.0.0.1] port 22."));
	assert_true(is_detail("OpenSSH_9.2p1 Debian-2+deb12u10"));
	assert_false(is_detail("Transferred"));
}

/* ---- */

static void ends_with(int status, const char *output, int code, const char *text)
{
	error_set(&err, MITOGEN_ERR_CONNECT, "ssh exited");
	ssh_explain(&options, output, EXITED(status), &err);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, text))
		fail_msg("'%s' is not in '%s'", text, err.text);
}

static void each_failure_has_its_own_words(void **state)
{
	static const struct {
		const char *output;
		int code;
		const char *text;
	} failures[] = {
		{"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @ | Host key "
		 "verification failed.",
		 MITOGEN_ERR_AUTH, "its host key has changed"},
		{"No ED25519 host key is known for web1 and you have requested strict checking. | "
		 "Host "
		 "key verification failed.",
		 MITOGEN_ERR_AUTH, "its host key is not known"},
		{"Host key verification failed.", MITOGEN_ERR_AUTH, "could not be verified"},
		{"ssh: Could not resolve hostname web1: Name or service not known",
		 MITOGEN_ERR_CONNECT, "no host of that name"},
		{"ssh: connect to host web1 port 22: Connection refused", MITOGEN_ERR_CONNECT,
		 "connection refused"},
		{"ssh: connect to host web1 port 22: Connection timed out", MITOGEN_ERR_TIMEOUT,
		 "time-out while connecting"},
		{"ssh: connect to host web1 port 22: No route to host", MITOGEN_ERR_CONNECT,
		 "unreachable"},
		{"ssh: connect to host web1 port 22: Network is unreachable", MITOGEN_ERR_CONNECT,
		 "no route to its network"},
		{"Connection timed out during banner exchange", MITOGEN_ERR_TIMEOUT,
		 "said nothing"},
		{"kex_exchange_identification: Connection closed by remote host",
		 MITOGEN_ERR_CONNECT, "before the login"},
		{"Timeout, server web1 not responding.", MITOGEN_ERR_TIMEOUT, "answers no more"},
	};

	(void)state;
	own.username = "alice";
	own.port = 22;
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
		ends_with(255, failures[i].output, failures[i].code, failures[i].text);
		assert_ptr_equal(strstr(err.text, "alice@web1 port 22: "), err.text);
	}
	ends_with(255, "something new", MITOGEN_ERR_CONNECT, "ssh exited");
}

static void refusals_of_old_and_new_versions_M7(void **state)
{
	(void)state;
	ends_with(255, "Permission denied (publickey,password).", MITOGEN_ERR_AUTH,
		  "password is wrong");
	ends_with(255, "alice@10.0.0.1: Permission denied (publickey).", MITOGEN_ERR_AUTH,
		  "the server takes no password");
	own.password = NULL;
	ends_with(255, "alice@web1: Permission denied (publickey,keyboard-interactive).",
		  MITOGEN_ERR_AUTH, "no password was given");
	ends_with(255,
		  "no such identity: /k: No such file or directory | alice@web1: Permission denied "
		  "(publickey).",
		  MITOGEN_ERR_AUTH, "is the public one in authorized_keys there?");
	ends_with(255,
		  "Warning: Identity file /k not accessible: No such file or directory. | "
		  "alice@web1: Permission denied (publickey).",
		  MITOGEN_ERR_AUTH, "there is no such identity_file");
	own.proxy_jump = "bastion";
	ends_with(255, "alice@bastion: Permission denied (publickey).", MITOGEN_ERR_AUTH,
		  "web1, or a host on the way: permission denied: ");
	/* a shell that may not change to its home says this, too */
	ends_with(255, "sh: cd: Permission denied", MITOGEN_ERR_CONNECT, "ssh exited");
}

static void an_account_without_a_shell(void **state)
{
	(void)state;
	ends_with(1, "This account is currently not available.", MITOGEN_ERR_CONNECT,
		  "ended with status 1");
	ends_with(1, "Password change required but no TTY available.", MITOGEN_ERR_AUTH,
		  "has expired");
	ends_with(127, "exec: sh: not found", MITOGEN_ERR_CONNECT, "found no sh");
	ends_with(255, "exec request failed on channel 0", MITOGEN_ERR_CONNECT, "runs no commands");
}

static void the_link_is_what_ssh_itself_fails_over(void **state)
{
	(void)state;
	assert_true(ssh_is_link_failure(EXITED(255)));
	assert_false(ssh_is_link_failure(EXITED(1)));
	assert_false(ssh_is_link_failure(9));
}

static void what_was_killed_says_so_itself(void **state)
{
	(void)state;
	error_set(&err, MITOGEN_ERR_CONNECT, "ssh was killed");
	ssh_explain(&options, "Permission denied (publickey)", 9, &err);
	ssh_explain(&options, "Permission denied (publickey)", -1, &err);
	assert_string_equal(err.text, "ssh was killed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_password_is_given_once, setup),
		cmocka_unit_test_setup(the_host_itself_may_ask_for_it, setup),
		cmocka_unit_test_setup(nothing_else_is_a_prompt_M7, setup),
		cmocka_unit_test_setup(other_questions_have_no_answer, setup),
		cmocka_unit_test_setup(a_key_is_opened_with_it, setup),
		cmocka_unit_test_setup(what_opens_a_key_is_not_sent_to_the_host, setup),
		cmocka_unit_test_setup(keys_that_were_not_named_are_left_out, setup),
		cmocka_unit_test_setup(it_is_let_in_when_ssh_says_so, setup),
		cmocka_unit_test_setup(its_details_are_known_M8, setup),
		cmocka_unit_test_setup(each_failure_has_its_own_words, setup),
		cmocka_unit_test_setup(refusals_of_old_and_new_versions_M7, setup),
		cmocka_unit_test_setup(an_account_without_a_shell, setup),
		cmocka_unit_test_setup(the_link_is_what_ssh_itself_fails_over, setup),
		cmocka_unit_test_setup(what_was_killed_says_so_itself, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
