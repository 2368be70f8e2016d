/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/route_monitor.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "core/context.h"
#include "core/router.h"
#include "wire/cursor.h"
#include "wire/handles.h"

#define LOST_PER_MESSAGE 1000   /* IDs in one DEL_ROUTE; keeps it within a frame */
#define NAME_MAX_SIZE    1024   /* bytes of an announced name; what is longer is cut */
#define PART_MAX_SIZE    256    /* what a router puts before the name, at most */
#define ANNOUNCED_MAX    100000 /* contexts behind one child at the same time */

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

void route_monitor_announce(struct router *router, const struct context *child)
{
	announce(router, child->id, below_us(router, child->path));
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
	escape_text(name, size, data, length);
	return true;
}

/* A context below a child, which has come up. */
static void add_route(struct router *router, struct neighbour *from, uint32_t id, const char *name)
{
	const struct route *route = routes_find(router, id);
	struct context *context = context_known(router, id);
	char below[NAME_MAX_SIZE + PART_MAX_SIZE];

	if (!route && from->route_count >= ANNOUNCED_MAX) {
		neighbour_fail(from, "it announced too many contexts");
		return;
	}
	if (!route && routes_add(router, id, from, name) < 0) {
		neighbour_fail(from, "out of memory");
		return;
	}
	if (context)
		context_set_state(router, context, CONTEXT_READY, NULL);
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

/* The last words of the lost go first. */
static void send_behind(struct router *router, struct neighbour *to, struct mitogen_message *m,
			const uint32_t *ids, size_t count)
{
	struct id_blocks lost = {0};
	bool is_complete = true;

	for (size_t i = 0; i < count; i++)
		is_complete &= id_blocks_add(&lost, ids[i], 1) == 0;
	router_send_behind(router, to, m, is_complete ? &lost : NULL);
	id_blocks_clear(&lost);
}

static void send_loss(struct router *router, struct neighbour *to, const uint32_t *ids,
		      size_t count, const struct loss *loss)
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
	send_behind(router, to, m, ids, count);
}

static bool is_router_child(const struct router *router, const struct neighbour *neighbour)
{
	return neighbour && neighbour != router->parent;
}

/* Tells the other children that have talked to the lost. */
static void tell_children(struct router *router, const struct neighbour *from,
			  const struct loss *loss)
{
	LIST_FOR_EACH (node, &router->neighbours) {
		struct neighbour *to = LIST_OWNER(node, struct neighbour, link);
		uint32_t ids[LOST_PER_MESSAGE];
		size_t count = 0;

		if (to == from || to->is_parent || to->talks.count == 0)
			continue;
		for (size_t i = 0; i < loss->count; i++)
			if (routes_take_talk(to, loss->ids[i]))
				ids[count++] = loss->ids[i];
		if (count > 0)
			send_loss(router, to, ids, count, loss);
	}
}

/* Fails who waits for them here. */
static void lose_contexts(struct router *router, const struct loss *loss)
{
	for (size_t i = 0; i < loss->count; i++) {
		struct context *context = context_known(router, loss->ids[i]);
		mitogen_error error;

		if (!context || context->connection)
			continue;
		error_set(&error, loss->code, "%s", loss->text);
		error_set_where(&error, context->path, NULL);
		context_set_state(router, context, CONTEXT_LOST, &error);
		context_set_state(router, context, CONTEXT_GONE, NULL);
	}
}

/* from: who told us, or the lost child itself. */
static void spread_loss(struct router *router, const struct neighbour *from,
			const struct loss *loss)
{
	if (loss->count == 0)
		return;
	lose_contexts(router, loss);
	if (is_router_child(router, from) && router->parent)
		send_loss(router, router->parent, loss->ids, loss->count, loss);
	tell_children(router, from, loss);
}

static void set_text(struct loss *loss, int code, const char *text)
{
	loss->code = code;
	snprintf(loss->text, sizeof(loss->text), "%s", text);
}

void route_monitor_lose(struct router *router, struct neighbour *neighbour,
			const mitogen_error *why)
{
	struct loss loss = {.count = 1, .ids = {neighbour->id}};
	struct route *own = routes_find(router, neighbour->id);

	if (own && own->neighbour == neighbour)
		routes_remove(router, own);
	set_text(&loss, why->code, why->text);
	spread_loss(router, neighbour, &loss);
	set_text(&loss, MITOGEN_ERR_LOST, "");
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
			routes_remove(router, route);
		}
		spread_loss(router, neighbour, &loss);
	}
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
		routes_remove(router, route);
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
