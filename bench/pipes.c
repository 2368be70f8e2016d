/* SPDX-License-Identifier: BSD-3-Clause */
#include "pipes.h"

#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sampler.h"

#define PIECE (64u * 1024) /* what a pipe holds */

static bool write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

/* Reads size bytes, writes them to `to` as they come unless that is negative. */
static bool pass_on(int from, int to, size_t size)
{
	static char piece[PIECE];

	while (size > 0) {
		ssize_t n = read(from, piece, size < sizeof(piece) ? size : sizeof(piece));

		if (n <= 0 || (to >= 0 && !write_all(to, piece, (size_t)n)))
			return false;
		size -= (size_t)n;
	}
	return true;
}

/* Passes on between who started us, by from and to, and the rest of the chain. */
__attribute__((noreturn)) static void serve(int from, int to, size_t length, const int *cpus,
					    size_t size, size_t answer)
{
	static char zeros[PIECE];
	struct pipes rest = {.to = -1, .from = -1};

	if (length > 1)
		rest = pipes_start(length - 1, cpus ? cpus + 1 : NULL, size, answer);
	while (pass_on(from, rest.to, size))
		if (length > 1 ? !pass_on(rest.from, to, answer) : !write_all(to, zeros, answer))
			break;
	_exit(0);
}

struct pipes pipes_start(size_t length, const int *cpus, size_t size, size_t answer)
{
	int down[2], up[2];
	pid_t pid;

	if (answer > PIECE || pipe(down) < 0 || pipe(up) < 0 || (pid = fork()) < 0)
		err(1, "pipes");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(down[1]);
		close(up[0]);
		if (cpus)
			sampler_pin(cpus[0]);
		serve(down[0], up[1], length, cpus, size, answer);
	}
	close(down[0]);
	close(up[1]);
	return (struct pipes){down[1], up[0], size, answer};
}

void pipes_pass(const struct pipes *pipes, const char *data)
{
	if (!write_all(pipes->to, data, pipes->size) || !pass_on(pipes->from, -1, pipes->answer))
		errx(1, "the pipes are broken");
}
