/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Having joined a router by its unix socket: a process with a program of its own is a child of that one
 * for as long as both like. It runs nobody's functions, and its end is not the end of the process.
 */
#pragma once

#include <mitogen/types.h>

#include "child/config.h"

struct router;

struct join_answer {
	int fd; /* connected; -1: none */
	struct config config;
};

/* Joins the router that listens at path; name may be NULL. Waits. 0, or a code with err set. */
int join_ask(const char *path, const char *name, int timeout_ms, struct join_answer *ret,
	     mitogen_error *err);
void join_answer_clear(struct join_answer *answer); /* also a zeroed one whose fd is -1 */

/* Makes who has answered the parent of router, and takes the socket over. What the router has to send
 * gets leave_ms when it is closed. lose_above: nobody is above us any more. Router lock, before the
 * broker runs. 0, or MITOGEN_ERR_MEMORY; then join_close is still to be called. */
int join_open(struct router *router, struct join_answer *answer, int leave_ms,
	      void (*lose_above)(struct router *router, const mitogen_error *why));
/* When the broker has ended, or has never run. Takes one that has joined nobody. */
void join_close(struct router *router);
