/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/context.h"

#include <assert.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/call.h"
#include "core/chains.h"
#include "core/latch.h"
#include "core/router.h"

/* of how many lost contexts the reason is kept, and of how many that nobody here had asked for */
#define LOST_MAX          1024
#define LOST_STRANGER_MAX 256

struct watcher {
	struct list link;
	enum context_state state;
	struct latch *latch;
	struct mitogen_message *m;
};

static struct lost_contexts *lost_of(struct router *router, const struct context *context)
{
	return context->is_stranger ? &router->lost_strangers : &router->lost;
}

const char *context_state_name(enum context_state state)
{
	static const char *const names[] = {"connecting", "ready", "lost", "gone"};

	return names[state];
}

struct context *context_new(struct router *router, uint32_t id, char *path)
{
	struct context *context = path ? sys.calloc(1, sizeof(*context)) : NULL;

	assert(!path || !context_known(router, id)); /* of two, one would not be found, nor lost */
	if (!context)
		goto no_context;
	context->id = id;
	context->path = path;
	list_init(&context->handles);
	list_init(&context->watchers);
	list_init(&context->chains);
	if (map_add(&router->contexts_by_id, &context->by_id, id) < 0)
		goto no_id;
	if (map_add(&router->contexts_by_ref, &context->by_ref, ++router->last_ref) < 0)
		goto no_ref;
	return context;
no_ref:
	map_remove(&router->contexts_by_id, &context->by_id);
no_id:
	sys.free(context);
no_context:
	sys.free(path);
	return NULL;
}

struct context *context_known(const struct router *router, uint32_t id)
{
	struct map_node *node = map_get(&router->contexts_by_id, id);

	return node ? MAP_OWNER(node, struct context, by_id) : NULL;
}

/* It was looked for before it was there. */
static void take_from_lost(struct router *router, struct context *context)
{
	list_remove(&context->lost);
	lost_of(router, context)->count--;
}

struct context *context_begin(struct router *router, uint32_t id, char *path)
{
	struct context *context = context_known(router, id);

	if (!context || !path)
		return context_new(router, id, path);
	if (context->state == CONTEXT_GONE)
		take_from_lost(router, context);
	context->state = CONTEXT_CONNECTING;
	context->was_ready = context->is_stranger = false;
	sys.free(TAKE_PTR(context->why));
	sys.free(context->path);
	context->path = path;
	return context;
}

/* As well as we know it: by what we gave to the neighbour, then by what came over its stream. NULL: no
 * memory. */
static char *make_path(const struct router *router, uint32_t id)
{
	const struct route *route = routes_find(router, id);
	char path[CONTEXT_PATH_MAX];

	if (id == 0)
		snprintf(path, sizeof(path), "%s", "master");
	else if (id == router->id)
		snprintf(path, sizeof(path), "%s", router->path);
	else if (route && route->name[0])
		snprintf(path, sizeof(path), "%s/%s", route->neighbour->name, route->name);
	else
		snprintf(path, sizeof(path), "context %u", id);
	return sys_strdup(path);
}

/* How far below us; 0: that is not known, or it is not below us. */
static uint32_t find_depth(const struct router *router, uint32_t id)
{
	const struct route *route = routes_find(router, id);
	uint32_t depth = 2;

	if (!route || !route->name[0])
		return 0;
	for (const char *c = route->name; *c; c++)
		depth += *c == '/';
	return depth;
}

/* Of what is below us, all is announced that is there. */
static bool is_there(const struct router *router, uint32_t id)
{
	if (id == router->id || routes_find(router, id) || router_is_ancestor(router, id))
		return true;
	LIST_FOR_EACH (node, &router->neighbours) {
		if (id_blocks_contain(&LIST_OWNER(node, struct neighbour, link)->blocks, id))
			return false;
	}
	return router->parent;
}

struct context *context_of_id(struct router *router, uint32_t id)
{
	struct context *context = context_known(router, id);

	if (context)
		return context;
	context = context_new(router, id, make_path(router, id));
	if (context)
		context->depth = find_depth(router, id);
	if (context && is_there(router, id))
		context->state = CONTEXT_READY;
	else if (context)
		context_set_state(router, context, CONTEXT_GONE, NULL);
	return context;
}

void context_expect_loss(struct router *router, uint32_t id)
{
	struct context *context;

	if (context_known(router, id))
		return;
	context = context_of_id(router, id);
	if (context)
		context->is_stranger = true;
}

/* It was known by its number alone. */
static void rename_context(const struct router *router, struct context *context)
{
	char *path = context->via_id || context->connection ? NULL : make_path(router, context->id);

	if (!path)
		return;
	sys.free(context->path);
	context->path = path;
	context->depth = find_depth(router, context->id);
}

