/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream of a router, with what the router knows of who is at its other end. */
#pragma once

#include <stdbool.h>

#include "base/map.h"
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
	struct id_blocks blocks; /* that it may claim as sources; empty for the parent */
	struct list routes;      /* struct route: what it leads to */
	size_t route_count;
	struct map talks; /* IDs that who is beyond it has talked to, core/routes.h */
	uint32_t last_talk;
	uint32_t ids_given; /* on demand */
	struct task failure;
	const char *failed;       /* why */
	unsigned unread_failures; /* since all that we had for it was written */
	size_t partial_bytes;     /* of its messages of which more is to come */
};

void neighbour_init(struct neighbour *neighbour, struct router *router, uint32_t id,
		    const struct neighbour_events *events, const char *name);
/* Ends the stream soon, as if it were broken, so that all who wait beyond it are told. Any thread,
 * router lock held; why lives for ever. */
void neighbour_fail(struct neighbour *neighbour, const char *why);
/* Closes the stream and removes its routes. Broker thread. */
void neighbour_close(struct neighbour *neighbour);
