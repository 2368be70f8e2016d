/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps routes true across the tree: announces contexts that have come up to those above
 * (ADD_ROUTE), and losses to those above and to whoever has talked to the lost (DEL_ROUTE). Broker
 * thread, router lock.
 */
#pragma once

#include <mitogen/types.h>

struct context;
struct neighbour;
struct router;

/* The two ports. 0, or MITOGEN_ERR_MEMORY. */
int route_monitor_open(struct router *router);
void route_monitor_close(struct router *router);

/* A child of ours is up. */
void route_monitor_announce(struct router *router, const struct context *child);
/* A child of ours is lost because of why, and everybody behind it: fails who waits for them here and
 * elsewhere, and removes their routes. */
void route_monitor_lose(struct router *router, struct neighbour *neighbour,
			const mitogen_error *why);
