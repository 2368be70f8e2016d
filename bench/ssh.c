/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ssh CONFIG AGENT: children on the Host "bench" of that configuration of OpenSSH's client. How long until
 * one is connected, against `ssh bench true`; a call to one, against one byte through `ssh bench cat` and
 * back; and a hundred at the same time, until all are connected, against as many `ssh bench true`.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pipes.h"
#include "sampler.h"

#define TURNS 10
#define CALLS 500
#define MANY  100

static const char *config;

static mitogen_context connect_one(mitogen_router router, mitogen_error *error)
{
	const char *const arguments[] = {"-F", config, NULL};

	return mitogen_ssh(router, error, .hostname = "bench", .ssh_args = arguments);
}

/* Its standard input and output are from and to, unless they are negative. */
static pid_t start_ssh(const char *command, int from, int to)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (from >= 0 && (dup2(from, STDIN_FILENO) < 0 || dup2(to, STDOUT_FILENO) < 0))
		err(1, "dup2");
	execlp("ssh", "ssh", "-F", config, "-o", "BatchMode=yes", "bench", command, NULL);
	err(1, "ssh");
}

static void reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "ssh: ended with wait status %d", status);
}

static void sample_ready(mitogen_router router, mitogen_error *error)
{
	struct series true_ = {.name = "ssh-ready.true"}, ours = {.name = "ssh-ready.ours"};

	for (int turn = 0; turn < TURNS; turn++) {
		double start = sampler_now_us();
		mitogen_context child;

		reap(start_ssh("true", -1, -1));
		sampler_add(&true_, (sampler_now_us() - start) / 1e3);
		start = sampler_now_us();
		child = connect_one(router, error);
		sampler_check(mitogen_context_wait(child, error), error);
		sampler_add(&ours, (sampler_now_us() - start) / 1e3);
		sampler_check(mitogen_context_shutdown(child, error), error);
	}
	sampler_print(&true_);
	sampler_print(&ours);
}

static void sample_calls(mitogen_router router, mitogen_error *error)
{
	struct series cat = {.name = "ssh-call.cat"}, ours = {.name = "ssh-call.ours"};
	struct pipes pipes = {.size = 1, .answer = 1};
	mitogen_context child = connect_one(router, error);
	int down[2], up[2];
	pid_t pid;

	if (pipe2(down, O_CLOEXEC) < 0 || pipe2(up, O_CLOEXEC) < 0)
		err(1, "pipe");
	pid = start_ssh("cat", down[0], up[1]);
	close(down[0]);
	close(up[1]);
	pipes.to = down[1];
	pipes.from = up[0];
	pipes_pass(&pipes, "");
	sampler_check(mitogen_call(child, "mitogen.ping", NULL, error), error);
	for (int i = 0; i < CALLS; i++) {
		double start = sampler_now_us();

		pipes_pass(&pipes, "");
		sampler_add(&cat, sampler_now_us() - start);
		start = sampler_now_us();
		sampler_check(mitogen_call(child, "mitogen.ping", NULL, error), error);
		sampler_add(&ours, sampler_now_us() - start);
	}
	close(pipes.to);
	close(pipes.from);
	reap(pid);
	sampler_check(mitogen_context_shutdown(child, error), error);
	sampler_print(&cat);
	sampler_print(&ours);
}

static void sample_many(mitogen_router router, mitogen_error *error)
{
	struct series true_ = {.name = "ssh-many.true"}, ours = {.name = "ssh-many.ours"};
	mitogen_context children[MANY];
	double start = sampler_now_us();
	pid_t pids[MANY];

	for (int i = 0; i < MANY; i++)
		pids[i] = start_ssh("true", -1, -1);
	for (int i = 0; i < MANY; i++)
		reap(pids[i]);
	sampler_add(&true_, (sampler_now_us() - start) / 1e3);
	start = sampler_now_us();
	for (int i = 0; i < MANY; i++)
		children[i] = connect_one(router, error);
	for (int i = 0; i < MANY; i++)
		sampler_check(mitogen_context_wait(children[i], error), error);
	sampler_add(&ours, (sampler_now_us() - start) / 1e3);
	for (int i = 0; i < MANY; i++)
		sampler_check(mitogen_context_shutdown(children[i], error), error);
	sampler_print(&true_);
	sampler_print(&ours);
}

int main(int argc, char **argv)
{
	mitogen_error error = {0};
	mitogen_router router = mitogen_start(argc, argv, &error, .image = argv[2]);

	if (argc != 3)
		errx(1, "usage: ssh CONFIG AGENT");
	config = argv[1];
	sample_ready(router, &error);
	sample_calls(router, &error);
	sample_many(router, &error);
	return mitogen_finish(router, &error);
}
