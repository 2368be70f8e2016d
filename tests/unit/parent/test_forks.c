/* SPDX-License-Identifier: BSD-3-Clause */
/* A router's side of the fork server: children asked for, watched, signalled; all ends of it. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "core/process.h"
#include "parent/forks.h"
#include "parent/launch.h"

#include "../core/fixture.h"

#define CHILDREN 600 /* more requests than a socket holds */

static struct router router;
static struct fork_server server;
static struct process processes[CHILDREN];
static struct launched launched[CHILDREN];
static int statuses[CHILDREN];
static int ends, closed;
static int64_t jumped_ms;
static mitogen_error err;

/* Children exit with the number that they read, or hang at the end of their input. */
static void exit_as_told(void)
{
	char byte;

	if (read(STDIN_FILENO, &byte, 1) == 1)
		_exit(byte);
	for (;;)
		pause();
}

static int jumping_clock(clockid_t clock, struct timespec *ret)
{
	int r = clock_gettime(clock, ret);

	ret->tv_sec += jumped_ms / 1000;
	return r;
}

static void on_ended(struct process *process, int status)
{
	assert_false(process_is_alive(process));
	statuses[process - processes] = status;
	ends++;
}

static void on_closed(struct router *of)
{
	assert_ptr_equal(of, &router);
	closed++;
}

static int setup(void **state)
{
	(void)state;
	ends = closed = 0;
	jumped_ms = 0;
	logged[0] = '\0';
	log_set(LOG_WARNING, keep_log, NULL);
	sys.clock_gettime = jumping_clock;
	if (fork_server_start(exit_as_told, &server, &err) < 0 ||
	    router_init(&router, 0, NULL, 0, "") < 0)
		return -1;
	router.on_closed = on_closed;
	return forks_open(&router, &server, 500);
}

static int teardown(void **state)
{
	(void)state;
	router_close(&router, false);
	while (closed == 0)
		pump_once(&router.broker, -1);
	assert_null(router.forks);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	router_clear(&router);
	sys.clock_gettime = clock_gettime;
	return 0;
}

static void start(int i)
{
	assert_int_equal(forks_start(&router, &processes[i], on_ended, &launched[i], &err), 0);
	assert_true(process_is_alive(&processes[i]));
	assert_int_equal(launched[i].pid, 0);
}

static void drop(int i)
{
	launch_close(launched[i].fds);
}

static void pump_until_ends(int count)
{
	while (ends < count)
		pump_once(&router.broker, -1);
}

static void end_child(int i, int status)
{
	assert_int_equal(write(launched[i].fds[0], &(char){(char)status}, 1), 1);
}

/* ---- Tests ---- */

static void a_child_from_its_start_to_its_end(void **state)
{
	(void)state;
	start(0);
	while (processes[0].pid == 0)
		pump_once(&router.broker, -1);
	assert_int_equal(kill(processes[0].pid, 0), 0);
	end_child(0, 3);
	pump_until_ends(1);
	assert_int_equal(WEXITSTATUS(statuses[0]), 3);
	drop(0);
}

/* More than the server takes at once. */
static void many_children(void **state)
{
	(void)state;
	for (int i = 0; i < CHILDREN; i++)
		start(i);
	for (int i = 0; i < CHILDREN; i++)
		end_child(i, i % 100);
	pump_until_ends(CHILDREN);
	for (int i = 0; i < CHILDREN; i++) {
		assert_int_equal(WEXITSTATUS(statuses[i]), i % 100);
		drop(i);
	}
}

static ssize_t send_one_byte(int fd, const struct msghdr *message, int flags)
{
	struct iovec piece = {message->msg_iov->iov_base, 1};
	struct msghdr less = *message;

	less.msg_iov = &piece;
	return sendmsg(fd, &less, flags);
}

static ssize_t send_some_bytes(int fd, const void *data, size_t size, int flags)
{
	static int calls;

	if (++calls % 3 == 0) {
		errno = calls % 2 ? EAGAIN : EINTR;
		return -1;
	}
	return send(fd, data, size > 2 ? 2 : size, flags);
}

static ssize_t recv_some_bytes(int fd, void *data, size_t size, int flags)
{
	return recv(fd, data, size > 5 ? 5 : size, flags);
}

static void everything_in_pieces(void **state)
{
	(void)state;
	sys.sendmsg = send_one_byte;
	sys.send = send_some_bytes;
	sys.recv = recv_some_bytes;
	for (int i = 0; i < 10; i++) {
		start(i);
		if (i % 2)
			process_signal(&processes[i], SIGKILL, true);
		else
			end_child(i, i);
	}
	pump_until_ends(10);
	sys.sendmsg = sendmsg;
	sys.send = send;
	sys.recv = recv;
	for (int i = 0; i < 10; i++) {
		if (i % 2)
			assert_int_equal(WTERMSIG(statuses[i]), SIGKILL);
		else
			assert_int_equal(WEXITSTATUS(statuses[i]), i);
		drop(i);
	}
}

static ssize_t not_now(int fd, const struct msghdr *message, int flags)
{
	(void)fd;
	(void)message;
	(void)flags;
	errno = EAGAIN;
	return -1;
}

