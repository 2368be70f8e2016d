/* SPDX-License-Identifier: BSD-3-Clause */
#include "connect/ssh_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/quote.h"
#include "base/sys.h"
#include "connect/methods.h"
#include "parent/first_stage.h"
#include "parent/launch.h"
#include "parent/method_options.h"

#define ENFORCE "-oStrictHostKeyChecking=yes"
#define VERBOSE " -oLogLevel=VERBOSE"
#define DEFAULTS                                                                                   \
	" -oConnectTimeout=29 -oServerAliveInterval=15 "                                           \
	"-oServerAliveCountMax=3 "                                                                 \
	"-oCompression=no"

static char directory[] = "/tmp/test-ssh-XXXXXX";
static char path_variable[64];
static char *environment[] = {path_variable, (char *)(uintptr_t) "HOME=/home/alice", NULL, NULL};
static struct launch_command command;
static mitogen_error err;
static char text[8192];

static int setup(void **state)
{
	char program[64];
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path_variable, sizeof(path_variable), "PATH=%s", directory);
	snprintf(program, sizeof(program), "%s/ssh", directory);
	file = fopen(program, "w");
	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0700), 0);
	fclose(file);
	return 0;
}

static int teardown(void **state)
{
	char program[64];

	(void)state;
	snprintf(program, sizeof(program), "%s/ssh", directory);
	unlink(program);
	rmdir(directory);
	return 0;
}

static int clear(void **state)
{
	(void)state;
	launch_command_clear(&command);
	return 0;
}

static int make(const mitogen_ssh_options *own)
{
	const struct connect_options options = {
		.connect_timeout_ms = 30000,
		.environment = environment,
		.own = own,
	};

	launch_command_clear(&command);
	return connect_ssh.command(&options, "ssh.1", &command, &err);
}

/* The arguments without the program and the first stage, as a shell would take them. */
static const char *arguments_for(const mitogen_ssh_options *own)
{
	size_t count = 0;
	char *last;

	assert_int_equal(make(own), 0);
	assert_string_equal(command.argv[0], own->ssh_path ? own->ssh_path : "ssh");
	while (command.argv[count])
		count++;
	assert_string_equal(command.argv[count - 1], first_stage_command);
	last = command.argv[count - 1];
	command.argv[count - 1] = NULL;
	quote_command(text, sizeof(text), command.argv[1], command.argv + 2);
	command.argv[count - 1] = last;
	return text;
}

#define ASSERT_ARGUMENTS(expected, ...)                                                            \
	assert_string_equal(arguments_for(&(mitogen_ssh_options){__VA_ARGS__}), expected)
#define ASSERT_USAGE(...)                                                                          \
	assert_int_equal(make(&(mitogen_ssh_options){__VA_ARGS__}), MITOGEN_ERR_USAGE)

static void without_a_password_it_may_not_ask(void **state)
{
	char program[64];

	(void)state;
	snprintf(program, sizeof(program), "%s/ssh", directory);
	ASSERT_ARGUMENTS("-ax -oBatchMode=yes " ENFORCE VERBOSE DEFAULTS " -T -enone web1",
			 .hostname = "web1");
	assert_string_equal(command.path, program);
	assert_int_equal(command.terminal, LAUNCH_NO_TERMINAL);
}

static void for_a_password_it_has_a_terminal_M4(void **state)
{
	(void)state;
	ASSERT_ARGUMENTS("-ax -oNumberOfPasswordPrompts=1 " ENFORCE VERBOSE DEFAULTS
			 " -T -enone web1",
			 .hostname = "web1", .password = "secret");
	assert_int_equal(command.terminal, LAUNCH_TERMINAL);
}

