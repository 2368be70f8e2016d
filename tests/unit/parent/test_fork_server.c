/* SPDX-License-Identifier: BSD-3-Clause */
/* The server itself: what goes through its socket and comes back. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/random.h"
#include "base/sys.h"
#include "core/process.h"
#include "parent/fork_server.h"
#include "parent/launch.h"

static struct fork_server server;
static int stream, messages; /* our ends of a child's */
static int forks;            /* calls of sys.fork, here and in the server */

/* ---- What children do: read a line of stdin, which says what ---- */

static void obey_line(void)
{
	char line[16] = "";

	if (read(STDIN_FILENO, line, sizeof(line) - 1) < 0)
		_exit(1);
	switch (line[0]) {
	case 'e': /* exit */
		_exit(line[1] - '0');
	case 'k': /* be killed */
		raise(SIGSEGV);
		break;
	case 'p': /* print */
		if (write(STDOUT_FILENO, "out", 3) != 3 || write(STDERR_FILENO, "err", 3) != 3)
			_exit(1);
		_exit(0);
	case 'f': /* count descriptors */
		for (int fd = line[2] = 0; fd < 100; fd++)
			line[2] = (char)(line[2] + (fcntl(fd, F_GETFD) >= 0));
		_exit(line[2]);
	case 'r': /* tell a number that nobody else has */
		dprintf(STDOUT_FILENO, "%u", random_u32());
		_exit(0);
	default: /* the end of the input */
		_exit(9);
	}
}

/* ---- The other end of the socket ---- */

static void start(void)
{
	mitogen_error err;

	assert_int_equal(fork_server_start(obey_line, &server, &err), 0);
}

static void end(void)
{
	int status;

	fd_close(server.socket);
	assert_int_equal(waitpid(server.pid, &status, 0), server.pid);
	assert_int_equal(status, 0);
}

static void tell(const struct fork_packet *packet, const int *fds, size_t first_piece)
{
	union {
		char bytes[CMSG_SPACE(LAUNCH_PIPES * sizeof(int))];
		struct cmsghdr alignment;
	} control = {0};
	struct iovec piece = {(void *)(uintptr_t)packet, first_piece};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

	if (fds) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.alignment =
			(struct cmsghdr){.cmsg_len = CMSG_LEN(LAUNCH_PIPES * sizeof(int)),
					 .cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.alignment), fds, LAUNCH_PIPES * sizeof(int));
	}
	assert_int_equal(sendmsg(server.socket, &message, 0), first_piece);
	assert_int_equal(send(server.socket, (const char *)packet + first_piece,
			      sizeof(*packet) - first_piece, 0),
			 sizeof(*packet) - first_piece);
}

/* Asks for a child, in two pieces of which the first has so many bytes. */
static void ask_in_pieces(uint32_t number, size_t first_piece)
{
	const struct fork_packet packet = {.kind = FORK_START, .number = number};
	int sockets[2], pipes[2];

	assert_int_equal(fd_socketpair(sockets), 0);
	assert_int_equal(fd_pipe(pipes), 0);
	tell(&packet, (int[]){sockets[1], sockets[1], pipes[1]}, first_piece);
	fd_close(sockets[1]);
	fd_close(pipes[1]);
	stream = sockets[0];
	messages = pipes[0];
}

static void ask(uint32_t number)
{
	ask_in_pieces(number, sizeof(struct fork_packet) - 1);
}

static void drop_child(void)
{
	fd_close(stream);
	fd_close(messages);
}

static int hear(enum fork_packet_kind kind, uint32_t number)
{
	struct fork_packet packet;

	assert_int_equal(recv(server.socket, &packet, sizeof(packet), MSG_WAITALL), sizeof(packet));
	assert_int_equal(packet.kind, kind);
	assert_int_equal(packet.number, number);
	return packet.value;
}

static int status_of(uint32_t number, const char *what)
{
	int status;

	ask(number);
	assert_true(hear(FORK_STARTED, number) > 0);
	assert_int_equal(write(stream, what, strlen(what)), strlen(what));
	status = hear(FORK_ENDED, number);
	drop_child();
	return status;
}

/* ---- Tests ---- */

