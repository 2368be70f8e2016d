/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/sys.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool is_close_on_exec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static void close_keeps_errno(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(fd_pipe(fds), 0);
	errno = ENOENT;
	fd_close(fds[0]);
	fd_close(fds[1]);
	fd_close(-1);
	assert_int_equal(errno, ENOENT);
	assert_false(is_open(fds[0]) || is_open(fds[1]));
}

static void pairs_are_connected_and_close_on_exec(void **state)
{
	int pipes[2], sockets[2];
	char byte = 0;

	(void)state;
	assert_int_equal(fd_pipe(pipes), 0);
	assert_int_equal(fd_socketpair(sockets), 0);
	for (int i = 0; i < 2; i++)
		assert_true(is_close_on_exec(pipes[i]) && is_close_on_exec(sockets[i]));
	assert_int_equal(write(pipes[1], "p", 1), 1);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	assert_int_equal(byte, 'p');
	for (int i = 0; i < 2; i++) {
		assert_int_equal(write(sockets[i], "s", 1), 1);
		assert_int_equal(read(sockets[1 - i], &byte, 1), 1);
		assert_int_equal(byte, 's');
	}
	for (int i = 0; i < 2; i++) {
		fd_close(pipes[i]);
		fd_close(sockets[i]);
	}
}

static ssize_t write_quietly(int fd)
{
	const struct iovec piece = {(char[]){"x"}, 1};

	return fd_writev_quietly(fd, &piece, 1);
}

static bool is_pending(void)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, SIGPIPE);
}

/* A signal would end this process. */
static void writing_to_a_broken_pipe_raises_no_signal(void **state)
{
	sigset_t sigpipe, mask;
	int fds[2], number;

	(void)state;
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	assert_int_equal(fd_pipe(fds), 0);
	assert_int_equal(write_quietly(fds[1]), 1);
	fd_close(fds[0]);
	assert_int_equal(write_quietly(fds[1]), -1);
	assert_int_equal(errno, EPIPE);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_false(sigismember(&mask, SIGPIPE));

	signal(SIGPIPE, SIG_IGN); /* none comes, and none is waited for */
	assert_int_equal(write_quietly(fds[1]), -1);
	signal(SIGPIPE, SIG_DFL);

	pthread_sigmask(SIG_BLOCK, &sigpipe, NULL);
	assert_int_equal(write_quietly(fds[1]), -1);
	assert_false(is_pending());
	raise(SIGPIPE); /* somebody else's is left where it is */
	assert_int_equal(write_quietly(fds[1]), -1);
	assert_int_equal(errno, EPIPE);
	assert_true(is_pending());
	assert_int_equal(sigwait(&sigpipe, &number), 0);
	pthread_sigmask(SIG_UNBLOCK, &sigpipe, NULL);
	fd_close(fds[1]);
}

static bool is_null(int fd)
{
	struct stat st, null;

	return fstat(fd, &st) == 0 && stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev;
}

