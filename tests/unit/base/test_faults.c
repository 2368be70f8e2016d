/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/faults.h"
#include "base/fd.h"
#include "base/sys.h"

#define CALLS   1000
#define THREADS 4

static int fds[2];

static int setup(void **state)
{
	(void)state;
	return fd_socketpair(fds);
}

static int teardown(void **state)
{
	(void)state;
	fd_close(fds[0]);
	fd_close(fds[1]);
	return faults_install(NULL);
}

/* Which of the next allocations fail, as text. */
static const char *pattern(char *out, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		void *p = sys.malloc(1);

		out[i] = p ? '.' : 'x';
		sys.free(p);
	}
	out[count] = '\0';
	return out;
}

static size_t count_failures(const char *text)
{
	size_t failures = 0;

	for (; *text; text++)
		failures += *text == 'x';
	return failures;
}

/* ---- Specifications ---- */

static void nothing_fails_unless_it_is_told(void **state)
{
	char out[CALLS + 1];

	(void)state;
	assert_int_equal(faults_install("seed=7"), 0);
	assert_int_equal(count_failures(pattern(out, CALLS)), 0);
	assert_int_equal(faults_install(NULL), 0);
	assert_ptr_equal(sys.malloc, malloc);
	assert_ptr_equal(sys.waitpid, waitpid);
}

static void mistakes_are_refused(void **state)
{
	static const char *const mistakes[] = {
		"malloc",   "malloc=",   "malloc=x",
		"malloc=0", "malloc@0",  "malloc@3+4",
		"mallo=3",  "mallocs=3", "malloc=3;x=1",
		"seed@3",   "=3",        "malloc=-1",
		",",        "malloc=3+", "malloc=99999999999999999999999",
	};
	char out[4];

	(void)state;
	assert_int_equal(faults_install("malloc@1"), 0);
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
		assert_int_equal(faults_install(mistakes[i]), -1);
	assert_string_equal(pattern(out, 3), "x.."); /* as before */
}

static void the_nth_call_fails(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(faults_install("malloc@3"), 0);
	assert_string_equal(pattern(out, 6), "..x...");
	assert_int_equal(faults_install("seed=5,malloc@3+"), 0);
	assert_string_equal(pattern(out, 6), "..xxxx");
}

static void chance_follows_from_the_seed(void **state)
{
	char first[CALLS + 1], second[CALLS + 1];
	size_t failures;

	(void)state;
	assert_int_equal(faults_install("seed=7,malloc=10"), 0);
	failures = count_failures(pattern(first, CALLS));
	assert_in_range(failures, CALLS / 20, CALLS / 5);
	assert_int_equal(faults_install("seed=7,malloc=10"), 0);
	assert_string_equal(pattern(second, CALLS), first);
	assert_int_equal(faults_install("seed=8,malloc=10"), 0);
	assert_string_not_equal(pattern(second, CALLS), first);
}

static void *allocate(void *argument)
{
	char out[CALLS + 1];

	(void)argument;
	return (void *)count_failures(pattern(out, CALLS));
}

/* However the threads take turns, as many calls fail as of one thread. */
static void threads_share_one_sequence(void **state)
{
	char out[THREADS * CALLS + 1];
	pthread_t threads[THREADS];
	size_t expected, failures = 0;

	(void)state;
	assert_int_equal(faults_install("seed=7,malloc=10"), 0);
	expected = count_failures(pattern(out, THREADS * CALLS));
	assert_int_equal(faults_install("seed=7,malloc=10"), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, allocate, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		failures += (size_t)result;
	}
	assert_int_equal(failures, expected);
}

/* ---- Kinds ---- */

static void every_allocation_can_fail(void **state)
{
	void *p = malloc(1);

	(void)state;
	assert_int_equal(faults_install("malloc=1"), 0);
	errno = 0;
	assert_null(sys.malloc(1));
	assert_int_equal(errno, ENOMEM);
	assert_null(sys.calloc(1, 1));
	assert_null(sys.realloc(p, 2));
	assert_null(sys_strdup("x"));
	sys.free(p);
}

