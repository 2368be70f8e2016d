/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/pty.h"
#include "base/spawn.h"
#include "base/sys.h"

static char directory[] = "/tmp/test-spawn-XXXXXX";
static char printed[4096];
static bool alone;
/* Arguments, which the interface does not declare constant. */
static char sh[] = "sh", dash_c[] = "-c", one[] = "one", two[] = "two";
static char greeting[] = "GREETING=hello";

static const char *path_of(const char *name)
{
	static char paths[3][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 3];

	snprintf(path, PATH_MAX, "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, const char *content, mode_t mode)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	fd_close(fd);
}

static int make_files(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	mkdir(path_of("a"), 0700);
	mkdir(path_of("b"), 0700);
	mkdir(path_of("a/tool"), 0700);
	write_file("b/tool", "#!/bin/sh\n", 0700);
	write_file("a/plain", "", 0600);
	write_file("script", "echo script $0 $1 $2\n", 0700);
	write_file("text",
		   "\x7f"
		   "not a program",
		   0700);
	return 0;
}

static int remove_files(void **state)
{
	static const char *const names[] = {"a/plain", "b/tool", "script", "text"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(names[i]));
	rmdir(path_of("a/tool"));
	rmdir(path_of("a"));
	rmdir(path_of("b"));
	return rmdir(directory);
}

static int set_alone(void **state)
{
	(void)state;
	alone = true;
	return 0;
}

static int unset_alone(void **state)
{
	(void)state;
	alone = false;
	return 0;
}

/* ---- Running ---- */

/* Runs it to its end, keeps what it prints. Returns its status, or -1 with errno and *ret_stage. */
static int run(struct spawn spawn, enum spawn_stage *ret_stage)
{
	static char *const env[] = {greeting, NULL};
	int out[2], status, saved;
	int null = fcntl(open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD_CLOEXEC, 3);
	size_t size = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(fd_pipe(out), 0);
	spawn.env = env;
	spawn.alone = alone;
	spawn.stdin_fd = null;
	spawn.stdout_fd = spawn.stderr_fd = out[1];
	pid = spawn_start(&spawn, ret_stage);
	saved = errno;
	fd_close(out[1]);
	while ((n = read(out[0], printed + size, sizeof(printed) - 1 - size)) > 0)
		size += (size_t)n;
	printed[size] = '\0';
	fd_close(out[0]);
	fd_close(null);
	errno = saved;
	if (pid < 0)
		return -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int run_shell(const char *script, struct spawn spawn)
{
	enum spawn_stage stage;

	spawn.path = "/bin/sh";
	spawn.argv = (char *[]){sh, dash_c, (char *)(uintptr_t)script, NULL};
	return run(spawn, &stage);
}

static void arguments_environment_and_status(void **state)
{
	(void)state;
	assert_int_equal(run_shell("echo $GREETING; env | wc -l; exit 7", (struct spawn){0}),
			 7 << 8);
	assert_memory_equal(printed, "hello\n", 6);
}

static void in_a_directory(void **state)
{
	(void)state;
	assert_int_equal(run_shell("pwd", (struct spawn){.cwd = "/usr"}), 0);
	assert_string_equal(printed, "/usr\n");
}

static void what_is_close_on_exec_is_closed(void **state)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	char script[64];

	(void)state;
	snprintf(script, sizeof(script), "test -e /proc/self/fd/%d", fd);
	assert_int_equal(run_shell(script, (struct spawn){0}), 1 << 8);
	fcntl(fd, F_SETFD, 0);
	assert_int_equal(run_shell(script, (struct spawn){0}), 0);
	fd_close(fd);
}

/* The field of /proc/self/status that follows this name. */
static unsigned long long status_field(const char *name)
{
	char script[128];

	snprintf(script, sizeof(script), "sed -n 's/^%s:[^0-9a-f]*//p' /proc/self/status", name);
	assert_int_equal(run_shell(script, (struct spawn){0}), 0);
	return strtoull(printed, NULL, 16);
}

static void signals_are_reset(void **state)
{
	sigset_t blocked;

	(void)state;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	assert_int_equal(status_field("SigIgn"), 0);
	assert_int_equal(status_field("SigBlk"), 0);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	assert_true(sigismember(&blocked, SIGUSR1)); /* ours are as they were */
	assert_false(sigismember(&blocked, SIGTERM));
	pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
}

static void of_a_group_or_session_of_its_own(void **state)
{
	const char *script = "set -- $(cat /proc/self/stat); echo $(($5 == $$)) $(($6 == $$))";

	(void)state;
	assert_int_equal(run_shell(script, (struct spawn){0}), 0);
	assert_string_equal(printed, "1 0\n");
	assert_int_equal(run_shell(script, (struct spawn){.session = true}), 0);
	assert_string_equal(printed, "1 1\n");
}

/* ---- Failures ---- */

static void assert_fails(const char *path, struct spawn spawn, int error, enum spawn_stage stage)
{
	enum spawn_stage failed = (enum spawn_stage)99;

	spawn.path = path;
	spawn.argv = (char *[]){sh, NULL};
	assert_int_equal(run(spawn, &failed), -1);
	assert_int_equal(errno, error);
	assert_int_equal(failed, stage);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* it was reaped */
}

static void with_a_terminal_of_its_own(void **state)
{
	static const char expected[] = "typed\r\nshown\r\n"; /* the first is the echo */
	struct pty pty;
	char data[32];
	size_t size = 0;

	(void)state;
	assert_int_equal(pty_open(&pty), 0);
	assert_int_equal(write(pty.master, "typed\n", 6), 6);
	assert_int_equal(run_shell("read word </dev/tty; echo $word; echo shown >/dev/tty",
				   (struct spawn){.session = true, .terminal_fd = pty.slave}),
			 0);
	assert_string_equal(printed, "typed\n");
	while (size < strlen(expected)) {
		ssize_t n = read(pty.master, data + size, sizeof(data) - size);

		assert_true(n > 0);
		size += (size_t)n;
	}
	assert_memory_equal(data, expected, size);
	pty_close(&pty);
}

static void what_cannot_be_its_terminal(void **state)
{
	enum spawn_stage stage;
	int null = fd_move_high(open("/dev/null", O_RDWR | O_CLOEXEC));

	(void)state;
	assert_int_equal(run((struct spawn){.path = "/bin/sh",
					    .argv = (char *[]){sh, NULL},
					    .session = true,
					    .terminal_fd = null},
			     &stage),
			 -1);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(stage, SPAWN_FORK);
	fd_close(null);
}

static void the_reason_comes_back(void **state)
{
	(void)state;
	assert_fails("/nonexistent/program", (struct spawn){0}, ENOENT, SPAWN_EXEC);
	assert_fails(path_of("a/plain"), (struct spawn){0}, EACCES, SPAWN_EXEC);
	assert_fails(path_of("a"), (struct spawn){0}, EACCES, SPAWN_EXEC);
	assert_fails(path_of("text"), (struct spawn){0}, ENOEXEC, SPAWN_EXEC);
	assert_fails("/bin/sh", (struct spawn){.cwd = "/nonexistent"}, ENOENT, SPAWN_CWD);
	assert_fails("/bin/sh", (struct spawn){.cwd = "/etc/passwd"}, ENOTDIR, SPAWN_CWD);
}

/* What has no known format is given to the shell, if that is wanted. */
static void scripts_without_a_first_line(void **state)
{
	struct spawn spawn = {.path = path_of("script"), .argv = (char *[]){sh, one, two, NULL}};
	enum spawn_stage stage;
	char expected[PATH_MAX + 64];

	(void)state;
	assert_int_equal(run(spawn, &stage), -1);
	assert_int_equal(errno, ENOEXEC);
	spawn.scripts = true;
	assert_int_equal(run(spawn, &stage), 0);
	snprintf(expected, sizeof(expected), "script %s one two\n", path_of("script"));
	assert_string_equal(printed, expected);
}

static void *no_memory(size_t count, size_t size)
{
	(void)count;
	(void)size;
	return NULL;
}

static void without_memory_for_a_script(void **state)
{
	(void)state;
	sys.calloc = no_memory;
	assert_fails("/bin/sh", (struct spawn){.scripts = true}, ENOMEM, SPAWN_FORK);
	sys.calloc = calloc;
}

/* ---- Finding ---- */

static void assert_found(const char *name, const char *path, const char *expected)
{
	CLEANUP_FREE char *found = NULL;

	assert_int_equal(spawn_find(name, path, &found), 0);
	assert_string_equal(found, expected);
}

static void assert_not_found(const char *name, const char *path, int error)
{
	char *found = printed;

	errno = 0;
	assert_int_equal(spawn_find(name, path, &found), -1);
	assert_int_equal(errno, error);
	assert_ptr_equal(found, printed);
}

static void found_in_the_path(void **state)
{
	char path[PATH_MAX], missing[PATH_MAX];

	(void)state;
	snprintf(missing, sizeof(missing), "%.100s/missing", directory);
	snprintf(path, sizeof(path), "%.100s:%.100s/a:%.100s/b", missing, directory, directory);
	assert_found("tool", path, path_of("b/tool")); /* the one in a is a directory */
	assert_not_found("tool", missing, ENOENT);
	assert_not_found("plain", path, EACCES);
	assert_not_found("", path, ENOENT);
	assert_found("sh", "/nonexistent:/bin", "/bin/sh");
	assert_not_found("sh", "", ENOENT);
}

static void an_empty_part_is_here(void **state)
{
	char before[PATH_MAX];

	(void)state;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(path_of("b")), 0);
	assert_found("tool", "/nonexistent:", "./tool");
	assert_found("tool", ":/bin", "./tool");
	assert_int_equal(chdir(before), 0);
}

