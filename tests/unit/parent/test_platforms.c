/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/platforms.h"

#include <mitogen/methods.h>

#include "../core/fixture.h"
#include "connect/methods.h"
#include "module/platform.h"

static const mitogen_ssh_options web = {.size = sizeof(web), .hostname = "web"};

static uint64_t ssh_target(uint64_t via, mitogen_ssh_options options)
{
	return platforms_target(via, &connect_ssh, &options);
}

static void who_is_meant_tells_targets_apart(void **state)
{
	uint64_t target = ssh_target(0, web);
	mitogen_ssh_options other = web;

	(void)state;
	assert_int_not_equal(target, 0);
	assert_int_equal(ssh_target(0, web), target);
	assert_int_not_equal(ssh_target(target, web), target); /* from there */
	other.hostname = "db";
	assert_int_not_equal(ssh_target(0, other), target);
	other = web;
	other.port = 2222;
	assert_int_not_equal(ssh_target(0, other), target);
	other = web;
	other.username = "alice";
	assert_int_not_equal(ssh_target(0, other), target);
}

/* What goes to a file must tell nothing about secrets, and how one gets there does not matter. */
static void the_rest_does_not(void **state)
{
	mitogen_ssh_options other = web;

	(void)state;
	other.password = "secret";
	other.name = "x";
	other.compression = true;
	other.identity_file = "/key";
	assert_int_equal(ssh_target(0, other), ssh_target(0, web));
}

static void the_same_machine_is_the_same_target(void **state)
{
	(void)state;
	assert_int_equal(platforms_target(0, &connect_local, NULL), 0);
	assert_int_equal(platforms_target(4711, &connect_fork, NULL), 4711);
}

static void remember(uint64_t target, const char *name)
{
	platforms_remember(&pair.master, target, name, strlen(name));
}

static void what_was_remembered(void **state)
{
	(void)state;
	assert_null(platforms_recall(&pair.master, 5));
	remember(5, "linux-aarch64");
	assert_string_equal(platforms_recall(&pair.master, 5), "linux-aarch64");
	remember(5, "linux-x86_64");
	assert_string_equal(platforms_recall(&pair.master, 5), "linux-x86_64");
	assert_null(platforms_recall(&pair.child, 5));
	platforms_clear(&pair.master);
	assert_null(platforms_recall(&pair.master, 5));
}

static void rubbish_is_not_remembered(void **state)
{
	(void)state;
	remember(5, "linux-vax");
	remember(5, "");
	remember(5, "../../etc/passwd");
	remember(0, "linux-x86_64"); /* of this machine we know it */
	assert_null(platforms_recall(&pair.master, 5));
	assert_null(platforms_recall(&pair.master, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_meant_tells_targets_apart),
		cmocka_unit_test(the_rest_does_not),
		cmocka_unit_test(the_same_machine_is_the_same_target),
		cmocka_unit_test_setup_teardown(what_was_remembered, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(rubbish_is_not_remembered, pair_setup,
						pair_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
