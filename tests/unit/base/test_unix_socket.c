/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/sys.h"

static char directory[] = "/tmp/unix-socket-XXXXXX";
static char path[64];
static int bound;

static int group_setup(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int group_teardown(void **state)
{
	(void)state;
	return rmdir(directory);
}

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/socket", directory);
	bound = unix_socket_bind(path);
	return bound < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	fd_close(bound);
	return unlink(path);
}

static bool is_ours(int fd)
{
	return fd >= 3 && fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static void both_ends_know_each_other(void **state)
{
	int client, server;
	uid_t uid = 4711;
	pid_t pid = 0;
	char bytes[2];

	(void)state;
	assert_int_equal(listen(bound, 1), 0);
	client = unix_socket_connect(path, 10000);
	server = unix_socket_accept(bound);
	assert_true(is_ours(bound) && is_ours(client) && is_ours(server));
	assert_true(fcntl(server, F_GETFL) & O_NONBLOCK);
	assert_int_equal(unix_socket_peer(client, &uid, &pid), 0);
	assert_int_equal(uid, geteuid());
	assert_int_equal(pid, getpid());
	assert_int_equal(unix_socket_peer(server, &uid, &pid), 0);
	assert_int_equal(uid, geteuid());
	assert_int_equal(unix_socket_send(client, "hi", 2), 2);
	assert_int_equal(read(server, bytes, 2), 2);
	fd_close(server);
	assert_int_equal(unix_socket_send(client, "hi", 2), -1); /* and no signal */
	assert_int_equal(errno, EPIPE);
	fd_close(client);
}

static void nobody_waits(void **state)
{
	(void)state;
	assert_int_equal(listen(bound, 1), 0);
	assert_int_equal(unix_socket_accept(bound), -1);
	assert_int_equal(errno, EAGAIN);
}

static void what_listens_no_more(void **state)
{
	(void)state;
	assert_int_equal(unix_socket_connect(path, 10000), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(unix_socket_bind(path), -1);
	assert_int_equal(errno, EADDRINUSE);
}

/* One that does not accept: connecting ends all the same, even without patience. */
static void who_does_not_accept(void **state)
{
	int waiting[4], i = 0;

	(void)state;
	assert_int_equal(listen(bound, 0), 0);
	while (i < 4 && (waiting[i] = unix_socket_connect(path, 0)) >= 0)
		i++;
	assert_in_range(i, 1, 3);
	assert_int_equal(errno, EAGAIN);
	while (i > 0)
		fd_close(waiting[--i]);
}

static void paths_that_are_too_long(void **state)
{
	char too_long[200];

	(void)state;
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(unix_socket_bind(too_long), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(unix_socket_connect(too_long, 0), -1);
	assert_int_equal(errno, ENAMETOOLONG);
}

static int no_socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)type;
	(void)protocol;
	errno = EMFILE;
	return -1;
}

static void without_descriptors(void **state)
{
	(void)state;
	sys.socket = no_socket;
	assert_int_equal(unix_socket_connect(path, 0), -1);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(unix_socket_bind(path), -1);
	sys.socket = socket;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_ends_know_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(what_listens_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(who_does_not_accept, setup, teardown),
		cmocka_unit_test(paths_that_are_too_long),
		cmocka_unit_test_setup_teardown(without_descriptors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
