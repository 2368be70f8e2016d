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

#include "module/image.h"
#include "module/image_files.h"
#include "module/images.h"
#include "module/platform.h"

static char directory[] = "/tmp/test-image-files-XXXXXX";

static void run(const char *command)
{
	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a fixed text
}

static int setup(void **state)
{
	(void)state;
	unsetenv("MITOGEN_IMAGE_PATH");
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

static struct image *load(const char *program, const char *path, const char *platform,
			  mitogen_error *err)
{
	struct image_source *source = image_files_new(program, path);
	struct image *image = source->load(source, NULL, platform, false, err);

	source->close(source);
	return image;
}

/* Here and there, that is. */
static const char *a_foreign(void)
{
	return platform_own() == platform_at(0) ? platform_at(1) : platform_at(0);
}

static void our_own_platform_is_the_programs(void **state)
{
	struct image *image = load(NULL, "one:two", platform_own(), NULL);

	(void)state;
	assert_null(image->file);
	image_unref(image);
	image = load("/bin/true", "one:two", platform_own(), NULL);
	assert_string_equal(image->file, "/bin/true");
	image_unref(image);
}

static void the_programs_directory_is_last(void **state)
{
	char file[64];
	struct image *image;

	(void)state;
	snprintf(file, sizeof(file), "two/%s%s", a_foreign(),
		 a_foreign() == platform_at(1) ? ".gz" : "");
	image = load("two/program", "none", a_foreign(), NULL);
	assert_non_null(image);
	assert_string_equal(image->file, file);
	image_unref(image);
	assert_int_equal(chdir("two"), 0);
	image = load("program", "", a_foreign(), NULL);
	assert_int_equal(chdir(".."), 0);
	assert_non_null(image);
	image_unref(image);
}

static void a_variable_names_directories(void **state)
{
	struct image *image;

	(void)state;
	setenv("MITOGEN_IMAGE_PATH", "none:two", 1);
	image = load(NULL, NULL, a_foreign(), NULL);
	assert_non_null(image);
	image_unref(image);
	assert_null(load(NULL, "one", a_foreign(), NULL));
	unsetenv("MITOGEN_IMAGE_PATH");
}

static void the_first_directory_that_has_one(void **state)
{
	struct image *image = load(NULL, ":none:one::two:three", a_foreign(), NULL);

	(void)state;
	assert_non_null(image);
	assert_memory_equal(image->file, "two/", 4);
	image_unref(image);
}

static void what_there_is_instead(void **state)
{
	mitogen_error error;

	(void)state;
	assert_null(load("x", "one:two", platform_named("linux-riscv64", 13), &error));
	assert_int_equal(error.code, MITOGEN_ERR_CONNECT);
	assert_non_null(strstr(error.text, "there is no image for linux-riscv64: "));
	assert_non_null(strstr(error.text, "one/linux-riscv64 is no file"));
	assert_non_null(strstr(error.text, "two/linux-riscv64: No such file"));
	assert_non_null(strstr(error.text, "there are some for linux-x86_64, linux-aarch64"));
	assert_non_null(strstr(error.text, "MITOGEN_IMAGE_PATH"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_platform_is_the_programs),
		cmocka_unit_test(the_programs_directory_is_last),
		cmocka_unit_test(a_variable_names_directories),
		cmocka_unit_test(the_first_directory_that_has_one),
		cmocka_unit_test(what_there_is_instead),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
