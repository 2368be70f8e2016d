/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps routes true across the tree: announces contexts to those above
 * (ADD_ROUTE), and losses to those above and to whoever has talked to the lost (DEL_ROUTE). Broker
 * thread, router lock.
 */
#pragma once

#include <mitogen/types.h>
#include <stdint.h>

struct context;
struct neighbour;
struct router;

/* The two ports. 0, or MITOGEN_ERR_MEMORY. */
int route_monitor_open(struct router *router);
void route_monitor_close(struct router *router);

/* A context is being started from here, and may be named to others. Any thread. */
void route_monitor_announce(struct router *router, const struct context *context);
/* The context with this ID, to which those above know the way, will not be: it is lost. */
void route_monitor_refuse(struct router *router, uint32_t id, const mitogen_error *why);
/* A child of ours is lost because of why, and everybody behind it: fails who waits for them here and
 * elsewhere, and removes their routes. */
void route_monitor_lose(struct router *router, struct neighbour *neighbour,
			const mitogen_error *why);
/* All whom only our parent leads to are lost, as we are detached. */
void route_monitor_lose_above(struct router *router, const mitogen_error *why);