/* From where it will run: it is for exec to tell what is there. */
static void names_with_a_slash_are_paths(void **state)
{
	(void)state;
	assert_found(path_of("b/tool"), "/nonexistent", path_of("b/tool"));
	assert_found("./tool", "/bin", "./tool");
	assert_not_found("", "/bin", ENOENT);
}

static void without_a_path_the_usual_places(void **state)
{
	CLEANUP_FREE char *found = NULL;

	(void)state;
	assert_int_equal(spawn_find("sh", NULL, &found), 0);
	assert_non_null(strstr(found, "/bin/sh"));
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, set_alone, unset_alone)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_environment_and_status),
		cmocka_unit_test(in_a_directory),
		cmocka_unit_test(what_is_close_on_exec_is_closed),
		cmocka_unit_test(signals_are_reset),
		cmocka_unit_test(of_a_group_or_session_of_its_own),
		cmocka_unit_test(with_a_terminal_of_its_own),
		cmocka_unit_test(what_cannot_be_its_terminal),
		cmocka_unit_test(the_reason_comes_back),
		cmocka_unit_test(scripts_without_a_first_line),
		cmocka_unit_test(without_memory_for_a_script),
		ALONE(arguments_environment_and_status),
		ALONE(in_a_directory),
		ALONE(what_is_close_on_exec_is_closed),
		ALONE(signals_are_reset),
		ALONE(of_a_group_or_session_of_its_own),
		ALONE(with_a_terminal_of_its_own),
		ALONE(the_reason_comes_back),
		ALONE(scripts_without_a_first_line),
		cmocka_unit_test(found_in_the_path),
		cmocka_unit_test(an_empty_part_is_here),
		cmocka_unit_test(names_with_a_slash_are_paths),
		cmocka_unit_test(without_a_path_the_usual_places),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