static void all_that_is_given_comes_first(void **state)
{
	static const char *const more[] = {"-4", "-oTCPKeepAlive=no", NULL};

	(void)state;
	ASSERT_ARGUMENTS(
		"-ax -v -v -lalice -p2222 -oBatchMode=yes -oCompression=yes " ENFORCE
		" -oServerAliveInterval=5 -oServerAliveCountMax=2 -i/key "
		"-oIdentitiesOnly=yes -4 -oTCPKeepAlive=no -oConnectTimeout=29 -T -enone ::1",
		.hostname = "::1", .username = "alice", .port = 2222, .identity_file = "/key",
		.compression = true, .ssh_debug_level = 2, .keepalive_interval = 5,
		.keepalive_count = 2, .ssh_args = more);
}

static void ssh_gives_up_before_us(void **state)
{
	const mitogen_ssh_options own = {.hostname = "web1"};
	struct connect_options options = {.environment = environment, .own = &own};

	(void)state;
	options.connect_timeout_ms = 6000;
	assert_int_equal(connect_ssh.command(&options, "ssh.1", &command, &err), 0);
	assert_string_equal(command.argv[5], "-oConnectTimeout=5");
	launch_command_clear(&command);
	options.connect_timeout_ms = 5000; /* or not at all: a second is much of that */
	assert_int_equal(connect_ssh.command(&options, "ssh.1", &command, &err), 0);
	assert_string_equal(command.argv[5], "-oServerAliveInterval=15");
}

static void host_keys(void **state)
{
	(void)state;
	ASSERT_ARGUMENTS("-ax -oBatchMode=yes -oStrictHostKeyChecking=accept-new" VERBOSE DEFAULTS
			 " -T -enone web1",
			 .hostname = "web1", .check_host_keys = MITOGEN_HOST_KEYS_ACCEPT);
	ASSERT_ARGUMENTS(
		"-ax -oBatchMode=yes -oStrictHostKeyChecking=no "
		"-oUserKnownHostsFile=/dev/null -oGlobalKnownHostsFile=/dev/null" VERBOSE DEFAULTS
		" -T -enone web1",
		.hostname = "web1", .check_host_keys = MITOGEN_HOST_KEYS_IGNORE);
}

static void keepalives_are_the_users_once_they_are_named(void **state)
{
	(void)state;
	ASSERT_ARGUMENTS(
		"-ax -oBatchMode=yes " ENFORCE
		" -oServerAliveInterval=0 -oLogLevel=VERBOSE -oConnectTimeout=29 -oCompression=no "
		"-T -enone web1",
		.hostname = "web1", .keepalive_enabled = MITOGEN_NO, .keepalive_interval = 7);
	ASSERT_ARGUMENTS("-ax -oBatchMode=yes " ENFORCE
			 " -oServerAliveInterval=15 -oServerAliveCountMax=3 -oLogLevel=VERBOSE "
			 "-oConnectTimeout=29 "
			 "-oCompression=no -T -enone web1",
			 .hostname = "web1", .keepalive_enabled = MITOGEN_YES);
	ASSERT_ARGUMENTS("-ax -oBatchMode=yes " ENFORCE
			 " -oServerAliveCountMax=9 -oLogLevel=VERBOSE -oConnectTimeout=29 "
			 "-oServerAliveInterval=15 "
			 "-oCompression=no -T -enone web1",
			 .hostname = "web1", .keepalive_count = 9);
}

static void the_home_of_a_key_is_that_of_the_environment_M6(void **state)
{
	(void)state;
	ASSERT_ARGUMENTS("-ax -oBatchMode=yes " ENFORCE
			 " -i/home/alice/.ssh/key -oIdentitiesOnly=yes" VERBOSE DEFAULTS
			 " -T -enone web1",
			 .hostname = "web1", .identity_file = "~/.ssh/key");
	ASSERT_ARGUMENTS("-ax -oBatchMode=yes " ENFORCE
			 " '-i~bob/key' -oIdentitiesOnly=no" VERBOSE DEFAULTS " -T -enone web1",
			 .hostname = "web1", .identity_file = "~bob/key",
			 .identities_only = MITOGEN_NO);
	environment[1] = NULL;
	ASSERT_USAGE(.hostname = "web1", .identity_file = "~/.ssh/key");
	environment[1] = (char *)(uintptr_t) "HOME=/home/alice";
}

