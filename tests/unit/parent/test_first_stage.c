/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "parent/first_stage.h"
#include "wire/bootstrap.h"

/* ---- The script, under this machine's sh; the image is this program ---- */

static char *script;
static size_t script_size;

static struct {
	pid_t pid;
	int in;
	FILE *out;
} tool;

static int set_up(void **state)
{
	(void)state;
	return first_stage_script("a 'b", &script, &script_size);
}

static int tear_down(void **state)
{
	(void)state;
	sys.free(script);
	return 0;
}

static void start(const char *const *arguments)
{
	char *argv[4] = {NULL};
	struct spawn spawn = {.path = "/bin/sh", .argv = argv, .env = environ};
	enum spawn_stage stage;
	int in[2], out[2];

	for (int i = 0; arguments[i]; i++)
		argv[i] = strdup(arguments[i]);
	assert_int_equal(fd_pipe(in), 0);
	assert_int_equal(fd_pipe(out), 0);
	spawn.stdin_fd = in[0];
	spawn.stdout_fd = out[1];
	spawn.stderr_fd = STDERR_FILENO;
	tool.pid = spawn_start(&spawn, &stage);
	assert_true(tool.pid > 0);
	fd_close(in[0]);
	fd_close(out[1]);
	for (int i = 0; argv[i]; i++)
		free(argv[i]);
	tool.in = in[1];
	tool.out = fdopen(out[0], "r");
	assert_non_null(tool.out);
}

static void give(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(tool.in, data, size);

		assert_true(n > 0);
		data += n;
		size -= (size_t)n;
	}
}

static void give_header(size_t size, const char *platform)
{
	char header[FIRST_STAGE_HEADER_SIZE];

	give(header, (size_t)first_stage_header(header, sizeof(header), size, false, platform));
}

static void give_image(void)
{
	FILE *file = fopen("/proc/self/exe", "re");
	struct stat status;
	char *image;

	assert_int_equal(fstat(fileno(file), &status), 0);
	image = malloc((size_t)status.st_size);
	assert_int_equal(fread(image, 1, (size_t)status.st_size, file), status.st_size);
	fclose(file);
	give_header((size_t)status.st_size, "other");
	give(image, (size_t)status.st_size);
	free(image);
}

static struct first_stage_line hear(void)
{
	struct first_stage_line heard;
	char line[2048];

	do { /* an empty line is first: what others print may lack its end */
		assert_non_null(fgets(line, sizeof(line), tool.out));
		first_stage_parse(line, strlen(line), &heard);
	} while (strcmp(line, "\n") == 0);
	return heard;
}

static void end_input(void)
{
	fd_close(tool.in);
	tool.in = -1;
}

