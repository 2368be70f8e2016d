/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/socket_place.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/sys.h"
#include "base/unix_socket.h"

static char top[] = "/tmp/socket-place-XXXXXX";
static char path[64], directory[64];
static struct socket_place place;
static mitogen_error err;

static int group_setup(void **state)
{
	(void)state;
	if (!mkdtemp(top))
		return -1;
	snprintf(directory, sizeof(directory), "%s/own", top);
	snprintf(path, sizeof(path), "%s/own/mux", top);
	setenv("XDG_RUNTIME_DIR", top, 1);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	return rmdir(top);
}

static int setup(void **state)
{
	(void)state;
	place = (struct socket_place){.directory = -1};
	err = (mitogen_error){0};
	return 0;
}

/* Nothing may be left but what was there. */
static int teardown(void **state)
{
	(void)state;
	return access(directory, F_OK) < 0 ? 0 : -1;
}

static bool is_there(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

static void it_is_made_and_removed(void **state)
{
	int fd = socket_place_make(path, &place, &err), client;
	struct stat st;

	(void)state;
	assert_true(fd >= 3);
	assert_string_equal(place.path, path);
	assert_int_equal(stat(directory, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	client = unix_socket_connect(path, 10000);
	assert_true(client >= 0);
	fd_close(client);
	socket_place_clear(&place);
	assert_false(is_there(path));
	fd_close(fd);
	socket_place_clear(&place);
}

static void a_directory_that_was_there_stays(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdir(directory, 0700), 0);
	fd = socket_place_make(path, &place, &err);
	assert_true(fd >= 0);
	socket_place_clear(&place);
	fd_close(fd);
	assert_int_equal(rmdir(directory), 0);
}

static void one_of_our_own_choice(void **state)
{
	int fd = socket_place_make(NULL, &place, &err);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(strncmp(place.path, top, strlen(top)), 0);
	socket_place_clear(&place);
	fd_close(fd);
}

static void others_may_not_enter_the_directory(void **state)
{
	(void)state;
	assert_int_equal(mkdir(directory, 0700), 0);
	for (int bit = 0; bit < 6; bit++) {
		assert_int_equal(chmod(directory, 0700 | 1 << bit), 0);
		assert_int_equal(socket_place_make(path, &place, &err), MITOGEN_ERR_USAGE);
		assert_non_null(strstr(err.text, "has mode 0700"));
		assert_false(is_there(path));
	}
	assert_int_equal(rmdir(directory), 0);
}

static void the_directory_must_be_ours(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(chown(directory, 1, -1), 0);
	assert_int_equal(socket_place_make(path, &place, &err), MITOGEN_ERR_USAGE);
	assert_int_equal(rmdir(directory), 0);
}

/* What is alive stays; what was left is replaced. */
static void old_sockets(void **state)
{
	int first = socket_place_make(path, &place, &err), second;
	struct socket_place other = {.directory = -1};

	(void)state;
	assert_true(first >= 0);
	assert_int_equal(socket_place_make(path, &other, &err), MITOGEN_ERR_SYSTEM);
	assert_int_equal(err.sys, EADDRINUSE);
	assert_true(is_there(path));
	fd_close(first); /* as if we had been killed */
	second = socket_place_make(path, &other, &err);
	assert_true(second >= 0);
	socket_place_clear(&other);
	fd_close(second);
	assert_false(is_there(path));
	socket_place_clear(&place);
}

/* Somebody has removed our socket, and there is another. */
static void only_our_own_is_removed(void **state)
{
	int first = socket_place_make(path, &place, &err), second;
	struct socket_place other = {.directory = -1};

	(void)state;
	assert_int_equal(unlink(path), 0);
	second = socket_place_make(path, &other, &err);
	assert_true(second >= 0);
	socket_place_clear(&place);
	assert_true(is_there(path));
	socket_place_clear(&other);
	assert_false(is_there(path));
	fd_close(first);
	fd_close(second);
	assert_int_equal(rmdir(directory), 0); /* made by the first, when it was not empty */
}

/* Two of them look at what was left one after the other, also if one of them hangs. */
static void the_directory_is_locked(void **state)
{
	int holder, fd;

	(void)state;
	assert_int_equal(mkdir(directory, 0700), 0);
	holder = open(directory, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(holder, LOCK_EX), 0);
	assert_int_equal(socket_place_make(path, &place, &err), MITOGEN_ERR_SYSTEM);
	assert_non_null(strstr(err.text, "its directory is locked"));
	close(holder);
	fd = socket_place_make(path, &place, &err);
	assert_true(fd >= 0);
	socket_place_clear(&place);
	fd_close(fd);
	assert_int_equal(rmdir(directory), 0);
}

static void a_copy_of_the_process_removes_nothing(void **state)
{
	int fd = socket_place_make(path, &place, &err), status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		socket_place_clear(&place);
		_exit(is_there(path) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(is_there(path));
	socket_place_clear(&place);
	fd_close(fd);
}

static int fails_from_now;

static void *failing_malloc(size_t size)
{
	return fails_from_now-- > 0 ? malloc(size) : NULL;
}

static int no_socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)type;
	(void)protocol;
	errno = EMFILE;
	return -1;
}

static void what_fails_leaves_nothing(void **state)
{
	(void)state;
	sys.malloc = failing_malloc;
	fails_from_now = 0;
	assert_int_equal(socket_place_make(path, &place, &err), MITOGEN_ERR_MEMORY);
	assert_int_equal(socket_place_make(NULL, &place, &err), MITOGEN_ERR_MEMORY);
	sys.malloc = malloc;
	sys.socket = no_socket;
	assert_int_equal(socket_place_make(path, &place, &err), MITOGEN_ERR_SYSTEM);
	assert_int_equal(socket_place_make(NULL, &place, &err), MITOGEN_ERR_SYSTEM);
	sys.socket = socket;
	assert_int_equal(place.directory, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_made_and_removed),
		TEST(a_directory_that_was_there_stays),
		TEST(one_of_our_own_choice),
		TEST(others_may_not_enter_the_directory),
		TEST(the_directory_must_be_ours),
		TEST(old_sockets),
		TEST(only_our_own_is_removed),
		TEST(the_directory_is_locked),
		TEST(a_copy_of_the_process_removes_nothing),
		TEST(what_fails_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