/* Of several signals that wait, a deadly one is not replaced. */
static void signals_that_wait(void **state)
{
	(void)state;
	start(0);
	start(1);
	while (processes[1].pid == 0)
		pump_once(&router.broker, -1);
	sys.sendmsg = not_now;
	process_signal(&processes[0], SIGUSR1, false);
	process_signal(&processes[0], SIGKILL, true);
	process_signal(&processes[0], SIGUSR1, false);
	process_signal(&processes[1], SIGKILL, true);
	process_signal(&processes[1], SIGTERM, false);
	sys.sendmsg = sendmsg;
	pump_until_ends(2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(WTERMSIG(statuses[i]), SIGKILL);
		drop(i);
		process_signal(&processes[i], SIGKILL, true); /* to nobody */
	}
}

static int no_descriptors(int ret[2], int flags)
{
	(void)ret;
	(void)flags;
	errno = EMFILE;
	return -1;
}

static void too_few_descriptors(void **state)
{
	(void)state;
	sys.pipe2 = no_descriptors;
	assert_int_equal(forks_start(&router, &processes[0], on_ended, &launched[0], &err),
			 MITOGEN_ERR_SYSTEM);
	sys.pipe2 = pipe2;
	assert_string_equal(err.text, "cannot make a pipe: Too many open files");
	start(0);
	end_child(0, 4);
	pump_until_ends(1);
	assert_int_equal(WEXITSTATUS(statuses[0]), 4);
	drop(0);
}

static void the_server_is_killed(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		start(i);
	pump(&router.broker);
	kill(server.pid, SIGKILL);
	pump_until_ends(3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(statuses[i], PROCESS_GIVEN_UP);
		drop(i);
	}
	assert_string_equal(logged, "the fork server was killed by SIGKILL; its children are given "
				    "up\n");
	assert_int_equal(forks_start(&router, &processes[3], on_ended, &launched[3], &err),
			 MITOGEN_ERR_CONNECT);
	assert_string_equal(err.text, "the fork server was killed by SIGKILL");
}

/* Before the broker has looked at the server for the first time. */
static void closed_at_once(void **state)
{
	(void)state;
	router_close(&router, false);
	assert_int_equal(closed, 0);
}

static void closing_waits_for_children(void **state)
{
	(void)state;
	start(0);
	pump(&router.broker);
	router_close(&router, false);
	pump(&router.broker);
	assert_int_equal(closed, 0);
	end_child(0, 6);
	pump_until_ends(1);
	assert_int_equal(WEXITSTATUS(statuses[0]), 6);
	drop(0);
}

/* When the time for children is over, and a second for the server. */
static void closing_does_not_wait_for_a_server_that_hangs(void **state)
{
	pid_t pid;

	(void)state;
	start(0);
	while (processes[0].pid == 0)
		pump_once(&router.broker, -1);
	pid = processes[0].pid;
	kill(server.pid, SIGSTOP);
	process_signal(&processes[0], SIGKILL, true);
	router_close(&router, false);
	pump(&router.broker);
	assert_int_equal(ends, 0);
	jumped_ms = 2000;
	pump_until_ends(1);
	assert_int_equal(statuses[0], PROCESS_GIVEN_UP);
	assert_int_equal(kill(pid, SIGKILL), 0);
	drop(0);
}

static pid_t release_first(void)
{
	pid_t pid;

	start(0);
	start(1);
	while (processes[1].pid == 0)
		pump_once(&router.broker, -1);
	pid = processes[0].pid;
	assert_int_equal(process_release(&processes[0]), 0);
	assert_false(process_is_alive(&processes[0]));
	return pid;
}

/* Nobody waits for it; it lives on when the server has ended. */
static void one_that_is_released(void **state)
{
	pid_t pid = release_first();

	(void)state;
	end_child(1, 4);
	pump_until_ends(1);
	router_close(&router, false);
	while (closed == 0)
		pump_once(&router.broker, -1);
	assert_int_equal(ends, 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	drop(0);
	drop(1);
}

/* The server hears of it before it ends. */
static void one_that_is_released_at_last(void **state)
{
	pid_t pid;

	(void)state;
	start(0);
	while (processes[0].pid == 0)
		pump_once(&router.broker, -1);
	pid = processes[0].pid;
	sys.sendmsg = not_now;
	process_signal(&processes[0], SIGTERM, false);
	process_release(&processes[0]);
	router_close(&router, false);
	sys.sendmsg = sendmsg;
	while (closed == 0)
		pump_once(&router.broker, -1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	drop(0);
}

/* And if it does not hear of it. */
static void one_that_is_released_too_late(void **state)
{
	(void)state;
	start(0);
	pump(&router.broker);
	sys.sendmsg = not_now;
	process_release(&processes[0]);
	kill(server.pid, SIGKILL);
	router_close(&router, false);
	while (closed == 0)
		pump_once(&router.broker, -1);
	sys.sendmsg = sendmsg;
	drop(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_child_from_its_start_to_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(many_children, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(signals_that_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(too_few_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(the_server_is_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_waits_for_children, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_does_not_wait_for_a_server_that_hangs,
						setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_is_released, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_is_released_at_last, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_is_released_too_late, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
