/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/route_monitor.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "core/context.h"
#include "core/router.h"
#include "parent/ids.h"
#include "wire/cursor.h"
#include "wire/handles.h"

#define LOST_PER_MESSAGE 1000        /* IDs in one DEL_ROUTE; keeps it within a frame */
#define NAME_MAX_SIZE    1024        /* bytes of an announced name; what is longer is cut */
#define PART_MAX_SIZE    256         /* what a router puts before the name, at most */
#define ROUTES_MAX_SIZE  (16u << 20) /* bytes of routes to what is behind one child */

/* ---- ADD_ROUTE: [ID, its name below the sender] ---- */

static void announce(struct router *router, uint32_t id, const char *name)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	if (!router->parent)
		return;
	message_writer_init(&w);
	writer_list_head(&w, 2);
	writer_uint(&w, id);
	message_write_text(&w, name);
	m = message_from_writer(&w, &ignored);
	if (!m) {
		neighbour_fail(router->parent, "out of memory"); /* they would call in vain */
		return;
	}
	m->header.dst_id = router->parent->id;
	m->header.handle = HANDLE_ADD_ROUTE;
	router_send(router, m, false);
}

/* A path without what is our own path. */
static const char *below_us(const struct router *router, const char *path)
{
	size_t size = strlen(router->path);

	return size > 0 && strncmp(path, router->path, size) == 0 && path[size] == '/'
		       ? path + size + 1
		       : path;
}

void route_monitor_announce(struct router *router, const struct context *context)
{
	announce(router, context->id, below_us(router, context->path));
}

static bool read_route(const struct mitogen_message *m, uint32_t *ret_id, char *name, size_t size)
{
	struct cursor c = {m->payload, m->payload + m->size};
	const uint8_t *data;
	uint64_t count;
	size_t length;

	if (m->header.kind != FRAME_CBOR || cursor_list(&c, &count) < 0 || count != 2 ||
	    cursor_u32(&c, ret_id) < 0 || cursor_string(&c, CBOR_TEXT, &data, &length) < 0)
		return false;
	escape_again(name, size, data, length); /* by who has named it first */
	return true;
}

/* A context below a child. */
static void add_route(struct router *router, struct neighbour *from, uint32_t id, const char *name)
{
	const struct route *route = routes_find(router, id);
	char below[NAME_MAX_SIZE + PART_MAX_SIZE];

	if (route && *route->name)
		return;
	if (from->route_bytes >= ROUTES_MAX_SIZE) {
		neighbour_fail(from, "it announced too many contexts");
		return;
	}
	if (routes_add(router, id, from, name) < 0) {
		neighbour_fail(from, "out of memory");
		return;
	}
	context_announced(router, id);
	snprintf(below, sizeof(below), "%.*s/%s", PART_MAX_SIZE - 2, below_us(router, from->name),
		 name);
	announce(router, id, below);
}

static void receive_add(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct neighbour *from = routes_neighbour(router, m->header.src_id);
	char name[NAME_MAX_SIZE];
	uint32_t id;

	(void)handle;
	if (!read_route(m, &id, name, sizeof(name)) || id == from->id ||
	    !id_blocks_contain(&from->blocks, id))
		neighbour_fail(from, "it announced a context that is not its own");
	else
		add_route(router, from, id, name);
	message_unref(m);
}

/* ---- DEL_ROUTE: [[ID, ...], code, text] ---- */

struct loss {
	uint32_t ids[LOST_PER_MESSAGE];
	size_t count;
	int code;
	char text[sizeof(((mitogen_error *)NULL)->text)];
};

/* Behind what they had sent; lost: NULL: behind everything. */
static void send_loss(struct router *router, struct neighbour *to, const uint32_t *ids,
		      size_t count, const struct loss *loss, const struct id_blocks *lost)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	message_writer_init(&w);
	writer_list_head(&w, 3);
	writer_list_head(&w, count);
	for (size_t i = 0; i < count; i++)
		writer_uint(&w, ids[i]);
	writer_int(&w, loss->code);
	message_write_text(&w, loss->text);
	m = message_from_writer(&w, &ignored);
	if (!m) {
		neighbour_fail(to, "out of memory"); /* they would wait for ever */
		return;
	}
	m->header.handle = HANDLE_DEL_ROUTE;
	router_send_behind(router, to, m, lost);
}