/* It reaches the end of its input. Returns its exit status. */
static int finish(void)
{
	int status;

	if (tool.in >= 0)
		end_input();
	assert_int_equal(fgetc(tool.out), EOF);
	fclose(tool.out);
	assert_int_equal(waitpid(tool.pid, &status, 0), tool.pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_image_is_run(void **state)
{
	const char *const *const commands[] = {first_stage_argv, first_stage_argv_plain};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		start(commands[i]);
		give(script, script_size);
		give_image();
		assert_int_equal(hear().kind, FIRST_STAGE_HELLO);
		assert_int_equal(hear().kind, FIRST_STAGE_READY);
		assert_int_equal(finish(), 0);
	}
}

static void test_image_for_another_machine_is_refused(void **state)
{
	struct first_stage_line heard;

	(void)state;
	start(first_stage_argv);
	heard = hear();
	assert_int_equal(heard.kind, FIRST_STAGE_HELLO);
	give(script, script_size);
	give_header(10, strcmp(heard.machine, "riscv64") == 0 ? "linux-x86_64" : "linux-riscv64");
	give("0123456789", 10);
	heard = hear();
	assert_int_equal(heard.kind, FIRST_STAGE_NEXT);
	assert_non_null(strstr(heard.reason, "the image is for linux-"));
	assert_false(heard.wants_raw);
	give_image();
	assert_int_equal(hear().kind, FIRST_STAGE_READY);
	assert_int_equal(finish(), 0);
}

static void test_it_ends_with_its_input(void **state)
{
	struct first_stage_line heard;

	(void)state;
	start(first_stage_argv);
	assert_int_equal(hear().kind, FIRST_STAGE_HELLO);
	give(script, script_size);
	give_header(100, "other");
	give("what is", 7);
	end_input();
	heard = hear();
	assert_int_equal(heard.kind, FIRST_STAGE_FAILED);
	assert_non_null(strstr(heard.reason, "has ended too early"));
	assert_int_equal(finish(), 1);
}

static void test_half_a_script_is_not_run(void **state)
{
	(void)state;
	start(first_stage_argv);
	assert_int_equal(hear().kind, FIRST_STAGE_HELLO);
	give("echo first;echo second", 22);
	assert_int_equal(finish(), 1);
}

static void test_command_survives_login_shells(void **state)
{
	(void)state;
	assert_null(strpbrk(first_stage_command, "!\n\\"));
	assert_null(strpbrk(first_stage_command_plain, "!\n\\$"));
	for (const char *const *word = first_stage_argv_plain; *word; word++)
		assert_null(strpbrk(*word, "!\n\\$'"));
}

static void test_title_does_no_harm(void **state)
{
	(void)state;
	assert_non_null(strstr(script, "t='mitogen:a__b';"));
}

/* ---- Headers and lines ---- */

static void test_header(void **state)
{
	char header[FIRST_STAGE_HEADER_SIZE];

	(void)state;
	first_stage_header(header, sizeof(header), 1234, true, "linux-armv7");
	assert_string_equal(header, "1234 gzip linux-armv7 |Linux armv7l|Linux armv8l|\n");
	first_stage_header(header, sizeof(header), 99, false, "other");
	assert_string_equal(header, "99 raw other *\n");
}

static struct first_stage_line parse(const char *line)
{
	struct first_stage_line parsed;

	first_stage_parse(line, strlen(line), &parsed);
	return parsed;
}

static void test_hello(void **state)
{
	struct first_stage_line parsed = parse("MITO000 Linux x86_64\r\n");

	(void)state;
	assert_int_equal(parsed.kind, FIRST_STAGE_HELLO);
	assert_string_equal(parsed.system, "Linux");
	assert_string_equal(parsed.machine, "x86_64");
	parsed = parse("MITO000"); /* there is no uname */
	assert_int_equal(parsed.kind, FIRST_STAGE_HELLO);
	assert_string_equal(parsed.system, "");
	assert_string_equal(parsed.machine, "");
	parsed = parse("MITO000 \x1b[2J 0123456789012345678901234567890123456789");
	assert_string_equal(parsed.system, "\\x1b[2J");
	assert_true(strlen(parsed.machine) < sizeof(parsed.machine));
}

static void test_next(void **state)
{
	struct first_stage_line parsed = parse("MITO002 gzip /run: full");

	(void)state;
	assert_int_equal(parsed.kind, FIRST_STAGE_NEXT);
	assert_false(parsed.wants_raw);
	assert_string_equal(parsed.reason, "/run: full");
	parsed = parse("MITO002 raw there is\ano gzip\n");
	assert_true(parsed.wants_raw);
	assert_string_equal(parsed.reason, "there is\\x07no gzip");
}

static void test_others(void **state)
{
	static const char *const others[] = {"",
					     "\n",
					     "MITO00",
					     "MITO0001 Linux x86_64",
					     " MITO000 Linux x86_64",
					     "MITO002x",
					     "MITO001 10",
					     BOOTSTRAP_READY "0",
					     BOOTSTRAP_READY " "};

	(void)state;
	assert_int_equal(parse("MITO003 nothing works").kind, FIRST_STAGE_FAILED);
	assert_string_equal(parse("MITO003 nothing works").reason, "nothing works");
	assert_int_equal(parse(BOOTSTRAP_READY "\n").kind, FIRST_STAGE_READY);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(parse(others[i]).kind, FIRST_STAGE_OTHER);
}

/* The image: it says that it runs, and ends with its input. */
static int be_image(void)
{
	puts(BOOTSTRAP_READY);
	fflush(stdout);
	return getchar() == EOF ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image_is_run),
		cmocka_unit_test(test_image_for_another_machine_is_refused),
		cmocka_unit_test(test_it_ends_with_its_input),
		cmocka_unit_test(test_half_a_script_is_not_run),
		cmocka_unit_test(test_command_survives_login_shells),
		cmocka_unit_test(test_title_does_no_harm),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_others),
	};

	if (argc == 2 && strcmp(argv[1], BOOTSTRAP_CHILD_MODE) == 0)
		return be_image();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