static void statuses_are_told(void **state)
{
	int status;

	(void)state;
	start();
	status = status_of(1, "e3");
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	status = status_of(7, "k");
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	end();
}

static void output_comes_through_its_descriptors(void **state)
{
	char out[4] = "", err[4] = "";

	(void)state;
	start();
	ask(1);
	hear(FORK_STARTED, 1);
	assert_int_equal(write(stream, "p", 1), 1);
	assert_int_equal(hear(FORK_ENDED, 1), 0);
	assert_int_equal(read(stream, out, 3), 3);
	assert_int_equal(read(messages, err, 3), 3);
	assert_string_equal(out, "out");
	assert_string_equal(err, "err");
	assert_int_equal(read(stream, out, 3), 0); /* the server has no copy of them */
	assert_int_equal(read(messages, err, 3), 0);
	drop_child();
	end();
}

static void each_has_as_few_descriptors(void **state)
{
	int others[2], first[2], count;

	(void)state;
	assert_int_equal(fd_pipe(others), 0);
	start();
	count = WEXITSTATUS(status_of(1, "f"));
	ask(2);
	hear(FORK_STARTED, 2);
	first[0] = stream;
	first[1] = messages;
	assert_int_equal(WEXITSTATUS(status_of(3, "f")), count);
	fd_close(first[0]);
	fd_close(first[1]);
	assert_int_equal(WEXITSTATUS(hear(FORK_ENDED, 2)), 9);
	fd_close(others[1]);
	assert_int_equal(read(others[0], (char[1]){0}, 1), 0);
	fd_close(others[0]);
	end();
}

static void requests_in_pieces(void **state)
{
	(void)state;
	start();
	for (uint32_t i = 1; i < sizeof(struct fork_packet); i++) {
		ask_in_pieces(i, i);
		hear(FORK_STARTED, i);
		assert_int_equal(write(stream, "e5", 2), 2);
		assert_int_equal(WEXITSTATUS(hear(FORK_ENDED, i)), 5);
		drop_child();
	}
	end();
}

static void signals_are_passed_on(void **state)
{
	struct fork_packet packet = {.kind = FORK_SIGNAL, .number = 4711, .value = SIGKILL};
	int status;

	(void)state;
	start();
	tell(&packet, NULL, 3); /* to nobody */
	ask(1);
	hear(FORK_STARTED, 1);
	packet = (struct fork_packet){.kind = FORK_SIGNAL, .number = 1, .value = SIGUSR1};
	tell(&packet, NULL, 3);
	status = hear(FORK_ENDED, 1);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	tell(&packet, NULL, 3); /* to nobody any more */
	ask(2);
	packet = (struct fork_packet){.kind = FORK_SIGNAL, .number = 2, .value = -SIGKILL};
	tell(&packet, NULL, 3);
	hear(FORK_STARTED, 2);
	assert_int_equal(WTERMSIG(hear(FORK_ENDED, 2)), SIGKILL);
	drop_child();
	end();
}

/* Without its descriptors there is no child. */
static void descriptors_that_did_not_arrive(void **state)
{
	const struct fork_packet packet = {.kind = FORK_START, .number = 1};

	(void)state;
	start();
	tell(&packet, NULL, 3);
	assert_int_equal(hear(FORK_ENDED, 1), process_not_made(EMFILE));
	assert_int_equal(WEXITSTATUS(status_of(2, "e5")), 5);
	end();
}

static pid_t second_fork_fails(void)
{
	if (++forks != 2)
		return fork();
	errno = EAGAIN;
	return -1;
}

static void a_fork_that_fails(void **state)
{
	(void)state;
	sys.fork = second_fork_fails;
	start();
	sys.fork = fork;
	ask(1);
	assert_int_equal(hear(FORK_ENDED, 1), process_not_made(EAGAIN));
	assert_int_equal(read(stream, (char[1]){0}, 1), 0);
	drop_child();
	assert_int_equal(WEXITSTATUS(status_of(2, "e5")), 5);
	end();
}

static void a_server_that_cannot_be_made(void **state)
{
	struct fork_server none;
	mitogen_error err;

	(void)state;
	forks = 1;
	sys.fork = second_fork_fails;
	assert_int_equal(fork_server_start(obey_line, &none, &err), MITOGEN_ERR_SYSTEM);
	sys.fork = fork;
	assert_string_equal(err.text, "cannot set up the fork server: Resource temporarily "
				      "unavailable");
}