/* Tells the other children that have talked to the lost; of those above us, who are lost when one of us
 * was detached, all. */
static void tell_children(struct router *router, const struct neighbour *from,
			  const struct loss *loss, const struct id_blocks *lost)
{
	LIST_FOR_EACH (node, &router->neighbours) {
		struct neighbour *to = LIST_OWNER(node, struct neighbour, link);
		uint32_t ids[LOST_PER_MESSAGE];
		size_t count = 0;

		if (to == from || to->is_parent)
			continue;
		for (size_t i = 0; i < loss->count; i++)
			if (routes_take_talk(to, loss->ids[i]) ||
			    router_is_ancestor(router, loss->ids[i]))
				ids[count++] = loss->ids[i];
		if (count > 0)
			send_loss(router, to, ids, count, loss, lost);
	}
}

static void remove_route(struct router *router, struct route *route)
{
	context_expect_loss(router, route->by_id.key);
	routes_remove(router, route);
}

/* Fails who waits for them here. */
static void lose_contexts(struct router *router, const struct loss *loss)
{
	for (size_t i = 0; i < loss->count; i++) {
		struct context *context = context_known(router, loss->ids[i]);
		mitogen_error error;

		if (loss->ids[i] == 0)
			ids_refuse(router); /* all come from the master */
		if (!context || context->connection)
			continue;
		error_set(&error, loss->code, "%s", loss->text);
		context_lose(router, context, &error);
	}
}

/* The lost ones as a set. 0, or -1: no memory. */
static int collect(const struct loss *loss, struct id_blocks *ret)
{
	for (size_t i = 0; i < loss->count; i++)
		if (!id_blocks_contain(ret, loss->ids[i]) &&
		    id_blocks_add(ret, loss->ids[i], 1) < 0)
			return -1;
	return 0;
}

/* from: who told us, or the lost child itself. */
static void spread_loss(struct router *router, const struct neighbour *from,
			const struct loss *loss)
{
	struct id_blocks set = {0}, *lost = &set;

	if (loss->count == 0)
		return;
	if (collect(loss, &set) < 0)
		lost = NULL;
	if (lost && from->partial_count > 0)
		handles_drop_partial(router, lost);
	lose_contexts(router, loss);
	if (!from->is_parent && router->parent)
		send_loss(router, router->parent, loss->ids, loss->count, loss, lost);
	tell_children(router, from, loss, lost);
	id_blocks_clear(&set);
}

void route_monitor_lose(struct router *router, struct neighbour *neighbour,
			const mitogen_error *why)
{
	struct loss loss = {.count = 1, .ids = {neighbour->id}};
	struct route *own = routes_find(router, neighbour->id);

	if (own && own->neighbour == neighbour)
		routes_remove(router, own);
	loss.code = why->code;
	snprintf(loss.text, sizeof(loss.text), "%s", why->text);
	spread_loss(router, neighbour, &loss);
	loss.code = MITOGEN_ERR_LOST;
	snprintf(loss.text, sizeof(loss.text),
		 "the context was lost with %s, through which it was reached: %.1400s",
		 neighbour->name, why->text);
	while (!list_is_empty(&neighbour->routes)) {
		for (loss.count = 0;
		     loss.count < LOST_PER_MESSAGE && !list_is_empty(&neighbour->routes);
		     loss.count++) {
			struct route *route =
				LIST_OWNER(neighbour->routes.next, struct route, of_neighbour);

			loss.ids[loss.count] = route->by_id.key;
			remove_route(router, route);
		}
		spread_loss(router, neighbour, &loss);
	}
}

/* Adds what only the parent leads to, as long as there is room. */
static void add_if_above(const struct router *router, uint32_t id, struct loss *loss)
{
	if (loss->count < LOST_PER_MESSAGE && routes_neighbour(router, id) == router->parent)
		loss->ids[loss->count++] = id;
}

