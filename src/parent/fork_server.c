/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/fork_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/map.h"
#include "base/random.h"
#include "base/sys.h"
#include "core/process.h"
#include "parent/launch.h"

#define OWNER_ENDED SIGHUP /* what the kernel sends us then; nobody else has a reason to */
#ifdef __SANITIZE_THREAD__
#define FIRST_THREADS 2 /* ThreadSanitizer has one of its own */
#else
#define FIRST_THREADS 1
#endif
#define THREADS_GONE_MS 100 /* until threads that have ended are listed no more */

struct child {
	struct map_node by_number, by_pid;
	pid_t pid;
	bool is_released;
};

struct server {
	int socket; /* -1: whoever asked is gone */
	pid_t owner;
	void (*run_child)(void);
	struct map by_number;      /* those that are waited for */
	struct map by_pid;         /* all */
	struct fork_packet packet; /* the next one, of which so much is here */
	size_t received;
	int fds[LAUNCH_PIPES]; /* that came with it; -1: none */
};

/* ---- Packets ---- */

static void drop_owner(struct server *server)
{
	fd_close(server->socket);
	server->socket = -1;
}

static void report(struct server *server, enum fork_packet_kind kind, uint32_t number, int value)
{
	const struct fork_packet packet = {.kind = kind, .number = number, .value = value};
	size_t sent = 0;

	while (server->socket >= 0 && sent < sizeof(packet)) {
		ssize_t n = send(server->socket, (const char *)&packet + sent,
				 sizeof(packet) - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			drop_owner(server);
		sent += n > 0 ? (size_t)n : 0;
	}
}

static void take_descriptors(struct server *server, struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	size_t count;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return;
	count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(server->fds, CMSG_DATA(header),
	       (count < LAUNCH_PIPES ? count : LAUNCH_PIPES) * sizeof(int));
	for (int i = 0; i < LAUNCH_PIPES; i++)
		server->fds[i] = fd_move_high(server->fds[i]);
}

/* False: there is no whole packet now. */
static bool receive(struct server *server)
{
	union {
		char bytes[CMSG_SPACE(LAUNCH_PIPES * sizeof(int))];
		struct cmsghdr alignment;
	} control;
	struct iovec piece = {(char *)&server->packet + server->received,
			      sizeof(server->packet) - server->received};
	struct msghdr message = {.msg_iov = &piece,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(server->socket, &message, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop_owner(server);
	if (n <= 0)
		return false;
	take_descriptors(server, &message);
	server->received += (size_t)n;
	return server->received == sizeof(server->packet);
}

/* ---- Children ---- */

static void set_signals(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	/* those that the C library keeps for itself cannot be set, and must stay as they are */
	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	action.sa_handler = handler;
	sigaction(SIGCHLD, &action, NULL);
	sigaction(OWNER_ENDED, &action, NULL);
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void become_child(struct server *server)
{
	for (int i = 0; i < LAUNCH_PIPES; i++)
		if (dup2(server->fds[i], i) < 0)
			_exit(127);
	launch_close(server->fds);
	fd_close(server->socket);
	setsid();
	set_signals(SIG_DFL);
	random_forget();
	server->run_child();
	_exit(127);
}

/* 0, or an errno. */
static int make_child(struct server *server, uint32_t number)
{
	struct child *child = sys.calloc(1, sizeof(*child));
	int error;

	if (server->fds[LAUNCH_PIPES - 1] < 0) {
		sys.free(child);
		return EMFILE; /* they did not fit in here */
	}
	if (!child || map_add(&server->by_number, &child->by_number, number) < 0) {
		sys.free(child);
		return ENOMEM;
	}
	child->pid = sys.fork();
	if (child->pid == 0)
		become_child(server);
	error = errno;
	if (child->pid > 0 && map_add(&server->by_pid, &child->by_pid, (uint32_t)child->pid) == 0) {
		report(server, FORK_STARTED, number, child->pid);
		return 0;
	}
	if (child->pid > 0) {
		process_kill(child->pid, SIGKILL, true);
		error = ENOMEM;
	}
	map_remove(&server->by_number, &child->by_number);
	sys.free(child);
	return error;
}

static void start(struct server *server, uint32_t number)
{
	int error = make_child(server, number);

	for (int i = 0; i < LAUNCH_PIPES; i++)
		fd_close(TAKE_FD(server->fds[i]));
	if (error)
		report(server, FORK_ENDED, number, process_not_made(error));
}

/* Nobody else has children in this process. */
static void reap(struct server *server)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct map_node *node = map_get(&server->by_pid, (uint32_t)pid);
		struct child *child;

		if (!node)
			continue;
		child = MAP_OWNER(node, struct child, by_pid);
		map_remove(&server->by_pid, &child->by_pid);
		if (!child->is_released) {
			report(server, FORK_ENDED, child->by_number.key, status);
			map_remove(&server->by_number, &child->by_number);
		}
		sys.free(child);
	}
}

static void obey(struct server *server)
{
	const struct fork_packet *packet = &server->packet;
	struct map_node *node;
	struct child *child;

	server->received = 0;
	if (packet->kind == FORK_START) {
		start(server, packet->number);
		return;
	}
	node = map_get(&server->by_number, packet->number);
	if (!node)
		return;
	child = MAP_OWNER(node, struct child, by_number);
	if (packet->kind == FORK_RELEASE) {
		child->is_released = true;
		map_remove(&server->by_number, &child->by_number);
		return;
	}
	/* not reaped, so the PID is still its own */
	process_kill(child->pid, packet->value < 0 ? -packet->value : packet->value,
		     packet->value < 0);
}

/* ---- The server ---- */

static void wake_up(int signal)
{
	(void)signal;
}

__attribute__((noreturn)) static void serve(struct server *server)
{
	sigset_t all, none;

	sigemptyset(&none);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL); /* they come while we wait, not between */
	while (server->socket >= 0 || server->by_number.count > 0) {
		struct pollfd socket = {.fd = server->socket, .events = POLLIN};

		if (ppoll(&socket, 1, NULL, &none) > 0 && receive(server))
			obey(server);
		reap(server);
		/* a copy of the owner may hold its end of the socket open */
		if (getppid() != server->owner)
			drop_owner(server);
	}
	_exit(0);
}

__attribute__((noreturn)) static void run(int socket, void (*run_child)(void))
{
	struct server server = {.socket = socket, .run_child = run_child, .fds = {-1, -1, -1}};

	fd_blank_all(socket);
	fflush(NULL);  /* what the program has in its buffers is written by itself alone */
	fflush(stdin); /* and what it has read is for itself alone */
	setsid();
	set_signals(wake_up);
	server.owner = getppid();
	prctl(PR_SET_PDEATHSIG, OWNER_ENDED);
	prctl(PR_SET_NAME, "mitogen:fork");
	serve(&server);
}

/* 1 where that is not to be seen. */
static unsigned long count_threads(void)
{
	struct stat tasks;

	return stat("/proc/self/task", &tasks) == 0 ? (unsigned long)tasks.st_nlink - 2 : 1;
}

static int check_threads(mitogen_error *err)
{
	int64_t deadline = clock_deadline(THREADS_GONE_MS);
	unsigned long count;

	while ((count = count_threads()) > FIRST_THREADS) {
		if (clock_ms() >= deadline)
			return error_set(
				err, MITOGEN_ERR_USAGE,
				"the fork server cannot be set up in a process that has %lu "
				"threads; do it before any other thread is started, also by "
				"another router",
				count);
		sched_yield();
	}
	return 0;
}

int fork_server_start(void (*run_child)(void), struct fork_server *ret, mitogen_error *err)
{
	sigset_t all, before;
	int sockets[2];
	pid_t pid;

	if (check_threads(err) < 0)
		return MITOGEN_ERR_USAGE;
	if (fd_socketpair(sockets) < 0)
		return error_set_errno(err, "cannot set up the fork server");
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of the program runs in it */
	pid = sys.fork();
	if (pid == 0)
		run(sockets[1], run_child);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	fd_close(sockets[1]);
	if (pid < 0) {
		error_set_errno(err, "cannot set up the fork server");
		fd_close(sockets[0]);
		return MITOGEN_ERR_SYSTEM;
	}
	*ret = (struct fork_server){pid, sockets[0]};
	return 0;
}

void fork_server_stop(struct fork_server *server)
{
	fd_close(server->socket);
	while (sys.waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
