/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/routes.h"

#include <string.h>

#include "base/sys.h"
#include "core/log_port.h"
#include "core/router.h"

#define TALKS_MAX 65536 /* that the contexts behind one child may have begun */

struct route *routes_find(const struct router *router, uint32_t id)
{
	struct map_node *node = map_get(&router->routes, id);

	return node ? MAP_OWNER(node, struct route, by_id) : NULL;
}

struct neighbour *routes_neighbour(const struct router *router, uint32_t id)
{
	struct route *route = routes_find(router, id);

	if (route)
		return route->neighbour;
	return id == router->id ? NULL : router->parent;
}

int routes_add(struct router *router, uint32_t id, struct neighbour *neighbour, const char *name)
{
	struct route *before = routes_find(router, id), *route;
	size_t length = name ? strlen(name) : 0, size = sizeof(*route) + length + 1;

	route = sys.malloc(size);
	if (!route)
		return -1;
	route->neighbour = neighbour;
	route->size = size;
	memcpy(route->name, name ? name : "", length + 1);
	if (map_add(&router->routes, &route->by_id, id) < 0) {
		sys.free(route);
		return -1;
	}
	list_append(&neighbour->routes, &route->of_neighbour);
	neighbour->route_bytes += size;
	if (before)
		routes_remove(router, before);
	return 0;
}

void routes_remove(struct router *router, struct route *route)
{
	map_remove(&router->routes, &route->by_id);
	list_remove(&route->of_neighbour);
	route->neighbour->route_bytes -= route->size;
	if (!routes_find(router, route->by_id.key)) /* it was not replaced */
		log_port_forget(router, route);
	sys.free(route);
}

void routes_remove_all(struct router *router, struct neighbour *neighbour)
{
	while (!list_is_empty(&neighbour->routes)) {
		struct route *route =
			LIST_OWNER(neighbour->routes.next, struct route, of_neighbour);

		LIST_FOR_EACH (node, &router->neighbours)
			routes_take_talk(LIST_OWNER(node, struct neighbour, link),
					 route->by_id.key);
		routes_remove(router, route);
	}
}

/* ---- Talks ---- */

struct talk {
	struct map_node by_id; /* in neighbour->talks */
	struct neighbour
		*by; /* the child whose side has begun it; it is told before that is closed */
};

static struct talk *find_talk(const struct neighbour *neighbour, uint32_t id)
{
	struct map_node *node = map_get(&neighbour->talks, id);

	return node ? MAP_OWNER(node, struct talk, by_id) : NULL;
}

static void remove_talk(struct neighbour *neighbour, struct talk *talk)
{
	map_remove(&neighbour->talks, &talk->by_id);
	if (talk->by)
		talk->by->talks_begun--;
	sys.free(talk);
}

/* by: NULL: our parent, who has such a limit of its own. */
static void note(struct neighbour *neighbour, uint32_t id, struct neighbour *by)
{
	struct talk *talk;

	if (neighbour->last_talk == id || find_talk(neighbour, id)) {
		neighbour->last_talk = id;
		return;
	}
	if (by && by->talks_begun >= TALKS_MAX) {
		neighbour_fail(by, "it talks to too many contexts");
		return;
	}
	talk = sys.malloc(sizeof(*talk));
	if (!talk || map_add(&neighbour->talks, &talk->by_id, id) < 0) {
		sys.free(talk);
		neighbour_fail(neighbour, "out of memory"); /* it could wait for ever otherwise */
		return;
	}
	talk->by = by;
	if (by)
		by->talks_begun++;
	neighbour->last_talk = id;
}

/* Who is above a child cannot be lost without it. */
static bool can_be_lost(const struct router *router, uint32_t id)
{
	return id != router->id && !router_is_ancestor(router, id);
}

void routes_note_talk(struct router *router, struct neighbour *from, uint32_t src_id,
		      struct neighbour *to, uint32_t dst_id)
{
	struct neighbour *by = from && !from->is_parent ? from : NULL;

	if (by && can_be_lost(router, dst_id))
		note(from, dst_id, by);
	if (from && !to->is_parent && can_be_lost(router, src_id))
		note(to, src_id, by);
}

bool routes_has_talk(const struct neighbour *neighbour, uint32_t id)
{
	return find_talk(neighbour, id) != NULL;
}

bool routes_take_talk(struct neighbour *neighbour, uint32_t id)
{
	struct talk *talk = find_talk(neighbour, id);

	if (!talk)
		return false;
	remove_talk(neighbour, talk);
	neighbour->last_talk = 0;
	return true;
}

void routes_clear_talks(struct neighbour *neighbour)
{
	struct map_node *node;

	while ((node = map_first(&neighbour->talks)) != NULL)
		remove_talk(neighbour, MAP_OWNER(node, struct talk, by_id));
	map_clear(&neighbour->talks);
}
