/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream of a router, with what the router knows of who is at its other end. */
#pragma once

#include <stdbool.h>

#include "base/map.h"
#include "base/quota.h"
#include "core/relay.h"
#include "core/stream.h"
#include "core/verify.h"

struct router;
struct neighbour;

struct neighbour_events { /* broker thread, router lock held */
	/* See struct stream_events. */
	ptrdiff_t (*greeting)(struct neighbour *neighbour, const uint8_t *data, size_t size);
	void (*ended)(struct neighbour *neighbour, const char *why);
	void (*drained)(struct neighbour *neighbour); /* may be NULL */
};

struct neighbour {
	struct list link; /* in router->neighbours */
	struct stream stream;
	struct router *router;
	const struct neighbour_events *events;
	const char *name;        /* that we gave it, for the log; lent by its owner */
	uint32_t id;             /* its own */
	bool is_parent;          /* trusted: may claim any source */
	bool has_joined;         /* a process like us: it acts on our authority */
	struct id_blocks blocks; /* that it may claim as sources; empty for the parent */
	struct list routes;      /* struct route: what it leads to */
	size_t route_bytes;
	struct map talks; /* IDs that who is beyond it has talked to, core/routes.h */
	uint32_t last_talk, talks_begun;
	uint32_t ids_given; /* on demand; UINT32_MAX: it gets no more */
	struct task failure;
	const char *failed;      /* why */
	unsigned unread_answers; /* since all that we had for it was written */
	struct relay relay;      /* what waits for it that came from others */
	size_t partial_bytes;    /* of the messages over it of which more is to come */
	unsigned partial_count;
	size_t log_bytes;       /* of log records from behind it that are not handed over */
	struct quota log_quota; /* of what contexts behind it log */
	bool log_is_dropped;
	struct quota module_quota; /* of what it asks for by GET_MODULE */
};

void neighbour_init(struct neighbour *neighbour, struct router *router, uint32_t id,
		    const struct neighbour_events *events, const char *name);
/* Ends the stream soon, as if it were broken, so that all who wait beyond it are told. Any thread,
 * router lock held; why lives for ever. */
void neighbour_fail(struct neighbour *neighbour, const char *why);
/* One more answer to what somebody beyond it has asked. True, or the child is being failed, as it asks
 * and does not read. */
bool neighbour_may_answer(struct neighbour *neighbour);
/* Closes the stream, which held its frames: they wait for the next stream_open. Broker thread. */
void neighbour_disconnect(struct neighbour *neighbour);
/* Closes the stream and removes its routes. Broker thread. */
void neighbour_close(struct neighbour *neighbour);