static void other_identities_can_be_kept_out_M5(void **state)
{
	(void)state;
	ASSERT_ARGUMENTS("-ax -oBatchMode=yes " ENFORCE " -oIdentitiesOnly=yes" VERBOSE DEFAULTS
			 " -T -enone web1",
			 .hostname = "web1", .identities_only = MITOGEN_YES);
}

static void hosts_on_the_way_may_not_ask(void **state)
{
	(void)state;
	ASSERT_ARGUMENTS(
		"-ax -oNumberOfPasswordPrompts=1 " ENFORCE
		" '-oProxyCommand=ssh -axT -oBatchMode=yes " ENFORCE DEFAULTS
		" -lbob -p2200 '\\''-W[%h]:%p'\\'' bastion'" VERBOSE DEFAULTS " -T -enone web1",
		.hostname = "web1", .password = "secret", .proxy_jump = "bob@bastion:2200");
}

/* Beside those of their own: they need not be the last host's. */
static void the_key_is_for_jumps_too(void **state)
{
	(void)state;
	assert_non_null(strstr(arguments_for(&(mitogen_ssh_options){
				       .hostname = "web1",
				       .identity_file = "~/100%.pem",
				       .proxy_jump = "a",
			       }),
			       "-i/home/alice/100%.pem -oIdentitiesOnly=yes "
			       "'-oProxyCommand=ssh -axT -oBatchMode=yes " ENFORCE
			       " -i/home/alice/100%%.pem" DEFAULTS " '\\''-W[%h]:%p'\\'' a'"));
	assert_non_null(strstr(arguments_for(&(mitogen_ssh_options){
				       .hostname = "web1",
				       .identities_only = MITOGEN_YES,
				       .proxy_jump = "a",
			       }),
			       ENFORCE " -oIdentitiesOnly=yes" DEFAULTS));
}

static void jumps_are_nested(void **state)
{
	static const char *const config[] = {"-F", "/etc/my ssh", NULL};

	(void)state;
	assert_int_equal(make(&(mitogen_ssh_options){.hostname = "web1",
						     .proxy_jump = "a,[fe80::1%eth0]:22",
						     .ssh_args = config}),
			 0);
	assert_string_equal(command.argv[4],
			    "-oProxyCommand=ssh -axT -oBatchMode=yes " ENFORCE
			    " '-F/etc/my ssh'" DEFAULTS " -p22 '-oProxyCommand=ssh -axT "
			    "-oBatchMode=yes " ENFORCE " '\\''-F/etc/my ssh'\\''" DEFAULTS
			    " '\\''-W[%%h]:%%p'\\'' a' '-W[%h]:%p' fe80::1%%eth0");
}

static void accounts_of_domains(void **state)
{
	(void)state;
	ASSERT_ARGUMENTS("-ax '-lDOM\\alice$' -oBatchMode=yes " ENFORCE VERBOSE DEFAULTS
			 " -T -enone web1",
			 .hostname = "web1", .username = "DOM\\alice$");
	assert_int_equal(
		make(&(mitogen_ssh_options){.hostname = "web1", .proxy_jump = "DOM\\alice@a"}), 0);
	assert_non_null(strstr(command.argv[4], " '-lDOM\\alice' "));
}

static void what_a_shell_could_see_is_no_name(void **state)
{
	(void)state;
	ASSERT_USAGE(.hostname = "-oProxyCommand=id");
	ASSERT_USAGE(.hostname = "a;id");
	ASSERT_USAGE(.hostname = "$(id)");
	ASSERT_USAGE(.hostname = "");
	ASSERT_USAGE(.hostname = "web1", .username = "-l");
	ASSERT_USAGE(.hostname = "web1", .username = "a`id`");
	ASSERT_USAGE(.hostname = "web1", .username = "a\\");
	ASSERT_USAGE(.hostname = "web1", .proxy_jump = "a,-b");
	ASSERT_USAGE(.hostname = "web1", .proxy_jump = "a,");
	ASSERT_USAGE(.hostname = "web1", .proxy_jump = "a:x");
	ASSERT_USAGE(.hostname = "web1", .proxy_jump = "[::1]22");
	ASSERT_USAGE(.hostname = "web1", .proxy_jump = "[::1");
	ASSERT_USAGE(.hostname = "web1", .proxy_jump = "x|y@a");
	ASSERT_USAGE(.hostname = "web1", .proxy_jump = "a,b,c,d,e,f");
}