/* It stays until its last child has ended. */
static void its_children_may_end_first(void **state)
{
	int status;

	(void)state;
	start();
	ask(1);
	hear(FORK_STARTED, 1);
	fd_close(server.socket);
	assert_int_equal(waitpid(server.pid, &status, WNOHANG), 0);
	drop_child(); /* which ends the child, too */
	assert_int_equal(waitpid(server.pid, &status, 0), server.pid);
	assert_int_equal(status, 0);
}

/* Nobody is told of its end, nor waits for it. */
static void one_that_is_released(void **state)
{
	const struct fork_packet packet = {.kind = FORK_RELEASE, .number = 1};
	int status, released;
	char out[4] = "";

	(void)state;
	start();
	ask(1);
	hear(FORK_STARTED, 1);
	tell(&packet, NULL, 3);
	tell(&packet, NULL, 3); /* nobody any more */
	released = stream;
	fd_close(messages);
	assert_int_equal(WEXITSTATUS(status_of(2, "e5")), 5);
	fd_close(server.socket);
	assert_int_equal(waitpid(server.pid, &status, 0), server.pid);
	assert_int_equal(status, 0);
	assert_int_equal(write(released, "p", 1), 1);
	assert_int_equal(read(released, out, 3), 3);
	assert_string_equal(out, "out");
	fd_close(released);
}

/* Its zombie is nobody's either. */
static void one_that_is_released_and_ends(void **state)
{
	const struct fork_packet packet = {.kind = FORK_RELEASE, .number = 1};
	pid_t pid;

	(void)state;
	start();
	ask(1);
	pid = hear(FORK_STARTED, 1);
	tell(&packet, NULL, 3);
	drop_child();
	while (kill(pid, 0) == 0)
		usleep(1000);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(WEXITSTATUS(status_of(2, "e5")), 5);
	end();
}

/* Numbers that were made in advance are not those of two processes. */
static void copies_have_random_numbers_of_their_own(void **state)
{
	char first[16] = "", second[16] = "";
	char *numbers[] = {first, second};

	(void)state;
	random_u32();
	start();
	for (uint32_t i = 0; i < 2; i++) {
		ask(i);
		hear(FORK_STARTED, i);
		assert_int_equal(write(stream, "r", 1), 1);
		hear(FORK_ENDED, i);
		assert_true(read(stream, numbers[i], 15) > 0);
		drop_child();
	}
	assert_string_not_equal(first, second);
	end();
}

static void stops_without_children(void **state)
{
	(void)state;
	start();
	fork_server_stop(&server);
	assert_int_equal(waitpid(server.pid, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void *wait_for_byte(void *argument)
{
	char byte;

	return read(*(int *)argument, &byte, 1) == 0 ? argument : NULL;
}

static void not_beside_another_thread(void **state)
{
	struct fork_server none;
	pthread_t thread;
	mitogen_error err;
	int pipes[2];

	(void)state;
	assert_int_equal(fd_pipe(pipes), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_byte, pipes), 0);
	assert_int_equal(fork_server_start(obey_line, &none, &err), MITOGEN_ERR_USAGE);
	assert_non_null(strstr(err.text, "a process that has 2 threads"));
	fd_close(pipes[1]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	fd_close(pipes[0]);
	start();
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses_are_told),
		cmocka_unit_test(output_comes_through_its_descriptors),
		cmocka_unit_test(each_has_as_few_descriptors),
		cmocka_unit_test(requests_in_pieces),
		cmocka_unit_test(signals_are_passed_on),
		cmocka_unit_test(descriptors_that_did_not_arrive),
		cmocka_unit_test(a_fork_that_fails),
		cmocka_unit_test(a_server_that_cannot_be_made),
		cmocka_unit_test(its_children_may_end_first),
		cmocka_unit_test(one_that_is_released),
		cmocka_unit_test(one_that_is_released_and_ends),
		cmocka_unit_test(copies_have_random_numbers_of_their_own),
		cmocka_unit_test(stops_without_children),
		cmocka_unit_test(not_beside_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
