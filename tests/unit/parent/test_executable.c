/* SPDX-License-Identifier: BSD-3-Clause */
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "parent/executable.h"

static char path[] = "/tmp/test-image-XXXXXX";

/* A file of at most a header, a segment and the name of a loader. */
static struct {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	char loader[64];
} image;

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	fd_close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

/* As the header of the program that runs, with one segment. */
static int setup(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, &image.header, sizeof(image.header));

	(void)state;
	fd_close(fd);
	image.header.e_phoff = offsetof(__typeof__(image), segment);
	image.header.e_phnum = 1;
	image.segment = (Elf64_Phdr){.p_type = PT_INTERP,
				     .p_offset = offsetof(__typeof__(image), loader),
				     .p_filesz = sizeof(image.loader)};
	strcpy(image.loader, "/nonexistent/ld.so");
	return n == sizeof(image.header) ? 0 : -1;
}

/* What is said of a file that holds the first bytes of the image. */
static const char *explain_first(size_t size)
{
	static char out[512];
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_int_equal(write(fd, &image, size), size);
	fd_close(fd);
	return executable_explain(path, out, sizeof(out));
}

static void the_loader_is_named(void **state)
{
	const char *text = explain_first(sizeof(image));

	(void)state;
	assert_non_null(strstr(text, "; the image is dynamically linked"));
	assert_non_null(strstr(text, "/nonexistent/ld.so (which is not here)"));
	assert_non_null(strstr(text, "-static"));
	strcpy(image.loader, "/bin/sh");
	assert_non_null(strstr(explain_first(sizeof(image)), "/bin/sh (which is here)"));
}

/* It comes from a file that anybody may have written. */
static void the_name_of_the_loader_is_made_printable(void **state)
{
	(void)state;
	strcpy(image.loader, "/\x1b[31m");
	assert_non_null(strstr(explain_first(sizeof(image)), "/\\x1b[31m"));
	memset(image.loader, 'x', sizeof(image.loader));
	assert_non_null(strstr(explain_first(sizeof(image)), "xxxx"));
}

static void a_static_program_has_no_explanation(void **state)
{
	(void)state;
	image.segment.p_type = PT_LOAD;
	assert_string_equal(explain_first(sizeof(image)), "");
}

static void another_machine_is_named(void **state)
{
	const char *text;

	(void)state;
	image.header.e_machine = image.header.e_machine == EM_AARCH64 ? EM_X86_64 : EM_AARCH64;
	text = explain_first(sizeof(image));
	assert_non_null(strstr(text, image.header.e_machine == EM_AARCH64 ? "for aarch64, "
									  : "for x86_64, "));
	setup(state);
	image.header.e_ident[EI_CLASS] = ELFCLASS32;
	assert_non_null(strstr(explain_first(sizeof(image)), "; the image is a program for "));
}

static void other_files_are_no_programs(void **state)
{
	(void)state;
	image.header.e_ident[0] = '#';
	assert_string_equal(explain_first(sizeof(image)), "; it is not an ELF program");
	assert_string_equal(explain_first(2), "; it is not an ELF program");
	assert_string_equal(explain_first(0), "; it is not an ELF program");
}

/* Cut off anywhere, or with offsets that lead nowhere. */
static void broken_headers_are_survived(void **state)
{
	char out[512];

	for (size_t size = 0; size < sizeof(image); size++)
		explain_first(size);
	image.header.e_phoff = UINT64_MAX - 3;
	assert_string_equal(explain_first(sizeof(image)), "");
	setup(state);
	image.segment.p_offset = UINT64_MAX;
	assert_string_equal(explain_first(sizeof(image)), "");
	assert_string_equal(executable_explain("/nonexistent", out, sizeof(out)), "");
}

/* Opening one without a writer would wait for it, with the router locked. */
static void a_fifo_is_not_waited_for(void **state)
{
	char fifo[sizeof(path) + 5], out[512];

	(void)state;
	snprintf(fifo, sizeof(fifo), "%s.fifo", path);
	assert_int_equal(mkfifo(fifo, 0700), 0);
	executable_explain(fifo, out, sizeof(out));
	assert_int_equal(unlink(fifo), 0);
	assert_null(strstr(out, "the image is"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_loader_is_named, setup),
		cmocka_unit_test_setup(the_name_of_the_loader_is_made_printable, setup),
		cmocka_unit_test_setup(a_static_program_has_no_explanation, setup),
		cmocka_unit_test_setup(another_machine_is_named, setup),
		cmocka_unit_test_setup(other_files_are_no_programs, setup),
		cmocka_unit_test_setup(broken_headers_are_survived, setup),
		cmocka_unit_test(a_fifo_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
