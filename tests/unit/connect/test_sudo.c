/* SPDX-License-Identifier: BSD-3-Clause */
#include "tool.h"

#include "parent/first_stage.h"
#include "parent/method_options.h"

static mitogen_sudo_options own;
static const struct connect_options options = {.own = &own, .marker = {0x12345678, 0x9abcdef0}};

#define MARKER "mitogen-123456789abcdef0 password: "

static int setup(void **state)
{
	own = (mitogen_sudo_options){.size = sizeof(own)};
	return forget(state);
}

static const char *line(void)
{
	static char text[8192];
	const char *whole = command_line(&connect_sudo, &options);
	const char *end = strstr(whole, "--|sh|-c|");

	assert_non_null(end);
	snprintf(text, sizeof(text), "%.*s", (int)(end - whole), whole);
	return text;
}

static void the_other_account_and_how(void **state)
{
	static const char *const more[] = {"-g", "staff", NULL};

	(void)state;
	assert_string_equal(line(), "-n|-u|root|");
	own.username = "alice";
	own.set_home = own.login = true;
	assert_string_equal(line(), "-n|-u|alice|-H|-i|");
	own.set_home = own.login = false;
	own.selinux_role = "staff_r";
	own.selinux_type = "staff_t";
	own.sudo_args = more;
	assert_string_equal(line(), "-n|-u|alice|-r|staff_r|-t|staff_t|-g|staff|");
}

/* sudo takes "$" for itself where it runs a login shell. */
static void m10_the_first_stage_without_dollars_behind_a_login(void **state)
{
	(void)state;
	assert_non_null(strstr(command_line(&connect_sudo, &options), first_stage_argv[2]));
	own.login = true;
	assert_non_null(strstr(command_line(&connect_sudo, &options), first_stage_argv_plain[2]));
	assert_null(strchr(command_line(&connect_sudo, &options), '$'));
}

/* Everybody sees command lines. */
static void the_marker_is_in_no_command_line(void **state)
{
	const char *whole;

	(void)state;
	own.password = "secret";
	whole = command_line(&connect_sudo, &options);
	assert_string_equal(strrchr(whole, '|'), "|SUDO_PROMPT=" MARKER);
	assert_null(strstr(whole, "-n|"));
	assert_null(strstr(whole, "secret"));
	assert_null(strstr(line(), "mitogen-"));
}

/* Where the environment is passed on, it is not in there. */
static void with_the_environment_the_marker_is(void **state)
{
	(void)state;
	own.password = "secret";
	own.preserve_env = true;
	assert_string_equal(line(), "-p|" MARKER "|-u|root|-E|");
	assert_null(strstr(command_line(&connect_sudo, &options), "SUDO_PROMPT"));
}

static void a_terminal_where_a_password_may_be_needed(void **state)
{
	(void)state;
	assert_false(needs_terminal(&connect_sudo, &options));
	own.password = "secret";
	assert_true(needs_terminal(&connect_sudo, &options));
}

static void asked_in_our_words_it_answers_once(void **state)
{
	(void)state;
	own.password = "secret";
	assert_int_equal(hear(&connect_sudo, &options, MARKER, false, true), TOOL_ASKS);
	assert_string_equal(answer, "secret");
	assert_int_equal(hear(&connect_sudo, &options, "Sorry, try again.", true, true),
			 TOOL_NOTHING);
	assert_int_equal(hear(&connect_sudo, &options, MARKER, false, true), TOOL_FAILED);
	assert_int_equal(error.code, MITOGEN_ERR_AUTH);
	assert_string_equal(error.text, "the password is wrong: sudo asks for it again");
}

static void other_questions_get_no_answer(void **state)
{
	static const char *const texts[] = {
		"[sudo] password for alice: ",
		"Password: ",
		"mitogen-1234567800000000 password: ",
		"",
		"mitogen-123456789abcdef0",
	};

	(void)state;
	own.password = "secret";
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(hear(&connect_sudo, &options, texts[i], false, true),
				 TOOL_NOTHING);
	/* from elsewhere, or as a whole line, it is no question */
	assert_int_equal(hear(&connect_sudo, &options, MARKER, false, false), TOOL_NOTHING);
	assert_int_equal(hear(&connect_sudo, &options, MARKER, true, true), TOOL_NOTHING);
}

static void a_new_password_is_not_ours_to_choose(void **state)
{
	(void)state;
	own.password = "secret";
	assert_int_equal(
		hear(&connect_sudo, &options,
		     "You are required to change your password immediately (password expired).",
		     true, true),
		TOOL_FAILED);
	assert_int_equal(error.code, MITOGEN_ERR_AUTH);
	assert_non_null(strstr(error.text, "change it by hand"));
}

static void reasons(void **state)
{
	(void)state;
	assert_string_equal(explain(&connect_sudo, "sudo: 1 incorrect password attempt"),
			    "sudo: the password is wrong");
	assert_int_equal(error.code, MITOGEN_ERR_AUTH);
	assert_non_null(strstr(explain(&connect_sudo, "sudo: unknown user nobody2"),
			       "no account of that name"));
	assert_int_equal(error.code, MITOGEN_ERR_CONNECT);
	assert_string_equal(explain(&connect_sudo, "etwas anderes"), "it exited with status 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_other_account_and_how, setup),
		cmocka_unit_test_setup(m10_the_first_stage_without_dollars_behind_a_login, setup),
		cmocka_unit_test_setup(the_marker_is_in_no_command_line, setup),
		cmocka_unit_test_setup(with_the_environment_the_marker_is, setup),
		cmocka_unit_test_setup(a_terminal_where_a_password_may_be_needed, setup),
		cmocka_unit_test_setup(asked_in_our_words_it_answers_once, setup),
		cmocka_unit_test_setup(other_questions_get_no_answer, setup),
		cmocka_unit_test_setup(a_new_password_is_not_ours_to_choose, setup),
		cmocka_unit_test_setup(reasons, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
