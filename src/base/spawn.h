/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting a program. vfork, so that the cost does not grow with our memory, and so that the reason
 * of a failed exec comes back through it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct spawn {
	const char *path; /* of the program; not searched for */
	char *const *argv;
	char *const *env;
	const char *cwd;                    /* NULL: ours */
	int stdin_fd, stdout_fd, stderr_fd; /* at least 3, close-on-exec; stay the caller's */
	bool session;                       /* a session of its own; otherwise a process group */
	int terminal_fd;   /* the session's controlling terminal, as stdin_fd; 0: it has none */
	bool dies_with_us; /* SIGKILL when the calling thread ends (Linux; elsewhere nothing) */
	bool alone; /* it needs no other descriptors: those above all three do not slow this down */
	bool scripts; /* what has no known format is given to /bin/sh, as shells do */
};

enum spawn_stage { /* what failed */
	SPAWN_FORK,
	SPAWN_CWD,
	SPAWN_EXEC,
};

/* Returns the PID, or -1 with errno and *ret_stage. The child has default signal handling and an
 * empty mask. The caller reaps it. */
pid_t spawn_start(const struct spawn *spawn, enum spawn_stage *ret_stage);

/* Finds name as execvp would: as it is, unchecked, if it has a slash, otherwise in the directories of
 * path (NULL: the system's default). 0 and *ret for sys.free, or -1 with errno: ENOENT, EACCES if all
 * that there is may not be executed, ENOMEM. */
int spawn_find(const char *name, const char *path, char **ret);
