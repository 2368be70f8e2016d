/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/routes.h"

#include <string.h>

#include "base/sys.h"
#include "core/router.h"

#define TALKS_MAX 65536 /* contexts that one child may have talked to and hear of their loss */

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
	size_t size = name ? strlen(name) + 1 : 1;
	struct route *route = sys.malloc(sizeof(*route) + size);

	if (!route)
		return -1;
	route->neighbour = neighbour;
	memcpy(route->name, name ? name : "", size);
	if (map_add(&router->routes, &route->by_id, id) < 0) {
		sys.free(route);
		return -1;
	}
	list_append(&neighbour->routes, &route->of_neighbour);
	neighbour->route_count++;
	return 0;
}

void routes_remove(struct router *router, struct route *route)
{
	map_remove(&router->routes, &route->by_id);
	list_remove(&route->of_neighbour);
	route->neighbour->route_count--;
	sys.free(route);
}

void routes_remove_all(struct router *router, struct neighbour *neighbour)
{
	while (!list_is_empty(&neighbour->routes))
		routes_remove(router,
			      LIST_OWNER(neighbour->routes.next, struct route, of_neighbour));
}

/* ---- Talks ---- */

static void note(struct neighbour *neighbour, uint32_t id)
{
	struct map_node *talk;

	if (neighbour->last_talk == id || map_get(&neighbour->talks, id)) {
		neighbour->last_talk = id;
		return;
	}
	if (neighbour->talks.count >= TALKS_MAX) {
		neighbour_fail(neighbour, "it talks to too many contexts");
		return;
	}
	talk = sys.malloc(sizeof(*talk));
	if (!talk || map_add(&neighbour->talks, talk, id) < 0) {
		sys.free(talk);
		neighbour_fail(neighbour, "out of memory"); /* it could wait for ever otherwise */
		return;
	}
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
	if (from && !from->is_parent && can_be_lost(router, dst_id))
		note(from, dst_id);
	if (from && to && !to->is_parent && can_be_lost(router, src_id))
		note(to, src_id);
}

bool routes_take_talk(struct neighbour *neighbour, uint32_t id)
{
	struct map_node *talk = map_get(&neighbour->talks, id);

	if (!talk)
		return false;
	map_remove(&neighbour->talks, talk);
	sys.free(talk);
	neighbour->last_talk = 0;
	return true;
}

void routes_clear_talks(struct neighbour *neighbour)
{
	struct map_node *talk;

	while ((talk = map_next(&neighbour->talks, NULL)) != NULL) {
		map_remove(&neighbour->talks, talk);
		sys.free(talk);
	}
	map_clear(&neighbour->talks);
}
