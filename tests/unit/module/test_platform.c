/* SPDX-License-Identifier: BSD-3-Clause */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "module/platform.h"

static void uname_selects_one(void **state)
{
	(void)state;
	assert_string_equal(platform_find("Linux", "x86_64"), "linux-x86_64");
	assert_string_equal(platform_find("Linux", "aarch64"), "linux-aarch64");
	assert_string_equal(platform_find("Linux", "armv7l"), "linux-armv7");
	assert_string_equal(platform_find("Linux", "armv8l"), "linux-armv7");
	assert_string_equal(platform_find("Linux", "riscv64"), "linux-riscv64");
}

static void others_have_none(void **state)
{
	(void)state;
	assert_null(platform_find("Linux", "mips64"));
	assert_null(platform_find("FreeBSD", "x86_64"));
	assert_null(platform_find("Linux", ""));
	assert_null(platform_find("Linux", "../../x86_64"));
	assert_null(platform_named("linux-x86_64", 5));
	assert_null(platform_named("other", 5));
}

static void names_are_the_tables_own(void **state)
{
	char name[] = "linux-armv7", list[PLATFORM_LIST_SIZE];
	size_t i;

	(void)state;
	assert_ptr_equal(platform_named(name, strlen(name)), platform_find("Linux", "armv7l"));
	platform_list(list, sizeof(list));
	for (i = 0; platform_at(i); i++)
		assert_non_null(strstr(list, platform_at(i)));
	assert_int_equal(i, 4);
}

static void platform_knows_what_uname_prints(void **state)
{
	char unames[64];

	(void)state;
	assert_string_equal(platform_unames("linux-riscv64", unames, sizeof(unames)),
			    "|Linux riscv64|");
	assert_string_equal(platform_unames("linux-armv7", unames, sizeof(unames)),
			    "|Linux armv7l|Linux armv8l|");
	assert_string_equal(platform_unames("linux-armv7", unames, 10), "|Linux ar");
	assert_string_equal(platform_unames("other", unames, sizeof(unames)), "");
}

static void this_program_is_for_this_platform(void **state)
{
	FILE *self = fopen("/proc/self/exe", "rbe");
	char data[64];

	(void)state;
	assert_int_equal(fread(data, 1, sizeof(data), self), sizeof(data));
	fclose(self);
	assert_ptr_equal(platform_of_program(data, sizeof(data)), platform_own());
	assert_null(platform_of_program(data, 20));
	data[EI_DATA] = ELFDATA2MSB;
	assert_null(platform_of_program(data, sizeof(data)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uname_selects_one),
		cmocka_unit_test(others_have_none),
		cmocka_unit_test(names_are_the_tables_own),
		cmocka_unit_test(platform_knows_what_uname_prints),
		cmocka_unit_test(this_program_is_for_this_platform),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