/* Those that somebody here or below knows; they are forgotten when their loss is spread. */
static void collect_above(const struct router *router, struct loss *loss)
{
	loss->count = 0;
	for (struct map_node *node = NULL; (node = map_next(&router->contexts_by_id, node));)
		if (MAP_OWNER(node, struct context, by_id)->state < CONTEXT_LOST)
			add_if_above(router, node->key, loss);
	LIST_FOR_EACH (link, &router->neighbours) {
		const struct neighbour *child = LIST_OWNER(link, struct neighbour, link);

		for (struct map_node *node = NULL; (node = map_next(&child->talks, node));)
			add_if_above(router, node->key, loss);
	}
}

void route_monitor_lose_above(struct router *router, const mitogen_error *why)
{
	struct loss loss = {.code = why->code};

	snprintf(loss.text, sizeof(loss.text), "%s", why->text);
	for (; loss.count < router->ancestor_count; loss.count++)
		loss.ids[loss.count] = router->ancestors[loss.count];
	while (loss.count > 0) {
		spread_loss(router, router->parent, &loss);
		collect_above(router, &loss);
	}
}

void route_monitor_refuse(struct router *router, uint32_t id, const mitogen_error *why)
{
	struct loss loss = {.count = 1, .ids = {id}};

	if (!router->parent)
		return;
	loss.code = why->code;
	snprintf(loss.text, sizeof(loss.text), "%s", why->text);
	send_loss(router, router->parent, loss.ids, 1, &loss, NULL);
}

static bool read_loss(const struct mitogen_message *m, struct loss *ret)
{
	struct cursor c = {m->payload, m->payload + m->size};
	const uint8_t *data;
	uint64_t count;
	int64_t code;
	size_t length;

	if (m->header.kind != FRAME_CBOR || cursor_list(&c, &count) < 0 || count != 3 ||
	    cursor_list(&c, &count) < 0 || count > LOST_PER_MESSAGE)
		return false;
	for (ret->count = 0; ret->count < count; ret->count++)
		if (cursor_u32(&c, &ret->ids[ret->count]) < 0)
			return false;
	if (cursor_i64(&c, &code) < 0 || cursor_string(&c, CBOR_TEXT, &data, &length) < 0)
		return false;
	ret->code = code < 0 && code > -1000 ? (int)code : MITOGEN_ERR_LOST;
	escape_again(ret->text, sizeof(ret->text), data, length);
	return true;
}

/* Only what its own stream leads to is a child's to remove; the rest is dropped from the list. False:
 * it named others. */
static bool remove_routes(struct router *router, const struct neighbour *from, struct loss *loss)
{
	size_t kept = 0;

	for (size_t i = 0; i < loss->count; i++) {
		struct route *route = routes_find(router, loss->ids[i]);

		if (loss->ids[i] == from->id || !id_blocks_contain(&from->blocks, loss->ids[i]))
			return false;
		if (!route || route->neighbour != from)
			continue; /* nobody here knows it */
		remove_route(router, route);
		loss->ids[kept++] = loss->ids[i];
	}
	loss->count = kept;
	return true;
}

static void receive_del(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct neighbour *from = routes_neighbour(router, m->header.src_id);
	struct loss loss;

	(void)handle;
	if (!read_loss(m, &loss))
		neighbour_fail(from, "it reported a loss that is none");
	else if (!from->is_parent && !remove_routes(router, from, &loss))
		neighbour_fail(from, "it reported the loss of a context that is not its own");
	else
		spread_loss(router, from, &loss);
	message_unref(m);
}

static bool from_neighbour(const struct router *router, const struct mitogen_message *m)
{
	return handles_allow_parent(router, m) || handles_allow_children(router, m);
}

static const struct handle_ops add_ops = {
	.receive = receive_add, .is_one_frame = true, .policy = handles_allow_children};
static const struct handle_ops del_ops = {
	.receive = receive_del, .is_one_frame = true, .policy = from_neighbour};

int route_monitor_open(struct router *router)
{
	if (handles_add_fixed(router, HANDLE_ADD_ROUTE, &add_ops) == 0 &&
	    handles_add_fixed(router, HANDLE_DEL_ROUTE, &del_ops) == 0)
		return 0;
	route_monitor_close(router);
	return MITOGEN_ERR_MEMORY;
}

void route_monitor_close(struct router *router)
{
	handles_remove_fixed(router, HANDLE_ADD_ROUTE);
	handles_remove_fixed(router, HANDLE_DEL_ROUTE);
}
