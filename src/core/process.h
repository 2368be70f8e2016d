/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watching a child process of ours until it has ended, and reaping it: by pidfd, or by looking at
 * intervals where there is none. No SIGCHLD handler, and nobody else's child is reaped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/broker.h"

#define PROCESS_GIVEN_UP (-2) /* a status: whoever watched it is gone */

struct process;

/* Whoever watches and reaps a process that is no child of ours. */
struct process_keeper {
	void (*signal)(struct process *process, int signal, bool group); /* as process_signal */
	void (*release)(struct process *process);                        /* as process_release */
};

struct process {
	struct broker *broker;
	struct list link;    /* in broker->processes */
	struct source pidfd; /* .fd -1: none */
	struct timer look;
	int interval_ms;
	pid_t pid;       /* 0: has ended, or never was; a kept one's may not be known yet */
	bool kill_group; /* what is left of its group is killed when it ends */
	const struct process_keeper *keeper; /* NULL: it is our child, or has ended */
	void *kept;                          /* the keeper's own */
	/* Broker thread, router lock held. status as of waitpid, -1: somebody else has reaped it (the
	 * host program ignores SIGCHLD); PROCESS_GIVEN_UP; or what process_not_made gives. */
	void (*ended)(struct process *process, int status);
};

/* Broker thread. The memory is the caller's, until the closing phase after ended. */
void process_watch(struct process *process, struct broker *broker, pid_t pid,
		   void (*ended)(struct process *process, int status));
/* The same for a process that keeper watches, who calls process_end once, unless it is released. */
void process_entrust(struct process *process, const struct process_keeper *keeper, void *kept,
		     void (*ended)(struct process *process, int status));
void process_end(struct process *process, int status);
/* Watches it no more: ended is not called. Returns the PID if it is ours to be reaped, otherwise 0. */
pid_t process_release(struct process *process);
/* Is there one, as far as is known? */
bool process_is_alive(const struct process *process);
/* The status of a process that could not be made, as this errno tells. */
int process_not_made(int number);
/* To the process, or to its group. Nothing if it has ended. */
void process_signal(struct process *process, int signal, bool group);
/* The same for a child of the calling process, not reaped yet. */
void process_kill(pid_t pid, int signal, bool group);
/* Is it another account's, which takes no signals from us? */
bool process_is_foreign(const struct process *process);
/* In a forked copy of the process, whose children they are not: signals do not reach them any more, and
 * then all of the broker's count as ended. */
void process_disown_all(struct broker *broker);
void process_end_all(struct broker *broker);
/* "exited with status 3", "was killed by SIGSEGV". Returns out. */
const char *process_describe(int status, char *out, size_t size);
