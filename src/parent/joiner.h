/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process that joins a router, from its connection until it has gone: first one message of it, then it
 * is as a child of ours, but that nobody has started it, and that it acts on our authority. Broker
 * thread, router lock.
 */
#pragma once

#include <stddef.h>

struct router;

/* All of one listener; sits in that. */
struct joiners {
	struct router *router;
	size_t joined_max;
	int timeout_ms;  /* that each has to say who it is */
	int shutdown_ms; /* that each has to take what is sent to it, when the router is closed */
	size_t arriving; /* how many have not said who they are yet, */
	size_t joined;   /* are contexts now, */
	size_t objects;  /* or keep memory */
	/* One of these numbers has changed; in the closing phase if it is objects. */
	void (*changed)(struct joiners *joiners);
};

/* Takes over fd, a socket that was just accepted. Of a process of another user it is closed at once. */
void joiner_start(struct joiners *joiners, int fd);
