/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/quote.h"

static char out[2048];

static const char *quote(const char *program, const char *one, const char *two)
{
	char *arguments[] = {(char *)(size_t)one, (char *)(size_t)two, NULL};

	return quote_command(out, sizeof(out), program, arguments);
}

static void plain_words_are_not_quoted(void **state)
{
	(void)state;
	assert_string_equal(quote("/usr/bin/ssh", "-oUser=root", "[::1]"),
			    "/usr/bin/ssh -oUser=root '[::1]'");
	assert_string_equal(quote("ls", NULL, NULL), "ls");
	assert_string_equal(quote("a", "user@host.example:22,x+y%z_1", NULL),
			    "a user@host.example:22,x+y%z_1");
}

static void others_are(void **state)
{
	(void)state;
	assert_string_equal(quote("my prog", "", "$HOME"), "'my prog' '' '$HOME'");
	assert_string_equal(quote("a", "it's", "'"), "a 'it'\\''s' ''\\'''");
	assert_string_equal(quote("a", "~", "#x"), "a '~' '#x'");
	assert_string_equal(quote("a", "\033[2J\n", "\xc3\xa9"), "a '\\x1b[2J\\n' '\xc3\xa9'");
}

static void long_ones_are_cut(void **state)
{
	static char word[10000];

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	quote(word, word, NULL);
	assert_true(strlen(out) < sizeof(out));
	assert_string_equal(out + strlen(out) - 3, "...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_words_are_not_quoted),
		cmocka_unit_test(others_are),
		cmocka_unit_test(long_ones_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
