/* SPDX-License-Identifier: BSD-3-Clause */
#include "tool.h"

#include "parent/first_stage.h"
#include "parent/method_options.h"

static mitogen_doas_options own;
static const struct connect_options options = {.own = &own};

static int setup(void **state)
{
	own = (mitogen_doas_options){.size = sizeof(own)};
	return forget(state);
}

static void the_other_account_and_the_first_stage(void **state)
{
	char expected[4096];

	(void)state;
	snprintf(expected, sizeof(expected), "-n|-u|root|sh|-c|%s|", first_stage_argv[2]);
	assert_string_equal(command_line(&connect_doas, &options), expected);
	assert_false(needs_terminal(&connect_doas, &options));
	own.username = "alice";
	own.password = "secret";
	snprintf(expected, sizeof(expected), "-u|alice|sh|-c|%s|", first_stage_argv[2]);
	assert_string_equal(command_line(&connect_doas, &options), expected);
	assert_true(needs_terminal(&connect_doas, &options));
}

static void m11_asked_in_its_words_it_answers_once(void **state)
{
	static const char prompt[] = "\rdoas (alice@web1) password: ";

	(void)state;
	own.password = "secret";
	assert_int_equal(hear(&connect_doas, &options, prompt, false, true), TOOL_ASKS);
	assert_string_equal(answer, "secret");
	assert_int_equal(hear(&connect_doas, &options, prompt, false, true), TOOL_FAILED);
	assert_string_equal(error.text, "the password is wrong: doas asks for it again");
}

static void what_is_no_question(void **state)
{
	static const char *const texts[] = {
		"",
		"\r",
		"Password: ",
		"doas (",
		"doas (alice@web1) password:",
		") password: ",
		"doas (alice) password: ",
		"doas (@) password: x",
	};

	(void)state;
	own.password = "secret";
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(hear(&connect_doas, &options, texts[i], false, true),
				 TOOL_NOTHING);
	assert_int_equal(
		hear(&connect_doas, &options, "doas (alice@web1) password: ", false, false),
		TOOL_NOTHING);
	assert_int_equal(hear(&connect_doas, &options, "doas (alice@web1) password: ", true, true),
			 TOOL_NOTHING);
}

static void reasons(void **state)
{
	(void)state;
	assert_non_null(strstr(explain(&connect_doas, "doas: Authentication failed"),
			       "doas: the password is wrong"));
	assert_int_equal(error.code, MITOGEN_ERR_AUTH);
	assert_non_null(
		strstr(explain(&connect_doas, "doas: unknown user"), "no account of that name"));
	assert_int_equal(error.code, MITOGEN_ERR_CONNECT);
	assert_string_equal(explain(&connect_doas, "etwas anderes"), "it exited with status 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_other_account_and_the_first_stage, setup),
		cmocka_unit_test_setup(m11_asked_in_its_words_it_answers_once, setup),
		cmocka_unit_test_setup(what_is_no_question, setup),
		cmocka_unit_test_setup(reasons, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
