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

struct process {
	struct broker *broker;
	struct source pidfd; /* .fd -1: none */
	struct timer look;
	int interval_ms;
	pid_t pid;       /* 0: has ended, or never was */
	bool kill_group; /* what is left of its group is killed when it ends */
	/* Broker thread, router lock held. status as of waitpid, -1: somebody else has reaped it (the
	 * host program ignores SIGCHLD). */
	void (*ended)(struct process *process, int status);
};

/* Broker thread. The memory is the caller's, until the closing phase after ended. */
void process_watch(struct process *process, struct broker *broker, pid_t pid,
		   void (*ended)(struct process *process, int status));
/* To the process, or to its group. Nothing if it has ended. */
void process_signal(const struct process *process, int signal, bool group);
/* "exited with status 3", "was killed by SIGSEGV". Returns out. */
const char *process_describe(int status, char *out, size_t size);
