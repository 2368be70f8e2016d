/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sys.h"
#include "module/image.h"
#include "module/image_files.h"
#include "module/platform.h"

static char directory[] = "/tmp/test-image-files-XXXXXX";

static void run(const char *command)
{
	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a fixed text
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(directory) || chdir(directory) < 0)
		return -1;
	run("mkdir one two && cp /bin/true two/linux-x86_64 && : >one/linux-riscv64 && "
	    "echo >two/linux-aarch64 && gzip -n two/linux-aarch64");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	run("rm -r one two");
	return chdir("/") < 0 || rmdir(directory) < 0;
}

static void expect_path(const char *path, const char *program, const char *expected)
{
	char *made = image_files_path(path, program);

	assert_string_equal(made, expected);
	sys.free(made);
}

static void the_programs_directory_is_last(void **state)
{
	(void)state;
	expect_path("a:/b", "/usr/lib/agents/linux-x86_64", "a:/b:/usr/lib/agents");
	expect_path("", "agent", ":.");
}

static void this_program_is_one(void **state)
{
	char *made = image_files_path("a", NULL);

	(void)state;
	assert_memory_equal(made, "a:/", 3);
	assert_null(strchr(made + 3, ':'));
	assert_int_equal(access(made + 2, X_OK), 0);
	sys.free(made);
}

static void the_first_directory_that_has_one(void **state)
{
	struct image *image = image_files_load(":none:one::two:.", platform_at(0), false, NULL);

	(void)state;
	assert_non_null(image);
	assert_string_equal(image->file, "two/linux-x86_64");
	image_unref(image);
	image = image_files_load("one:two", platform_at(1), false, NULL);
	assert_non_null(image);
	assert_string_equal(image->file, "two/linux-aarch64.gz");
	assert_true(image->is_gzip);
	image_unref(image);
}

static void what_there_is_instead(void **state)
{
	mitogen_error error;

	(void)state;
	assert_null(
		image_files_load("one:two", platform_named("linux-riscv64", 13), false, &error));
	assert_int_equal(error.code, MITOGEN_ERR_CONNECT);
	assert_non_null(strstr(error.text, "there is no image for linux-riscv64: "));
	assert_non_null(strstr(error.text, "one/linux-riscv64 is no file"));
	assert_non_null(strstr(error.text, "two/linux-riscv64: No such file"));
	assert_non_null(strstr(error.text, "there are some for linux-x86_64, linux-aarch64"));
	assert_non_null(strstr(error.text, "MITOGEN_IMAGE_PATH"));
	assert_null(image_files_load("", platform_at(0), false, &error));
	assert_non_null(strstr(error.text, "there is no image for linux-x86_64; build"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_programs_directory_is_last),
		cmocka_unit_test(this_program_is_one),
		cmocka_unit_test(the_first_directory_that_has_one),
		cmocka_unit_test(what_there_is_instead),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