static void the_process_there_tells_whose_it_is_M20(void **state)
{
	char expected[256], host[64];

	(void)state;
	gethostname(host, sizeof(host));
	assert_int_equal(make(&(mitogen_ssh_options){.hostname = "web1"}), 0);
	snprintf(expected, sizeof(expected), "%d@%s:%d", (int)getuid(), host, getpid());
	assert_string_equal(command.title, expected);
	environment[2] = (char *)(uintptr_t) "USER=DOM/alice";
	assert_int_equal(make(&(mitogen_ssh_options){.hostname = "web1"}), 0);
	snprintf(expected, sizeof(expected), "DOM/alice@%s:%d", host, getpid());
	assert_string_equal(command.title, expected);
	environment[2] = NULL;
	assert_int_equal(make(&(mitogen_ssh_options){.hostname = "web1", .remote_name = "job"}), 0);
	assert_string_equal(command.title, "job");
}

static struct sys original;
static int allocations; /* until one fails */

static void *failing_malloc(size_t size)
{
	return allocations-- == 0 ? NULL : original.malloc(size);
}

static void *failing_realloc(void *p, size_t size)
{
	return allocations-- == 0 ? NULL : original.realloc(p, size);
}

static void without_memory_nothing_is_half_done(void **state)
{
	int failed = 0, r;

	(void)state;
	original = sys;
	do {
		allocations = failed;
		sys.malloc = failing_malloc;
		sys.realloc = failing_realloc;
		r = make(&(mitogen_ssh_options){.hostname = "web1",
						.password = "secret",
						.identity_file = "~/key",
						.proxy_jump = "a,b"});
		sys = original;
		failed += r < 0;
		assert_true(r == 0 || r == MITOGEN_ERR_MEMORY || r == MITOGEN_ERR_SYSTEM);
		assert_true((r == 0) == (command.argv != NULL));
	} while (r < 0);
	assert_true(failed > 60);
	assert_non_null(command.title);
}

static void a_missing_client_is_named(void **state)
{
	(void)state;
	assert_int_equal(make(&(mitogen_ssh_options){.hostname = "web1", .ssh_path = "no-ssh"}),
			 MITOGEN_ERR_CONNECT);
	assert_non_null(strstr(err.text, "there is no program no-ssh here"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(without_a_password_it_may_not_ask, clear),
		cmocka_unit_test_teardown(for_a_password_it_has_a_terminal_M4, clear),
		cmocka_unit_test_teardown(all_that_is_given_comes_first, clear),
		cmocka_unit_test_teardown(ssh_gives_up_before_us, clear),
		cmocka_unit_test_teardown(host_keys, clear),
		cmocka_unit_test_teardown(keepalives_are_the_users_once_they_are_named, clear),
		cmocka_unit_test_teardown(the_home_of_a_key_is_that_of_the_environment_M6, clear),
		cmocka_unit_test_teardown(other_identities_can_be_kept_out_M5, clear),
		cmocka_unit_test_teardown(hosts_on_the_way_may_not_ask, clear),
		cmocka_unit_test_teardown(the_key_is_for_jumps_too, clear),
		cmocka_unit_test_teardown(jumps_are_nested, clear),
		cmocka_unit_test_teardown(accounts_of_domains, clear),
		cmocka_unit_test_teardown(what_a_shell_could_see_is_no_name, clear),
		cmocka_unit_test_teardown(the_process_there_tells_whose_it_is_M20, clear),
		cmocka_unit_test_teardown(without_memory_nothing_is_half_done, clear),
		cmocka_unit_test_teardown(a_missing_client_is_named, clear),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
