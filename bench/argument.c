/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls with 16 MiB of bytes as the argument, against as many bytes through a socket pair to a
 * process that reads them and answers with one: the least that two processes can do.
 */
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sampler.h"

#define SIZE  (16u << 20)
#define TURNS 20

static int take(mitogen_message *m, mitogen_error *error) /* runs in the child */
{
	mitogen_bytes data;

	return mitogen_read(m, error, &data);
}
MITOGEN_EXPORT(take, MITOGEN_BYTES);

static double rate(double start)
{
	return SIZE / (sampler_now_us() - start) * 1e6 / (1 << 20);
}

static void sink(int fd)
{
	char *data = malloc(SIZE);
	size_t have = 0;
	ssize_t n;

	while (data && (n = read(fd, data + have, SIZE - have)) > 0) {
		have += (size_t)n;
		if (have == SIZE) {
			have = 0;
			if (write(fd, "", 1) != 1)
				break;
		}
	}
	_exit(0);
}

static int start_sink(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		err(1, "socketpair");
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		sink(fds[1]);
	}
	close(fds[1]);
	return fds[0];
}

static double through_socket(int fd, const char *data)
{
	double start = sampler_now_us();
	char answer;

	for (size_t sent = 0; sent < SIZE;) {
		ssize_t n = write(fd, data + sent, SIZE - sent);

		if (n < 0)
			err(1, "the socket");
		sent += (size_t)n;
	}
	if (read(fd, &answer, 1) != 1)
		err(1, "the socket");
	return rate(start);
}

static double through_call(mitogen_context child, const char *data, mitogen_error *error)
{
	double start = sampler_now_us();

	sampler_check(mitogen_call(child, take, NULL, error, mitogen_bytes_of(data, SIZE)), error);
	return rate(start);
}

int main(int argc, char **argv)
{
	struct series socket = {.name = "argument.socket"}, calls = {.name = "argument.ours"};
	mitogen_error error = {0};
	mitogen_router router = mitogen_start(argc, argv, &error);
	mitogen_context child = mitogen_local(router, &error);
	char *data = malloc(SIZE);
	int fd = start_sink();

	if (!data)
		err(1, "data");
	memset(data, 'x', SIZE);
	through_call(child, data, &error); /* the first ones bring memory in */
	through_socket(fd, data);
	for (int turn = 0; turn < TURNS; turn++) {
		sampler_add(&socket, through_socket(fd, data));
		sampler_add(&calls, through_call(child, data, &error));
	}
	sampler_print(&socket);
	sampler_print(&calls);
	free(data);
	return mitogen_finish(router, &error);
}
