/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection from within: connection.c begins it, connection_end.c ends it. Router lock, and the broker
 * thread. */
#pragma once

#include "core/process.h"
#include "core/router.h"
#include "parent/connection.h"
#include "parent/detach.h"
#include "parent/keepalive.h"
#include "parent/login.h"
#include "parent/output.h"

enum connection_state {
	STARTING,   /* the broker will spawn it */
	LOGGING_IN, /* until the first stage answers, if there is one */
	BOOTING,    /* until the image prints BOOTSTRAP_READY */
	UP,
	LOSING, /* the stream has ended, the reason is not known yet */
	ENDING, /* the context is lost; the process remains to be reaped */
	ENDED,
};

struct connection {
	enum connection_state state;
	struct resident resident;
	struct router *router;
	struct context *context;
	const struct connect_method *method;
	struct connect_options options; /* its strings are ours */
	struct id_block ids;

	struct task start, shutdown;
	struct neighbour neighbour;
	struct process process;
	struct output output; /* what it prints */
	struct login *login;  /* NULL: the image is run at once */
	struct timer timer;   /* of the state */
	struct keepalive keepalive;
	struct closing closing;
	struct mitogen_message *connect_call; /* answered when it is up, or NULL */
	struct list shutdown_calls;           /* messages, answered at the end */
	struct detach detach;

	char stream_end[128]; /* why the stream ended; "" for a plain end of file */
	int status;           /* when the process has ended */
	bool has_status, is_asked_to_end;
	bool hung_up; /* on a process that we cannot kill */
};

void connection_set_state(struct connection *connection, enum connection_state state);
/* Of the state, instead of what was set before. */
void connection_set_timer(struct connection *connection, int timeout_ms);

/* Its tool has ended: runs it once more, on a terminal. */
void connection_start_on_terminal(struct connection *connection);
/* Of a zeroed one: what is done at its end. */
void connection_init_end(struct connection *connection);
/* Before anything else knows it; takes NULL. */
void connection_free(struct connection *connection);
/* It does not come up, for the reason that error holds: says so, with what was printed. */
void connection_fail_start(struct connection *connection, const mitogen_error *error);
/* The context can be reached no more, because of error. Once; later ones are ignored. */
void connection_lose(struct connection *connection, const mitogen_error *error);
/* Of the target, as it has said; NULL: nobody has asked it. */
const char *connection_platform(const struct connection *connection);
/* Who waits until it is up hears that it is, failure being NULL, or why not. */
void connection_answer_call(struct connection *connection, const mitogen_error *failure);
void connection_stream_ended(struct neighbour *neighbour, const char *why);
void connection_process_ended(struct process *process, int status);