void context_announced(struct router *router, uint32_t id)
{
	struct context *context = context_known(router, id);

	if (!context)
		return;
	rename_context(router, context);
	if (context->state != CONTEXT_GONE || context->why)
		return;
	context->state = CONTEXT_READY;
	take_from_lost(router, context);
}

struct context *context_find(const struct router *router, uint32_t ref)
{
	struct map_node *node = map_get(&router->contexts_by_ref, ref);

	return node ? MAP_OWNER(node, struct context, by_ref) : NULL;
}

static void destroy(struct router *router, struct context *context)
{
	map_remove(&router->contexts_by_id, &context->by_id);
	map_remove(&router->contexts_by_ref, &context->by_ref);
	list_remove(&context->lost);
	call_drop_chains(router, context);
	sys.free(context->path);
	sys.free(context->why);
	sys.free(context);
}

void context_clear_all(struct router *router)
{
	struct map_node *node;

	while ((node = map_first(&router->contexts_by_ref)) != NULL)
		destroy(router, MAP_OWNER(node, struct context, by_ref));
}

int context_loss(const struct context *context, mitogen_error *err)
{
	static const mitogen_error unknown = {.code = MITOGEN_ERR_LOST,
					      .text = "no route to that context"};

	if (err)
		*err = context->why ? *context->why : unknown;
	return context->why ? context->why->code : unknown.code;
}

static void notify(struct router *router, struct context *context)
{
	LIST_FOR_EACH_SAFE (node, &context->watchers) {
		struct watcher *watcher = LIST_OWNER(node, struct watcher, link);

		if (context->state < watcher->state)
			continue;
		if (watcher->state == CONTEXT_READY && context->state > CONTEXT_READY) {
			mitogen_error why;

			context_loss(context, &why);
			message_set_failure(watcher->m, &why);
		}
		latch_put(watcher->latch, watcher->m, &router->broker.wakes);
		latch_unref(watcher->latch);
		list_remove(&watcher->link);
		sys.free(watcher);
	}
}

void context_fail_handles(struct router *router, struct context *context, const mitogen_error *why)
{
	while (!list_is_empty(&context->handles)) {
		struct handle *handle =
			LIST_OWNER(context->handles.next, struct handle, of_respondent);

		list_remove(&handle->of_respondent);
		handle->respondent = NULL;
		if (handle->ops->lost)
			handle->ops->lost(router, handle, why);
	}
}

static void keep_lost(struct router *router, struct context *context)
{
	struct lost_contexts *lost = lost_of(router, context);

	list_append(&lost->oldest_first, &context->lost);
	if (++lost->count > (context->is_stranger ? LOST_STRANGER_MAX : LOST_MAX)) {
		destroy(router, LIST_OWNER(lost->oldest_first.next, struct context, lost));
		lost->count--;
	}
}

void context_lose(struct router *router, struct context *context, const mitogen_error *why)
{
	mitogen_error placed = *why;

	error_set_where(&placed, context->path, NULL);
	context_set_state(router, context, CONTEXT_LOST, &placed);
	context_set_state(router, context, CONTEXT_GONE, NULL);
}

void context_set_state(struct router *router, struct context *context, enum context_state state,
		       const mitogen_error *why)
{
	if (state <= context->state)
		return;
	log_write(LOG_INFO, "%s: %s -> %s%s%s", context->path, context_state_name(context->state),
		  context_state_name(state), why ? ": " : "", why ? why->text : "");
	context->state = state;
	context->was_ready |= state == CONTEXT_READY;
	if (why && !context->why) {
		context->why = sys.malloc(sizeof(*why));
		if (context->why)
			*context->why = *why;
	}
	if (why)
		context_fail_handles(router, context, why);
	if (state >= CONTEXT_LOST)
		chains_forget(router, context->id);
	notify(router, context);
	if (state != CONTEXT_GONE)
		return;
	keep_lost(router, context);
}

int context_watch(struct router *router, struct context *context, enum context_state state,
		  struct latch *latch)
{
	struct watcher *watcher = sys.malloc(sizeof(*watcher));
	struct mitogen_message *m = message_new(0);

	if (!watcher || !m) {
		sys.free(watcher);
		message_unref(m);
		return MITOGEN_ERR_MEMORY;
	}
	*watcher = (struct watcher){.state = state, .latch = latch_ref(latch), .m = m};
	list_append(&context->watchers, &watcher->link);
	notify(router, context);
	return 0;
}