static void transfers_are_short(void **state)
{
	char data[1000] = {0};
	struct iovec iov[3] = {{data, 100}, {data, 200}, {data, 300}};
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = 3};
	ssize_t n;
	bool varies = false;

	(void)state;
	assert_int_equal(faults_install("read_short=1,write_short=1"), 0);
	for (int i = 0; i < 50; i++) {
		n = sys.write(fds[0], data, sizeof(data));
		assert_in_range(n, 1, sizeof(data));
		varies |= n < 500;
		assert_in_range(sys.read(fds[1], data, (size_t)n), 1, n);
		assert_in_range(sys.send(fds[0], data, sizeof(data), 0), 1, sizeof(data));
		assert_in_range(sys.writev(fds[0], iov, 3), 1, 600);
		assert_in_range(sys.sendmsg(fds[0], &message, 0), 1, 600);
		assert_in_range(sys.recv(fds[1], data, sizeof(data), 0), 1, sizeof(data));
	}
	assert_true(varies);
}

/* What arrives is what was sent, in order: only less at a time. */
static void short_transfers_lose_nothing(void **state)
{
	unsigned char data[600], came[600];
	struct iovec iov[3] = {{data, 100}, {data + 100, 200}, {data + 300, 300}};
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = 3};

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	assert_int_equal(faults_install("write_short=1"), 0);
	for (int i = 0; i < 50; i++) {
		ssize_t n = i % 2 ? sys.sendmsg(fds[0], &message, 0) : sys.writev(fds[0], iov, 3);

		assert_int_equal(recv(fds[1], came, sizeof(came), MSG_DONTWAIT), n);
		assert_memory_equal(came, data, (size_t)n);
	}
}

static void not_now_only_where_it_does_not_block(void **state)
{
	char data[100] = {0};

	(void)state;
	assert_int_equal(faults_install("eagain=1"), 0);
	assert_int_equal(sys.write(fds[0], data, sizeof(data)), sizeof(data));
	assert_int_equal(sys.send(fds[0], data, sizeof(data), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	fd_set_nonblocking(fds[0]);
	errno = 0;
	assert_int_equal(sys.write(fds[0], data, sizeof(data)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(sys.read(fds[1], data, sizeof(data)), sizeof(data));
}

static void calls_are_interrupted(void **state)
{
	char data[100] = {0};
	int status;

	(void)state;
	assert_int_equal(faults_install("eintr=1"), 0);
	assert_int_equal(sys.write(fds[0], data, sizeof(data)), -1);
	assert_int_equal(errno, EINTR);
	errno = 0;
	assert_int_equal(sys.poll(NULL, 0, 0), -1);
	assert_int_equal(errno, EINTR);
	errno = 0;
	assert_int_equal(sys.waitpid(-1, &status, WNOHANG), -1);
	assert_int_equal(errno, EINTR);
}

/* These wake somebody; if one were lost, he would sleep on. */
static void tiny_transfers_work(void **state)
{
	char data[8] = {0};

	(void)state;
	fd_set_nonblocking(fds[0]);
	assert_int_equal(faults_install("eagain=1,eintr=1,write_short=1,read_short=1"), 0);
	assert_int_equal(sys.write(fds[0], data, sizeof(data)), sizeof(data));
	assert_int_equal(sys.read(fds[1], data, sizeof(data)), sizeof(data));
}

static void descriptors_run_out(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(faults_install("socketpair=1,pipe2=1,pidfd_open=1,fork=1"), 0);
	assert_int_equal(fd_socketpair(pair), -1);
	assert_int_equal(errno, EMFILE);
	errno = 0;
	assert_int_equal(fd_pipe(pair), -1);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(sys.pidfd_open(getpid()), -1);
	assert_int_equal(errno, ENOSYS);
	assert_int_equal(sys.fork(), -1);
	assert_int_equal(errno, EAGAIN);
}

static void the_clock_jumps_forward(void **state)
{
	int64_t before = clock_ms(), after;

	(void)state;
	assert_int_equal(faults_install("clock=1"), 0);
	for (int i = 0; i < 100; i++) {
		after = clock_ms();
		assert_true(after > before);
		before = after;
	}
	assert_int_equal(faults_install(NULL), 0);
	assert_true(clock_ms() < after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_fails_unless_it_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(mistakes_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(the_nth_call_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(chance_follows_from_the_seed, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_share_one_sequence, setup, teardown),
		cmocka_unit_test_setup_teardown(every_allocation_can_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(transfers_are_short, setup, teardown),
		cmocka_unit_test_setup_teardown(short_transfers_lose_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(not_now_only_where_it_does_not_block, setup,
						teardown),
		cmocka_unit_test_setup_teardown(calls_are_interrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(tiny_transfers_work, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(the_clock_jumps_forward, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
