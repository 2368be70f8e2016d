/* SPDX-License-Identifier: BSD-3-Clause */
/* A router's fork server, as router->forks: children are asked for, watched and signalled through it. */
#pragma once

#include <mitogen/types.h>

#include "parent/fork_server.h"

struct launched;
struct process;
struct router;

/* Takes the server over; it ends with the router, which waits for it. shutdown_ms: what children get
 * to end. Any thread, router lock held. 0, or MITOGEN_ERR_MEMORY; then the server has ended. */
int forks_open(struct router *router, struct fork_server *server, int shutdown_ms);
/* Asks for a child. process is its own from then on: ended tells when it has ended, or could not be
 * made; ret->pid is 0, as it is not known yet. Broker thread. 0, or a negative code with err set. */
int forks_start(struct router *router, struct process *process,
		void (*ended)(struct process *process, int status), struct launched *ret,
		mitogen_error *err);
