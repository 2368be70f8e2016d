/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/spawn.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "base/cleanup.h"
#include "base/sys.h"

/* The sanitizers know vfork and nothing like it. */
#if defined(__linux__) && defined(SYS_close_range) && !defined(__SANITIZE_ADDRESS__) &&            \
	!defined(__SANITIZE_THREAD__)
#define SHARES_DESCRIPTORS
#define UNSHARE    2 /* CLOSE_RANGE_UNSHARE, which old headers do not have */
#define STACK_SIZE (32u * 1024)
#endif

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

struct attempt { /* shared with the child until it execs */
	const struct spawn *spawn;
	char **script_argv;
	volatile int error;
	volatile enum spawn_stage stage;
	bool shares; /* the table of descriptors */
};

/* Also those that the C library keeps for itself and would refuse: glibc's posix_spawn leaves two of
 * them ignored in what it starts, us included. */
static void default_signal(int signal)
{
#ifdef __linux__
	static const long action[8]; /* the kernel's structure, all zero: the default */

	syscall(SYS_rt_sigaction, signal, action, NULL, _NSIG / 8);
#else
	sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
#endif
}

static void default_signals(void)
{
	sigset_t none;

	for (int signal = 1; signal < _NSIG; signal++)
		default_signal(signal); /* fails for KILL and STOP, which need none */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

#ifdef SHARES_DESCRIPTORS
static int higher(int a, int b)
{
	return a > b ? a : b;
}

/* From here on it has a table of its own, of what was opened before the ones that it needs: the rest is
 * neither copied nor, at exec, closed one by one. */
static int leave_descriptors(const struct spawn *spawn)
{
	int last = higher(higher(spawn->stdin_fd, spawn->stdout_fd), spawn->stderr_fd);

	if (syscall(SYS_close_range, (unsigned)last + 1, ~0u, UNSHARE) == 0)
		return 0;
	return unshare(CLONE_FILES); /* an old kernel */
}
#endif

/* In the child of a vfork, or of what is like it: our memory, so nothing but system calls. */
static int child(void *argument)
{
	struct attempt *attempt = argument;
	const struct spawn *spawn = attempt->spawn;

	if (spawn->session)
		setsid();
	else
		setpgid(0, 0);
#ifdef __linux__
	if (spawn->dies_with_us)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	attempt->stage = SPAWN_FORK;
	if (spawn->terminal_fd > 0 && ioctl(spawn->terminal_fd, TIOCSCTTY, 0) < 0)
		goto failed;
#ifdef SHARES_DESCRIPTORS
	if (attempt->shares && leave_descriptors(spawn) < 0)
		goto failed;
#endif
	if (dup2(spawn->stdin_fd, 0) < 0 || dup2(spawn->stdout_fd, 1) < 0 ||
	    dup2(spawn->stderr_fd, 2) < 0)
		goto failed;
	attempt->stage = SPAWN_CWD;
	if (spawn->cwd && chdir(spawn->cwd) < 0)
		goto failed;
	attempt->stage = SPAWN_EXEC;
	default_signals();
	execve(spawn->path, spawn->argv, spawn->env);
	if (errno == ENOEXEC && attempt->script_argv)
		execve("/bin/sh", attempt->script_argv, spawn->env);
failed:
	attempt->error = errno;
	_exit(127);
}

#ifdef SHARES_DESCRIPTORS
/* valgrind would give up; its tools come as such libraries. Our own environment may be changed by
 * another thread at this moment, the program's is a copy. */
static bool is_under_valgrind(const struct spawn *spawn)
{
	for (char *const *variable = spawn->env; variable && *variable; variable++)
		if (strncmp(*variable, "LD_PRELOAD=", strlen("LD_PRELOAD=")) == 0)
			return strstr(*variable, "/vgpreload_") != NULL;
	return false;
}

static pid_t start_sharing(struct attempt *attempt)
{
	_Alignas(16) char stack[STACK_SIZE];

	attempt->shares = true;
	return clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD,
		     attempt);
}
#endif

static pid_t start(struct attempt *attempt)
{
	pid_t pid = -1;

#ifdef SHARES_DESCRIPTORS
	if (attempt->spawn->alone && !is_under_valgrind(attempt->spawn))
		pid = start_sharing(attempt);
	if (pid >= 0)
		return pid;
	attempt->shares = false; /* emulators know vfork alone */
#endif
	pid = vfork();
	if (pid == 0)
		_exit(child(attempt));
	return pid;
}

static char **make_script_argv(const struct spawn *spawn)
{
	size_t count = 0;
	char **argv;

	while (spawn->argv[count])
		count++;
	argv = sys.calloc(count + 3, sizeof(*argv));
	if (!argv)
		return NULL;
	argv[0] = (char *)(uintptr_t) "sh";
	argv[1] = (char *)(uintptr_t)spawn->path;
	for (size_t i = 1; i < count; i++)
		argv[i + 1] = spawn->argv[i];
	return argv;
}

pid_t spawn_start(const struct spawn *spawn, enum spawn_stage *ret_stage)
{
	struct attempt attempt = {.spawn = spawn};
	sigset_t all, before;
	pid_t pid;

	if (spawn->scripts) {
		attempt.script_argv = make_script_argv(spawn);
		if (!attempt.script_argv) {
			*ret_stage = SPAWN_FORK;
			errno = ENOMEM;
			return -1;
		}
	}
	/* no handler of the host program may run in the child, on our stack */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = start(&attempt);
	if (pid < 0)
		attempt.error = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	sys.free(attempt.script_argv);
	if (attempt.error == 0)
		return pid;
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	*ret_stage = attempt.stage;
	errno = attempt.error;
	return -1;
}

/* 0, or an errno: EACCES for what is there and may not be executed. */
static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	return S_ISDIR(st.st_mode) || access(path, X_OK) < 0 ? EACCES : 0;
}

static int find_in_path(const char *name, const char *path, char *candidate, size_t room)
{
	int error = ENOENT;

	for (;; path++) {
		size_t length = strcspn(path, ":");
		struct stat st;

		/* an empty part is the current directory */
		snprintf(candidate, room, "%.*s/%s", length ? (int)length : 1, length ? path : ".",
			 name);
		if (check_program(candidate) == 0)
			return 0;
		if (stat(candidate, &st) == 0 && !S_ISDIR(st.st_mode))
			error = EACCES; /* a directory that we may not search has no program for us */
		path += length;
		if (!*path)
			return error;
	}
}

int spawn_find(const char *name, const char *path, char **ret)
{
	bool is_path = strchr(name, '/') || !*name;
	CLEANUP_FREE char *candidate = NULL;
	size_t room;
	int error;

	if (!path)
		path = DEFAULT_PATH;
	room = strlen(name) + strlen(path) + 3;
	candidate = sys.malloc(room);
	if (!candidate)
		return -1;
	if (is_path) { /* it may be meant from another directory; exec tells */
		snprintf(candidate, room, "%s", name);
		error = *name ? 0 : ENOENT;
	} else {
		error = find_in_path(name, path, candidate, room);
	}
	if (error) {
		errno = error;
		return -1;
	}
	*ret = TAKE_PTR(candidate);
	return 0;
}
