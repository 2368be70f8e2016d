/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/pty.h"
#include "base/sys.h"
#include "parent/launch.h"

static char sh[] = "sh", dash_c[] = "-c";
static char greeting[] = "GREETING=hello";
static char *environment[] = {greeting, NULL};
static struct launcher *launcher;
static const char *variable;
static bool terminal; /* do they get one? */
static int next_fd;   /* the lowest free one: the same afterwards, if nothing is left */

static int lowest_free(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

static int setup(void **state)
{
	(void)state;
	next_fd = lowest_free();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sys.pipe2 = pipe2;
	terminal = false;
	variable = NULL;
	launcher_free(TAKE_PTR(launcher));
	return lowest_free() == next_fd ? 0 : -1;
}

static int run(const char *path, char *script, struct launched *ret, mitogen_error *err)
{
	struct launch_command command = {.path = sys_strdup(path),
					 .argv = calloc(4, sizeof(char *))};
	int r;

	command.terminal = terminal;
	command.variable = variable ? sys_strdup(variable) : NULL;
	command.argv[0] = sys_strdup(sh);
	command.argv[1] = sys_strdup(dash_c);
	command.argv[2] = sys_strdup(script);
	r = launch(&launcher, &command, environment, ret, err);
	launch_command_clear(&command);
	return r;
}

static const char *read_all(int fd)
{
	static char out[256];
	size_t size = 0;
	ssize_t n;

	while ((n = read(fd, out + size, sizeof(out) - 1 - size)) > 0)
		size += (size_t)n;
	out[size] = '\0';
	return out;
}

static const char *read_line(int fd)
{
	static char out[256];
	size_t size = 0;

	do
		assert_int_equal(read(fd, out + size, 1), 1);
	while (out[size++] != '\n');
	out[size] = '\0';
	return out;
}

static void a_program_between_pipes(void **state)
{
	struct launched launched;
	char script[] = "read line; echo \"$GREETING $line\"; echo oops >&2";
	int status;

	(void)state;
	assert_int_equal(run("/bin/sh", script, &launched, NULL), 0);
	assert_int_equal(write(launched.fds[0], "word\n", 5), 5);
	assert_string_equal(read_all(launched.fds[1]), "hello word\n");
	assert_string_equal(read_all(launched.fds[2]), "oops\n");
	assert_int_equal(launched.terminal.master, -1);
	assert_int_equal(waitpid(launched.pid, &status, 0), launched.pid);
	assert_int_equal(status, 0);
	launch_close(launched.fds);
}

/* A terminal's signals do not reach it. */
static void a_session_of_its_own(void **state)
{
	struct launched launched;
	char script[] = "read line";
	int status;

	(void)state;
	assert_int_equal(run("/bin/sh", script, &launched, NULL), 0);
	assert_int_equal(getsid(launched.pid), launched.pid);
	launch_close(launched.fds);
	assert_int_equal(waitpid(launched.pid, &status, 0), launched.pid);
}

static void a_terminal_beside_the_pipes(void **state)
{
	struct launched launched;
	char script[] = "read line </dev/tty; echo \"$line\"; sleep 1000";
	int status;

	(void)state;
	terminal = true;
	assert_int_equal(run("/bin/sh", script, &launched, NULL), 0);
	assert_int_equal(write(launched.terminal.master, "word\n", 5), 5);
	assert_string_equal(read_line(launched.fds[1]), "word\n");
	assert_int_equal(fcntl(launched.terminal.slave, F_GETFD), FD_CLOEXEC);
	pty_close(&launched.terminal); /* hangs up */
	assert_int_equal(waitpid(launched.pid, &status, 0), launched.pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGHUP);
	launch_close(launched.fds);
}

static void a_variable_of_its_own(void **state)
{
	struct launched launched;
	char script[] = "echo $GREETING $NAME";
	int status;

	(void)state;
	variable = "GREETING=bye";
	assert_int_equal(run("/bin/sh", script, &launched, NULL), 0);
	assert_string_equal(read_all(launched.fds[1]), "bye\n");
	assert_int_equal(waitpid(launched.pid, &status, 0), launched.pid);
	launch_close(launched.fds);
}

static void what_cannot_run_is_explained(void **state)
{
	struct launched launched = {.pid = 7};
	char script[] = "";
	mitogen_error err;

	(void)state;
	assert_int_equal(run("/nonexistent", script, &launched, &err), MITOGEN_ERR_SYSTEM);
	assert_string_equal(err.text, "cannot run /nonexistent: No such file or directory");
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(launched.pid, 7);
	assert_int_equal(run("/etc/passwd", script, &launched, &err), MITOGEN_ERR_SYSTEM);
	assert_string_equal(err.text,
			    "cannot run /etc/passwd: Permission denied; it is not an ELF program");
	terminal = true;
	assert_int_equal(run("/nonexistent", script, &launched, NULL), MITOGEN_ERR_SYSTEM);
}

static int pipes_left;

static int few_pipes(int ret[2], int flags)
{
	if (pipes_left-- > 0)
		return pipe2(ret, flags);
	errno = EMFILE;
	return -1;
}

static void too_few_descriptors(void **state)
{
	struct launched launched;
	char script[] = "";
	mitogen_error err;

	(void)state;
	sys.pipe2 = few_pipes;
	for (int count = 0; count < 2 * LAUNCH_PIPES; count++) {
		pipes_left = count / 2;
		terminal = count % 2;
		assert_int_equal(run("/bin/sh", script, &launched, &err), MITOGEN_ERR_SYSTEM);
		assert_string_equal(err.text, "cannot make a pipe: Too many open files");
		launcher_free(TAKE_PTR(launcher));
		assert_int_equal(lowest_free(), next_fd);
	}
}

/* Nothing but the standard three, which are the same for all, however many there are. */
static void what_a_child_gets(void **state)
{
	enum {
		COUNT = 20
	};

	struct launched launched[COUNT];
	char script[] = "ls /proc/self/fd | wc -l >&2; exec cat 2>&-";
	int status;

	(void)state;
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(run("/bin/sh", script, &launched[i], NULL), 0);
	for (int i = 0; i < COUNT; i++) {
		assert_string_equal(read_all(launched[i].fds[2]), "4\n"); /* and what ls reads */
		assert_int_equal(write(launched[i].fds[0], &i, 1), 1);
		fd_close(TAKE_FD(launched[i].fds[0])); /* nobody else holds its input open */
		assert_int_equal(read_all(launched[i].fds[1])[0], i);
		launch_close(launched[i].fds);
		assert_int_equal(waitpid(launched[i].pid, &status, 0), launched[i].pid);
		assert_int_equal(status, 0);
	}
}

/* It does without what it cannot reserve. */
static void low_descriptors_that_are_gone(void **state)
{
	struct launched launched;
	char script[] = "cat";
	int status;

	(void)state;
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(run("/bin/sh", script, &launched, NULL), 0);
		assert_int_equal(write(launched.fds[0], "x", 1), 1);
		fd_close(TAKE_FD(launched.fds[0]));
		assert_string_equal(read_all(launched.fds[1]), "x");
		launch_close(launched.fds);
		assert_int_equal(waitpid(launched.pid, &status, 0), launched.pid);
		close(next_fd); /* a program that closes everything: the filler */
	}
}

static void half_a_command_is_cleared(void **state)
{
	struct launch_command command = {0};

	(void)state;
	launch_command_clear(&command);
	command.path = sys_strdup("/bin/sh");
	launch_command_clear(&command);
	command.path = NULL;
	command.argv = calloc(1, sizeof(char *));
	launch_command_clear(&command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_program_between_pipes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_session_of_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(a_terminal_beside_the_pipes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_variable_of_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_run_is_explained, setup, teardown),
		cmocka_unit_test_setup_teardown(too_few_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_child_gets, setup, teardown),
		cmocka_unit_test_setup_teardown(low_descriptors_that_are_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(half_a_command_is_cleared, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
