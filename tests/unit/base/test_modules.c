/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/modules.h"
#include "base/safe_text.h"

static char out[128];

static const char *written(uintptr_t address)
{
	struct safe_text text = {out, sizeof(out) - 1, 0};

	modules_write(&text, address);
	out[text.used] = '\0';
	return out;
}

static void code_is_told_from_data(void **state)
{
	int here;

	(void)state;
	modules_load();
	assert_true(modules_is_code((uintptr_t)code_is_told_from_data));
	assert_true(modules_is_code((uintptr_t)malloc));
	assert_false(modules_is_code((uintptr_t)&here));
	assert_false(modules_is_code((uintptr_t)out));
	assert_false(modules_is_code(0));
	assert_string_equal(written((uintptr_t)out), "");
}

/* The test is a program that may lie anywhere: its file's addresses begin at 0. */
static void addresses_are_those_of_the_file(void **state)
{
	uintptr_t first = 0, address = (uintptr_t)addresses_are_those_of_the_file;
	char line[512], wanted[64], path[256];
	FILE *maps = fopen("/proc/self/maps", "r");

	(void)state;
	assert_non_null(maps);
	assert_non_null(realpath("/proc/self/exe", path));
	while (first == 0 && fgets(line, sizeof(line), maps))
		if (strstr(line, path))
			first = strtoul(line, NULL, 16);
	fclose(maps);
	assert_true(first > 0 && first < address);
	modules_load();
	snprintf(wanted, sizeof(wanted), " %s+0x%lx", strrchr(path, '/') + 1,
		 (unsigned long)(address - first));
	assert_string_equal(written(address), wanted);
}

static void what_does_not_fit_is_left_out(void **state)
{
	struct safe_text text = {out, 4, 0};

	(void)state;
	memset(out, 'x', sizeof(out));
	safe_text_add(&text, "ab");
	safe_text_hex(&text, 0xabcdef);
	assert_int_equal(text.used, 4);
	assert_memory_equal(out, "ab0xxx", 6);
	text = (struct safe_text){out, sizeof(out) - 1, 0};
	safe_text_number(&text, 0, 10);
	safe_text_number(&text, UINTMAX_MAX, 10);
	out[text.used] = '\0';
	assert_string_equal(out, "018446744073709551615");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_is_told_from_data),
		cmocka_unit_test(addresses_are_those_of_the_file),
		cmocka_unit_test(what_does_not_fit_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
