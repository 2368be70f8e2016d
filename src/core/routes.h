/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of routes: which neighbour leads to which context; what is in no row lies beyond the
 * parent. And who has talked to whom through us, so that they can be told of a loss. Router lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"

struct neighbour;
struct router;

struct route {
	struct map_node by_id;
	struct list of_neighbour;
	struct neighbour *neighbour;
	size_t size; /* of all this */
	char name[]; /* how who announced it calls it, below the neighbour; "" if not announced */
};

/* NULL: there is none of its own. */
struct route *routes_find(const struct router *router, uint32_t id);
/* Who leads to id: a child's stream, the parent's, or NULL: we, or nobody. */
struct neighbour *routes_neighbour(const struct router *router, uint32_t id);
/* Instead of the one that there is, if any. name may be NULL. 0, or -1: no memory, nothing is changed. */
int routes_add(struct router *router, uint32_t id, struct neighbour *neighbour, const char *name);
void routes_remove(struct router *router, struct route *route);
/* And the talks with them. Whoever is to hear of the loss has heard of it. */
void routes_remove_all(struct router *router, struct neighbour *neighbour);

/* A frame of src_id, which came from `from`, goes to dst_id over `to`: those children among the two
 * are told when the other end is lost. Counts against the child that sent it, which has a route to
 * src_id. */
void routes_note_talk(struct router *router, struct neighbour *from, uint32_t src_id,
		      struct neighbour *to, uint32_t dst_id);
/* Did who is beyond this child talk to id, or id to them? The second one forgets it. */
bool routes_has_talk(const struct neighbour *neighbour, uint32_t id);
bool routes_take_talk(struct neighbour *neighbour, uint32_t id);
void routes_clear_talks(struct neighbour *neighbour);
