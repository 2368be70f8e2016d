/* SPDX-License-Identifier: BSD-3-Clause */
#include "tool.h"

#include "parent/first_stage.h"
#include "parent/method_options.h"

static mitogen_su_options own;
static const struct connect_options options = {.own = &own};

static int setup(void **state)
{
	own = (mitogen_su_options){.size = sizeof(own)};
	return forget(state);
}

static void the_command_for_a_login_shell(void **state)
{
	char expected[4096];

	(void)state;
	snprintf(expected, sizeof(expected), "root|-c|%s|", first_stage_command);
	assert_string_equal(command_line(&connect_su, &options), expected);
	own.username = "alice";
	own.password = "secret";
	snprintf(expected, sizeof(expected), "alice|-c|%s|", first_stage_command);
	assert_string_equal(command_line(&connect_su, &options), expected);
}

/* Where it reads, too; nothing but the answer may be there. */
static void m11_asked_on_its_streams_it_answers_once(void **state)
{
	(void)state;
	own.password = "secret";
	assert_true(connect_su.may_ask_on_streams);
	assert_int_equal(hear(&connect_su, &options, "Password: ", false, false), TOOL_ASKS);
	assert_string_equal(answer, "secret");
	assert_int_equal(hear(&connect_su, &options, "Password: ", false, false), TOOL_FAILED);
	assert_string_equal(error.text, "the password is wrong: su asks for it again");
}

static void without_a_password_there_is_no_answer(void **state)
{
	(void)state;
	assert_int_equal(hear(&connect_su, &options, "Passwort: ", false, false), TOOL_FAILED);
	assert_int_equal(error.code, MITOGEN_ERR_AUTH);
	assert_non_null(strstr(error.text, "none was given"));
}

static void what_is_no_question(void **state)
{
	(void)state;
	own.password = "secret";
	assert_int_equal(hear(&connect_su, &options, "Password: ", true, false), TOOL_NOTHING);
	assert_int_equal(hear(&connect_su, &options, "The password: ", false, false), TOOL_NOTHING);
	assert_int_equal(hear(&connect_su, &options, "", false, false), TOOL_NOTHING);
}

static void reasons(void **state)
{
	(void)state;
	assert_non_null(strstr(explain(&connect_su, "Password: su: Authentication failure"),
			       "su: the password is wrong"));
	assert_int_equal(error.code, MITOGEN_ERR_AUTH);
	assert_non_null(strstr(explain(&connect_su, "Your account has expired; please contact your "
						    "administrator. | su: Authentication failure"),
			       "su: the other account has expired"));
	assert_non_null(strstr(explain(&connect_su, "su: user x does not exist or the user entry "
						    "does not contain all the required fields"),
			       "no account of that name"));
	assert_int_equal(error.code, MITOGEN_ERR_CONNECT);
	assert_string_equal(explain(&connect_su, "etwas anderes"), "it exited with status 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_command_for_a_login_shell, setup),
		cmocka_unit_test_setup(m11_asked_on_its_streams_it_answers_once, setup),
		cmocka_unit_test_setup(without_a_password_there_is_no_answer, setup),
		cmocka_unit_test_setup(what_is_no_question, setup),
		cmocka_unit_test_setup(reasons, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
