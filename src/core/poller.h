/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for descriptors: one ops table for each mechanism of the kernel. Level-triggered. Only the
 * broker thread calls these.
 */
#pragma once

#include <stddef.h>

#include "base/list.h"

struct poller;
struct source;

enum poller_event {
	POLLER_READ = 1 << 0, /* readable, at its end, or broken: a read tells which */
	POLLER_WRITE = 1 << 1,
};

/* A descriptor that the broker watches; sits in its owner, which stays until the closing phase. */
struct source {
	int fd;          /* not owned */
	unsigned wanted; /* events; changed by broker_want alone */
	/* On the broker thread, router lock held. May unwatch any source. NULL: not watched. */
	void (*ready)(struct source *source, unsigned events);
	struct list link; /* the poller's */
};

struct poller_ready {
	struct source *source;
	unsigned events;
};

struct poller_ops {
	const char *name; /* as $MITOGEN_POLLER has it */
	/* NULL, errno: not to be had. */
	struct poller *(*create)(void);
	void (*destroy)(struct poller *poller);
	/* Makes what is watched agree with source->wanted, which was `before` so far; 0 is "not at
	 * all". 0, or -1 with errno. Taking away never fails, even if fd is closed already. */
	int (*update)(struct poller *poller, struct source *source, unsigned before);
	/* Waits up to timeout_ms (-1: for ever) and fills at most max entries. Returns how many; 0
	 * after a signal too. Called without the router lock. */
	int (*wait)(struct poller *poller, struct poller_ready *ready, int max, int timeout_ms);
};

extern const struct poller_ops poller_poll;
#ifdef __linux__
extern const struct poller_ops poller_epoll;
#endif
/* The one that $MITOGEN_POLLER names, or the best that this system has. */
const struct poller_ops *poller_choose(void);
/* Logs a warning if it names none. */
void poller_check_choice(void);
