/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connect/password_prompt.h"

static bool is_prompt(const char *text)
{
	size_t size = strlen(text);
	char *copy = malloc(size ? size : 1); /* so that a byte more is noticed */
	bool result = password_prompt(memcpy(copy, text, size), size);

	free(copy);
	return result;
}

static void as_pam_asks(void **state)
{
	static const char *const texts[] = {
		"Password: ",
		"Password:",
		"password: ",
		"Passwort: ",
		"Mot de passe : ",
		"Mot de passe\xc2\xa0: ",
		"Пароль: ",
		"パスワード:",
		"密码：",
		"密碼： ",
		"ពាក្យសម្ងាត់\xc2\xa0៖ ",
		"암호: ",
		"Mật khẩu : ",
		"Hasło: ",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_true(is_prompt(texts[i]));
}

static void all_else_is_none(void **state)
{
	static const char *const texts[] = {
		"",
		":",
		" : ",
		"Password",
		"Password; ",
		"Passwords: ",
		"Your password: ",
		"New password: ",
		"Password: x",
		"PASSWORD: ",
		"Password: :",
		"Last login: ",
		"\nPassword: ",
		"Пароль",
		"：",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(is_prompt(texts[i]));
	assert_false(password_prompt("Password\0: ", 11));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_pam_asks),
		cmocka_unit_test(all_else_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