/* In a copy of the process, where the standard descriptors may be closed; its exit status. */
static int without_standard_descriptors(int (*run)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		_exit(run());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int make_pairs(void)
{
	int pipes[2], sockets[2], null;

	if (fd_pipe(pipes) < 0 || fd_socketpair(sockets) < 0)
		return 1;
	for (int i = 0; i < 2; i++)
		if (pipes[i] < 3 || sockets[i] < 3 || !is_close_on_exec(pipes[i]) ||
		    !is_close_on_exec(sockets[i]))
			return 2;
	if (is_open(0) || is_open(1) || is_open(2))
		return 3;
	if (write(pipes[1], "p", 1) != 1 || read(pipes[0], &null, 1) != 1)
		return 4;
	null = open("/dev/null", O_RDWR);
	if (null != 0)
		return 5;
	null = fd_move_high(null);
	if (null < 3 || is_open(0) || !is_close_on_exec(null))
		return 6;
	return fd_move_high(null) == null && fd_move_high(-1) == -1 ? 0 : 7;
}

static void numbers_are_at_least_three(void **state)
{
	(void)state;
	assert_int_equal(without_standard_descriptors(make_pairs), 0);
}

static int no_pair(int domain, int type, int protocol, int ret[2])
{
	(void)domain;
	(void)type;
	(void)protocol;
	(void)ret;
	errno = EMFILE;
	return -1;
}

static void failures_are_told(void **state)
{
	int fds[2] = {77, 78};

	(void)state;
	sys.socketpair = no_pair;
	assert_int_equal(fd_socketpair(fds), -1);
	sys.socketpair = socketpair;
	assert_int_equal(errno, EMFILE);
	assert_int_equal(fds[0], 77);
	assert_int_equal(fds[1], 78);
}

static void made_nonblocking(void **state)
{
	int fds[2];
	char byte;

	(void)state;
	assert_int_equal(fd_pipe(fds), 0);
	assert_int_equal(fd_set_nonblocking(fds[0]), 0);
	assert_int_equal(read(fds[0], &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	fd_close(fds[0]);
	fd_close(fds[1]);
	assert_int_equal(fd_set_nonblocking(-1), -1);
}

static int close_high_ones(void)
{
	int low, high;

	low = open("/dev/null", O_RDWR);
	if (low != 0 || dup2(low, 3) != 3 || dup2(low, 4) != 4)
		return 1;
	high = fcntl(low, F_DUPFD, 900);
	if (high < 900)
		return 2;
	fd_close_from(4);
	return is_open(0) && is_open(3) && !is_open(4) && !is_open(high) ? 0 : 3;
}

static void all_from_a_number_on_are_closed(void **state)
{
	(void)state;
	assert_int_equal(without_standard_descriptors(close_high_ones), 0);
}

/* Here without standard descriptors, in which case a directory would be opened in their place. */
static int blank(void)
{
	int pipes[2], high, next;

	if (fd_pipe(pipes) < 0 || (high = fcntl(pipes[0], F_DUPFD, 900)) < 900)
		return 1;
	next = fcntl(pipes[0], F_DUPFD, 3);
	close(next);
	fd_blank_all(pipes[1]);
	if (!is_null(0) || !is_null(1) || !is_null(2) || !is_null(pipes[0]) || !is_null(high))
		return 2;
	if (is_null(pipes[1]) || is_open(next))
		return 3;
	if (is_close_on_exec(0) || !is_close_on_exec(pipes[0]))
		return 4;
	return write(0, "x", 1) == 1 && read(pipes[0], &next, 1) == 0 ? 0 : 5;
}

static void all_but_one_are_blanked(void **state)
{
	(void)state;
	assert_int_equal(without_standard_descriptors(blank), 0);
}

/* What was opened in another way is nobody's business. */
static int blank_ours(void)
{
	int pipes[2], others[2], closed[2], moved;

	if (fd_pipe(pipes) < 0 || pipe(others) < 0 || fd_socketpair(closed) < 0)
		return 1;
	moved = fd_move_high(dup(others[0]));
	fd_close(closed[0]);
	if (dup2(others[0], closed[0]) < 0) /* the number is not ours any more */
		return 2;
	fd_blank_ours();
	if (!is_null(pipes[0]) || !is_null(pipes[1]) || !is_null(closed[1]) || !is_null(moved))
		return 3;
	if (is_null(others[0]) || is_null(others[1]) || is_null(closed[0]))
		return 4;
	fd_close(pipes[0]);
	fd_close_ours();
	if (is_open(pipes[0]) || is_open(pipes[1]) || is_open(closed[1]) || is_open(moved))
		return 5;
	return is_open(others[0]) && is_open(others[1]) && is_open(closed[0]) ? 0 : 6;
}

static void ours_are_blanked_and_closed(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(blank_ours());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void more_are_allowed_when_few_are_left(void **state)
{
	struct rlimit limit = {100, 150}, now;
	int fds[80], status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) { /* what may be at most is lowered for good */
		setrlimit(RLIMIT_NOFILE, &limit);
		fd_allow_more();
		getrlimit(RLIMIT_NOFILE, &now);
		if (now.rlim_cur != 100)
			_exit(1);
		for (int i = 0; i < 80; i++)
			fds[i] = dup(0);
		fd_allow_more();
		getrlimit(RLIMIT_NOFILE, &now);
		_exit(fds[79] >= 0 && now.rlim_cur == 150 && now.rlim_max == 150 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(close_keeps_errno),
		cmocka_unit_test(pairs_are_connected_and_close_on_exec),
		cmocka_unit_test(writing_to_a_broken_pipe_raises_no_signal),
		cmocka_unit_test(numbers_are_at_least_three),
		cmocka_unit_test(failures_are_told),
		cmocka_unit_test(made_nonblocking),
		cmocka_unit_test(more_are_allowed_when_few_are_left),
		cmocka_unit_test(all_from_a_number_on_are_closed),
		cmocka_unit_test(all_but_one_are_blanked),
		cmocka_unit_test(ours_are_blanked_and_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
