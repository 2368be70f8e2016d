/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decides where a message goes: to a handle here, to a neighbour, or back as a dead reply. Holds the
 * tables of one process's part in the tree. All of it is under the router lock (broker.lock).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/map.h"
#include "core/broker.h"
#include "core/context.h"
#include "core/dumper.h"
#include "core/handles.h"
#include "core/inbox.h"
#include "core/message.h"
#include "core/neighbour.h"
#include "core/outbox.h"
#include "core/routes.h"
#include "core/stats.h"

struct forks;
struct images;
struct platforms;
struct join;
struct launcher;
struct forward_log;
struct latch;
struct log_port;

struct router {
	struct broker broker;
	uint32_t id;
	uint32_t *ancestors;      /* IDs: the parent, its parent, ... the master */
	size_t ancestor_count;    /* 0 in the master */
	char *path;               /* our own name as our parent has it; "" in the master */
	struct neighbour *parent; /* NULL in the master */
	int patience_ms;         /* that our parent has when it asks us to end; not in the master */
	struct list neighbours;  /* struct neighbour: those with open streams, the parent too */
	bool is_unidirectional;  /* children reach only what is above and below them */
	struct id_blocks supply; /* IDs to give away */
	struct list id_waiters;  /* parent/ids.h */
	struct map routes;       /* struct route, by context ID */
	struct map handles;      /* struct handle, by number */
	struct map contexts_by_id, contexts_by_ref;
	struct lost_contexts lost, lost_strangers;
	struct map call_chains;   /* of calls from here, by number */
	struct map chain_sources; /* of calls to here, by context ID: core/chains.h */
	uint32_t last_chain;
	uint32_t last_ref, children;
	struct latch *calls; /* for the main thread */
	const char *running; /* the function that it is in, or NULL; atomic */
	struct list local;   /* to ourselves, from another thread than the broker's */
	struct task deliver_local;
	char **environment; /* of the programs that we run; sys.free */
	size_t max_message;
	bool closing; /* refuses work */
	struct list residents;
	struct map outflows; /* core/flow.h */
	struct inboxes inboxes;
	struct outboxes outboxes;
	struct forward_log *log;               /* core/forward_log.h; NULL: not opened */
	struct log_port *log_port;             /* the master's, core/log_port.h */
	const struct builtin *const *builtins; /* tables, of which the last is NULL; may be NULL */
	const struct channel_ops *channels;    /* NULL: calls have none */
	/* It begins to close: who waits here for what may come is to be woken. Router lock held. May
	 * be NULL. */
	void (*on_closing)(struct router *router);
	/* No resident is left after router_close. Broker thread, lock held. */
	void (*on_closed)(struct router *router);
	struct stats_sums stats;
	struct diagnosis diagnosis;
	struct forks *forks;       /* the parent layer's, if there is a fork server */
	struct launcher *launcher; /* the parent layer's, if there ever was a child */
	struct images *images;     /* the module layer's */
	struct platforms
		*platforms;    /* the parent layer's, parent/platforms.h; NULL: none are known */
	struct list listeners; /* the parent layer's */
	struct join *join;     /* the child layer's, of a process that has joined another */
	uint32_t api_ref;      /* the number of its public handle */
};

/* The callee's end of a call's channel, made by who has receivers. Router lock held. */
struct channel_ops {
	/* When the call has come. 0, or a code with err. */
	int (*open)(struct router *router, struct mitogen_message *call, mitogen_error *err);
	/* When the call is over. */
	void (*close)(struct router *router, struct mitogen_message *call);
};

/* What must end before the router does: a child, a program that runs. Sits in its owner. */
struct resident {
	struct list link;
	/* Begins to end it. Broker thread, lock held. urgent: our parent is gone, nobody waits. */
	void (*close)(struct resident *resident, bool urgent);
	/* Prints a line or two about it. May be NULL. Any thread, lock held. */
	void (*dump)(struct resident *resident, FILE *out);
};

/* The name of a function that runs on the broker thread, without a thread of its own. It answers m,
 * now or later, by dispatch_answer or _answer_error, and drops its reference. args is the argument list,
 * checked to be CBOR. Router lock held. A table ends with a NULL name. */
struct builtin {
	const char *name;
	void (*start)(struct router *router, struct mitogen_message *m);
};

/* 0, or -1 with errno; then nothing is left. ancestors is copied. The thread is started by
 * broker_start. */
int router_init(struct router *router, uint32_t id, const uint32_t *ancestors,
		size_t ancestor_count, const char *path);
bool router_is_ancestor(const struct router *router, uint32_t id);
/* Refuses new work, fails what waits, closes the residents; on_closed comes when none is left.
 * Broker thread, lock held. */
void router_close(struct router *router, bool urgent);
void router_add_resident(struct router *router, struct resident *resident);
void router_remove_resident(struct router *router, struct resident *resident);
/* After the broker's thread has ended. */
void router_clear(struct router *router);

/* Any thread, router lock held. Sends m, whose header is filled in up to the handle, from us and on
 * our own authority; takes it over. Splits it into frames. now: see stream_send. */
void router_send(struct router *router, struct mitogen_message *m, bool now);
/* Sends m, of one frame with handle and kind filled in, to the neighbour itself, behind everything that
 * waits there now from these sources; NULL: from all. Takes it over. */
void router_send_behind(struct router *router, struct neighbour *to, struct mitogen_message *m,
			const struct id_blocks *sources);
/* Asks a context to end, behind everything that is queued for it on the way. 0, or MITOGEN_ERR_MEMORY. */
int router_send_shutdown(struct router *router, uint32_t id);
/* Sends a frame on that came in over `from` and is checked. */
void router_route(struct router *router, struct mitogen_message *m, struct neighbour *from);
/* Answers request, if it wants an answer, with m's value, a CallError or a failure of the router.
 * The first takes m over. */
void router_reply(struct router *router, const struct mitogen_message *request,
		  struct mitogen_message *m, bool now);
void router_reply_error(struct router *router, const struct mitogen_message *request,
			const mitogen_error *error, bool now);
void router_reply_dead(struct router *router, const struct mitogen_message *request, int code,
		       const char *text);

/* Somebody there waits for a message for which there is no memory: the end of the stream tells it. */
void router_abandon(struct router *router, uint32_t id);
