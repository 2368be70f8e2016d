/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/pty.h"

static struct pty pty;

static int setup(void **state)
{
	(void)state;
	return pty_open(&pty);
}

static int teardown(void **state)
{
	(void)state;
	pty_close(&pty);
	pty_close(&pty); /* which is none now */
	return 0;
}

static void assert_passes(const struct pty *terminal)
{
	char data[16];

	assert_int_equal(write(terminal->master, "in\n", 3), 3);
	assert_int_equal(read(terminal->slave, data, sizeof(data)), 3);
	assert_memory_equal(data, "in\n", 3);
}

static void bytes_pass(void **state)
{
	(void)state;
	assert_true(isatty(pty.master) && isatty(pty.slave));
	assert_true(fcntl(pty.master, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(pty.slave, F_GETFD) & FD_CLOEXEC);
	assert_passes(&pty);
}

static void settings_are_seen_from_both_sides(void **state)
{
	struct termios settings;

	(void)state;
	assert_true(pty_echoes(pty.master));
	assert_int_equal(tcgetattr(pty.slave, &settings), 0);
	settings.c_lflag &= ~(tcflag_t)ECHO;
	assert_int_equal(tcsetattr(pty.slave, TCSANOW, &settings), 0);
	assert_false(pty_echoes(pty.master));
	assert_false(pty_echoes(pty.slave));
}

/* Whoever is asked whether it is safe gets "no". */
static void what_is_no_terminal_echoes(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(fd_pipe(fds), 0);
	assert_true(pty_echoes(fds[0]));
	assert_int_equal(pty_set_raw(fds[0]), -1);
	assert_int_equal(errno, ENOTTY);
	fd_close(fds[0]);
	fd_close(fds[1]);
}

static void raw_bytes_are_not_changed(void **state)
{
	static const char bytes[] = "\x03\x04\r\n\x11\x7f\xff";
	char data[16];

	(void)state;
	assert_int_equal(pty_set_raw(pty.master), 0);
	assert_int_equal(write(pty.master, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(read(pty.slave, data, sizeof(data)), sizeof(bytes));
	assert_memory_equal(data, bytes, sizeof(bytes));
	assert_int_equal(write(pty.slave, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(read(pty.master, data, sizeof(data)), sizeof(bytes));
	assert_memory_equal(data, bytes, sizeof(bytes));
}

static void too_few_descriptors(void **state)
{
	struct pty other = PTY_NONE;
	struct rlimit before, limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	/* none, and then one too few */
	for (int room = 0; room < 2; room++) {
		int next = fd_dup_high(0);

		fd_close(next);
		limit = (struct rlimit){(rlim_t)(next + room), before.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_int_equal(pty_open(&other), -1);
		assert_int_equal(errno, EMFILE);
		assert_int_equal(other.master, -1);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(fd_dup_high(0), next); /* nothing is left */
		fd_close(next);
	}
}

/* ---- Where it is mounted wrongly ---- */

/* In a mount namespace of its own. Its exit status: 0, what the test finds out is good; 77: there are no such
 * namespaces here. */
static int run_apart(int (*function)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int flags = geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;

		if (unshare(flags) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		_exit(function());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_and_pass(void)
{
	struct pty terminal;

	if (pty_open(&terminal) < 0)
		return 1;
	assert_passes(&terminal);
	pty_close(&terminal);
	return 0;
}

/* A /dev without ptmx, as some containers have it; slaves that belong to nobody and that nobody may
 * open by their name: an fstab from other times, without gid=5. */
static int without_ptmx(void)
{
	if (mount("none", "/dev", "tmpfs", 0, NULL) < 0 || mkdir("/dev/pts", 0755) < 0 ||
	    mount("none", "/dev/pts", "devpts", MS_NOSUID, "newinstance,mode=000,ptmxmode=0666") <
		    0)
		return 77;
	return open_and_pass();
}

static int without_names_of_slaves(void)
{
	/* mounted where nobody looks for them */
	if (mount("none", "/dev", "tmpfs", 0, NULL) < 0 || mkdir("/dev/pts", 0755) < 0 ||
	    mkdir("/dev/elsewhere", 0755) < 0 ||
	    mount("none", "/dev/elsewhere", "devpts", 0, "newinstance,ptmxmode=0666") < 0 ||
	    symlink("/dev/elsewhere/ptmx", "/dev/ptmx") < 0)
		return 77;
	return open_and_pass();
}

static int without_any(void)
{
	struct pty terminal;

	if (mount("none", "/dev", "tmpfs", 0, NULL) < 0)
		return 77;
	return pty_open(&terminal) == -1 && errno == ENOENT ? 0 : 1;
}

static void expect_apart(int (*function)(void))
{
	int status = run_apart(function);

	if (status == 77)
		skip();
	assert_int_equal(status, 0);
}

static void m9_dev_has_no_ptmx(void **state)
{
	(void)state;
	expect_apart(without_ptmx);
}

static void m9_slaves_have_no_names(void **state)
{
	(void)state;
	expect_apart(without_names_of_slaves);
}

static void m9_there_are_none(void **state)
{
	(void)state;
	expect_apart(without_any);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_pass, setup, teardown),
		cmocka_unit_test_setup_teardown(settings_are_seen_from_both_sides, setup, teardown),
		cmocka_unit_test(what_is_no_terminal_echoes),
		cmocka_unit_test_setup_teardown(raw_bytes_are_not_changed, setup, teardown),
		cmocka_unit_test(too_few_descriptors),
		cmocka_unit_test(m9_dev_has_no_ptmx),
		cmocka_unit_test(m9_slaves_have_no_names),
		cmocka_unit_test(m9_there_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
