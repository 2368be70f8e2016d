/* SPDX-License-Identifier: BSD-3-Clause */
/* Starts the hops of targets, no more of them at a time than is allowed: a host that is asked by hundreds
 * of ssh clients in the same moment turns some away. */
#pragma once

#include <mitogen/mitogen.h>

#include "cli/target.h"

struct connector {
	mitogen_router router;
	mitogen_receiver receiver; /* hops that are up, or have failed; {0}: nobody wants to know */
	int receiver_fd;           /* -1: none */
	struct hop *next;          /* not started yet */
	int limit, under_way;
	int timeout_ms;

	/* A hop, which is not one that failed at once, is being connected. May be NULL. */
	void (*started)(void *owner, struct hop *hop);
	/* A hop is connected: err is NULL; or why it is not. May be NULL. */
	void (*done)(void *owner, struct hop *hop, const mitogen_error *err);
	void *owner;
};

/* With limit, timeout_ms, and functions set. 0, or an exit status, having said why. */
int connector_open(struct connector *connector, mitogen_router router,
		   const struct targets *targets);
/* Starts what may be started. */
void connector_start(struct connector *connector);
/* When receiver_fd is readable: takes one that is done, and starts the next. */
void connector_step(struct connector *connector);
/* Starts no more. */
void connector_stop(struct connector *connector);
/* Waits until all are done. */
void connector_finish(struct connector *connector);
