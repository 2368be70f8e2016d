/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
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
#include "module/platform.h"

static char directory[] = "/tmp/test-image-XXXXXX";

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int remove_files(void **state)
{
	(void)state;
	unlink("program");
	unlink("program.gz");
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	return chdir("/") < 0 || rmdir(directory) < 0;
}

static void run(const char *command)
{
	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a fixed text
}

static void same_as(const struct image *image, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *data = malloc(image->size + 1);

	assert_int_equal(read(fd, data, image->size + 1), image->size);
	assert_memory_equal(data, image->data, image->size);
	free(data);
	close(fd);
}

static void our_own_program(void **state)
{
	struct image *image = image_load_own(NULL);
	uint8_t hash[SHA256_SIZE];

	(void)state;
	assert_non_null(image);
	assert_ptr_equal(image->platform, platform_own());
	assert_false(image->is_gzip);
	same_as(image, "/proc/self/exe");
	sha256(hash, image->data, image->size);
	assert_memory_equal(image_hash(image), hash, sizeof(hash));
	assert_true(image_is_intact(image));
	image_unref(image);
}

static void a_file(void **state)
{
	struct image *image;

	(void)state;
	run("cp /bin/true program");
	image = image_load("program", platform_own(), NULL);
	assert_non_null(image);
	same_as(image, "program");
	assert_string_equal(image->file, "program");
	image_unref(image_ref(image));
	image_unref(image);
	image_unref(NULL);
}

static void what_changed_is_noticed(void **state)
{
	struct image *image;

	(void)state;
	run("cp /bin/true program");
	image = image_load("program", platform_own(), NULL);
	assert_true(image_is_intact(image));
	((uint8_t *)image->keeper)[image->size / 2] ^= 1;
	assert_false(image_is_intact(image));
	image_unref(image);
}

static void compressed_if_it_fits(void **state)
{
	struct image *image;

	(void)state;
	run("cp /bin/true program && gzip -9nk program");
	image = image_load_either("program", platform_own(), false, NULL);
	assert_true(image->is_gzip);
	same_as(image, "program.gz");
	image_unref(image);
	image = image_load_either("program", platform_own(), true, NULL);
	assert_false(image->is_gzip);
	image_unref(image);
	run("cp /bin/false program"); /* which gzip has not seen */
	image = image_load_either("program", platform_own(), false, NULL);
	assert_false(image->is_gzip);
	same_as(image, "program");
	image_unref(image);
}

static void compressed_alone(void **state)
{
	mitogen_error error;
	struct image *image;

	(void)state;
	run("cp /bin/true program && gzip -n program");
	image = image_load_either("program", platform_own(), false, NULL);
	assert_true(image->is_gzip);
	image_unref(image);
	assert_null(image_load_either("program", platform_own(), true, &error));
	assert_non_null(strstr(error.text, "No such file"));
}

static void compressed_does_not_hide_a_wrong_one(void **state)
{
	const char *other = platform_own() == platform_at(1) ? platform_at(0) : platform_at(1);
	mitogen_error error;

	(void)state;
	run("cp /bin/true program && gzip -nk program");
	assert_null(image_load_either("program", other, false, &error));
	assert_non_null(strstr(error.text, "is a program for"));
}

static void refuse(const char *path, const char *platform, const char *why)
{
	mitogen_error error;

	assert_null(image_load(path, platform, &error));
	assert_non_null(strstr(error.text, path));
	assert_non_null(strstr(error.text, why));
}

static void what_is_no_image(void **state)
{
	const char *other = platform_own() == platform_at(1) ? platform_at(0) : platform_at(1);

	(void)state;
	refuse("nothing", other, "No such file");
	refuse("/dev/null", other, "is no file");
	refuse(directory, other, "is no file");
	refuse("/proc/self/exe", other, other);
	run("echo '#!/bin/sh' >program");
	refuse("program", other, "is not a program for");
	run(": >program");
	refuse("program", other, "is no file of 1 byte to 64 MiB");
	run("truncate -s 65M program");
	refuse("program", other, "is no file of 1 byte to 64 MiB");
	assert_int_equal(remove_files(NULL), 0);
	assert_int_equal(mkfifo("program", 0600), 0);
	refuse("program", other, "is no file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_program),
		cmocka_unit_test_teardown(a_file, remove_files),
		cmocka_unit_test_teardown(what_changed_is_noticed, remove_files),
		cmocka_unit_test_teardown(compressed_if_it_fits, remove_files),
		cmocka_unit_test_teardown(compressed_alone, remove_files),
		cmocka_unit_test_teardown(compressed_does_not_hide_a_wrong_one, remove_files),
		cmocka_unit_test_teardown(what_is_no_image, remove_files),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
