/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static int pipe_fds[2] = {-1, -1};

static void caught(int number)
{
	int saved = errno;
	unsigned char byte = (unsigned char)number;

	/* a full pipe has more of them than anybody waits for */
	(void)!write(pipe_fds[1], &byte, 1);
	errno = saved;
}

int signals_catch(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = caught}, before;

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	/* without SA_RESTART: a write that blocks ends */
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaction(numbers[i], NULL, &before);
		if (before.sa_handler != SIG_IGN) /* nohup(1), or in the background of a script */
			sigaction(numbers[i], &action, NULL);
	}
	return pipe_fds[0];
}

int signals_next(void)
{
	unsigned char byte;

	return read(pipe_fds[0], &byte, 1) == 1 ? byte : 0;
}
