/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program is told about options before anything is started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <mitogen/mitogen.h>

static mitogen_router router;
static mitogen_error err;

static int setup(void **state)
{
	static char name[] = "test";
	char *argv[] = {name, NULL};

	(void)state;
	mitogen_init(1, argv);
	err = (mitogen_error){0};
	router = mitogen_router_new(&err);
	return router.ref ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mitogen_router_close(router);
	return 0;
}

static void assert_none(mitogen_context context, const char *text)
{
	assert_int_equal(context.ref, 0);
	assert_int_equal(err.code, MITOGEN_ERR_USAGE);
	assert_string_equal(err.text, text);
	err = (mitogen_error){0};
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void texts_are_checked(void **state)
{
	const char *const *good =
		TEXTS("hostname=web1", "port=2222", "compression", "ssh_args=-4", "ssh_args=-q");

	(void)state;
	assert_int_equal(mitogen_connect_check("ssh", good, &err), 0);
	assert_int_equal(mitogen_connect_check("sudo", NULL, NULL), 0);
	assert_int_equal(mitogen_connect_check("ssh", TEXTS("port=22"), &err), MITOGEN_ERR_USAGE);
	assert_string_equal(err.text, "ssh: hostname: it is missing");
	assert_int_equal(mitogen_option_check("ssh", "port=22", &err), 0);
	assert_int_equal(mitogen_option_check("ssh", "port=x", &err), MITOGEN_ERR_USAGE);
	assert_string_equal(err.text, "ssh: port 'x': give a whole number from 1 to 65535");
	assert_int_equal(mitogen_option_check("ssh", "password=a\nb", &err), MITOGEN_ERR_USAGE);
	assert_null(strstr(err.text, "a\nb"));
	assert_int_equal(mitogen_option_check("warp", "port=22", &err), MITOGEN_ERR_USAGE);
	assert_string_equal(err.text, "there is no connection method \"warp\"");
}

static void wrong_options_start_nothing(void **state)
{
	const mitogen_ssh_options old = {.size = 8, .hostname = "web1"};

	(void)state;
	assert_none(mitogen_ssh(router, &err, .port = 22), "ssh: hostname: it is missing");
	assert_none(mitogen_ssh(router, &err, .hostname = "-oProxyCommand=x"),
		    "ssh: hostname '-oProxyCommand=x': a name does not begin with '-', which tools "
		    "take for an option");
	assert_none(mitogen_sudo(router, &err, .username = ""), "sudo: username '': it is empty");
	assert_none(mitogen_su(router, &err, .password = ""), "su: password: it is empty");
	assert_none(mitogen_doas(router, &err, .connect_timeout_ms = -1),
		    "doas: connect_timeout '-1': it is negative");
	assert_none(mitogen_connect(router, "ssh", TEXTS("hostname=web1", "port=0"), &err),
		    "ssh: port '0': give a whole number from 1 to 65535");
	assert_none(mitogen_connect(router, "warp", NULL, &err),
		    "there is no connection method \"warp\"");
	assert_none(mitogen_ssh_with(mitogen_here(router), NULL, &err),
		    "ssh: hostname: it is missing");
	assert_none(mitogen_ssh_with(mitogen_here(router), &old, &err),
		    "the options are of another version of the library");
}

/* The first failure stays. */
static void via_none_is_why_there_is_none(void **state)
{
	const mitogen_context none = {0};

	(void)state;
	assert_none(mitogen_ssh(none, &err, .hostname = "web1"), "the handle is none");
	assert_none(mitogen_connect(none, "ssh", TEXTS("port=x"), &err), "the handle is none");
	err = (mitogen_error){.code = MITOGEN_ERR_LOST, .text = "before"};
	assert_int_equal(mitogen_connect(none, "ssh", TEXTS("port=x"), &err).ref, 0);
	assert_int_equal(mitogen_sudo(none, &err, .username = "-x").ref, 0);
	assert_string_equal(err.text, "before");
}

static bool has_option(const char *method, const char *name, mitogen_option_info *ret)
{
	for (size_t i = 0; mitogen_option_at(method, i, ret); i++)
		if (strcmp(ret->name, name) == 0)
			return true;
	return false;
}

/* Each can be set by its name, from a text of which the help says how it looks. */
static void methods_and_options_are_listed(void **state)
{
	static const char *const methods[] = {"local", "fork", "ssh", "sudo", "su", "doas"};
	mitogen_option_info info = {.size = sizeof(info)};

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		assert_string_equal(mitogen_method_at(i), methods[i]);
		for (size_t j = 0; mitogen_option_at(methods[i], j, &info); j++) {
			char text[64];

			assert_true(*info.help && *info.value);
			snprintf(text, sizeof(text), "%s=-", info.name);
			if (mitogen_option_check(methods[i], text, &err) < 0)
				assert_null(strstr(err.text, "has no option"));
		}
		assert_true(has_option(methods[i], "connect_timeout", &info));
	}
	assert_null(mitogen_method_at(sizeof(methods) / sizeof(methods[0])));
	assert_false(mitogen_option_at("warp", 0, &info));
	assert_true(has_option("ssh", "hostname", &info) && info.is_needed && !info.is_secret);
	assert_true(has_option("ssh", "password", &info) && info.is_secret && !info.is_list);
	assert_true(has_option("ssh", "ssh_args", &info) && info.is_list && !info.is_flag);
	assert_true(has_option("ssh", "compression", &info) && info.is_flag);
	assert_false(has_option("fork", "image", &info));
	info.size = offsetof(mitogen_option_info, help); /* of an older program */
	info.help = NULL;
	assert_true(has_option("ssh", "port", &info));
	assert_null(info.help);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(texts_are_checked),
		TEST(wrong_options_start_nothing),
		TEST(via_none_is_why_there_is_none),
		TEST(methods_and_options_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
