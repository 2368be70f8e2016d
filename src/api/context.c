/* SPDX-License-Identifier: BSD-3-Clause */
#include <mitogen/mitogen.h>
#include <stdio.h>

#include "api/handle.h"
#include "base/clock.h"
#include "base/error.h"
#include "connect/methods.h"
#include "connect/via.h"
#include "core/call.h"
#include "core/context.h"
#include "core/latch.h"
#include "core/router.h"
#include "parent/ids.h"

#define CONNECT_MS 30000

static mitogen_context handle_of_id(struct api_router *api, uint32_t id)
{
	return api_context_handle(api->router, context_of_id(api->router, id));
}

mitogen_context mitogen_self(mitogen_router router)
{
	struct api_router *api = api_lock(router.ref, NULL, NULL);
	mitogen_context self = {0};

	if (api) {
		self = handle_of_id(api, api->router->id);
		api_unlock(api);
	}
	return self;
}

mitogen_context mitogen_context_by_id(mitogen_router router, uint32_t id)
{
	struct api_router *api = api_lock(router.ref, NULL, NULL);
	mitogen_context context = {0};

	if (api) {
		if (id != UINT32_MAX)
			context = handle_of_id(api, id);
		api_unlock(api);
	}
	return context;
}

mitogen_context mitogen_parent(mitogen_router router)
{
	struct api_router *api = api_lock(router.ref, NULL, NULL);
	mitogen_context parent = {0};

	if (api) {
		if (api->router->ancestor_count > 0)
			parent = handle_of_id(api, api->router->ancestors[0]);
		api_unlock(api);
	}
	return parent;
}

uint32_t mitogen_context_id(mitogen_context handle)
{
	struct context *context;
	struct api_router *api = api_lock_context(handle, &context, NULL, NULL);
	uint32_t id = UINT32_MAX;

	if (api) {
		id = context->id;
		api_unlock(api);
	}
	return id;
}

const char *mitogen_context_name(mitogen_context handle, char *buffer, size_t size)
{
	struct context *context;
	struct api_router *api = api_lock_context(handle, &context, NULL, NULL);

	snprintf(buffer, size, "%s", api ? context->path : "");
	if (api)
		api_unlock(api);
	return buffer;
}

mitogen_context mitogen_context_within(mitogen_context context, int timeout_ms)
{
	/* 0 stands for no limit inside, and "do not wait" is the nearest thing to nothing */
	context.within_ms = timeout_ms == MITOGEN_FOREVER ? 0 : timeout_ms > 0 ? timeout_ms : -1;
	return context;
}

/* Waits until the master has given us IDs for more contexts; the lock is dropped meanwhile. 0: it is
 * worth another try; or a code with err set. */
static int wait_for_ids(struct api_router *api, int64_t deadline, mitogen_error *err)
{
	struct id_waiter waiter = {.latch = latch_new()};
	struct mitogen_message *m = NULL;
	enum latch_result result;
	int r = api_check_wait(api, err);

	if (r < 0) {
		latch_unref(waiter.latch);
		return r;
	}
	if (!waiter.latch)
		return error_set_memory(err);
	list_append(&api->router->id_waiters, &waiter.link);
	broker_unlock(&api->router->broker);
	result = latch_get(waiter.latch, deadline, &m);
	broker_lock(&api->router->broker);
	list_remove(&waiter.link);
	latch_unref(waiter.latch);
	if (result == LATCH_TIMEOUT)
		r = error_set(err, MITOGEN_ERR_TIMEOUT,
			      "no context IDs have come from the master in time");
	else if (m && message_failure(m))
		r = error_set(err, message_failure(m)->code, "%s", message_failure(m)->text);
	message_unref(m);
	return r;
}

/* IDs for a new context: of this process, or from the master. */
static int get_ids(struct api_router *api, int timeout_ms, struct id_block *ret, mitogen_error *err)
{
	int64_t deadline = clock_deadline(timeout_ms);
	int r = 0;

	while (r == 0 && ids_take(api->router, ret) < 0) {
		r = ids_request(api->router);
		if (r == MITOGEN_ERR_NO_IDS)
			error_set(err, r, "no context IDs are left for another child");
		else if (r < 0)
			error_set_memory(err);
		else
			r = wait_for_ids(api, deadline,
					 err); /* others may be quicker to take them */
	}
	return r;
}

/* Is it somewhere below this process? */
static bool is_below(const struct api_router *api, const struct context *context)
{
	const struct neighbour *neighbour = routes_neighbour(api->router, context->id);

	return neighbour && !neighbour->is_parent;
}

static int start_context(struct api_router *api, uint32_t via_ref,
			 const struct connect_method *method, const struct connect_options *options,
			 struct context **ret, mitogen_error *err)
{
	struct router *router = api->router;
	struct context *via;
	struct id_block ids;
	int r = get_ids(api, options->connect_timeout_ms, &ids, err);

	if (r < 0)
		return r;
	via = api_find_context(api, via_ref); /* again: the lock may have been dropped */
	if (!via)
		return error_set(err, MITOGEN_ERR_LOST, "the context is gone");
	if (via->id == router->id)
		return connection_start(router, method, options, &ids, ret, err);
	if (via->state >= CONTEXT_LOST)
		return context_loss(via, err);
	if (!is_below(api, via))
		return error_set(err, MITOGEN_ERR_USAGE,
				 "%s is not below this process: nothing can be started via it",
				 via->path);
	return via_start(router, via, method, options, &ids, ret, err);
}

static int check_options(size_t size, size_t own_size, mitogen_error *err)
{
	return size == own_size ? 0
				: error_set(err, MITOGEN_ERR_USAGE,
					    "the options are of another version of the library");
}

/* With what all methods have. */
static mitogen_context start_child(struct api_router *api, uint32_t via_ref,
				   const struct connect_method *method,
				   struct connect_options *options, mitogen_error *err)
{
	struct context *child = NULL;

	if (options->connect_timeout_ms == 0)
		options->connect_timeout_ms = CONNECT_MS;
	options->shutdown_ms = api->shutdown_ms;
	if (start_context(api, via_ref, method, options, &child, err) < 0)
		return (mitogen_context){0};
	return api_context_handle(api->router, child);
}

mitogen_context mitogen_local_with(mitogen_context via, const mitogen_local_options *options,
				   mitogen_error *err)
{
	static const mitogen_local_options defaults = {.size = sizeof(defaults)};
	struct context *context;
	struct api_router *api = api_lock_context(via, &context, err, NULL);
	struct connect_options connect;
	mitogen_context child = {0};

	if (!api)
		return child;
	if (!options)
		options = &defaults;
	connect = (struct connect_options){
		.name = options->name,
		.image = options->image,
		.connect_timeout_ms = options->connect_timeout_ms,
		.fork_server = options->fork_server,
	};
	if (!connect.image && context->id == api->router->id)
		connect.image = api->image; /* elsewhere it is that process's own */
	if (check_options(options->size, sizeof(*options), err) == 0)
		child = start_child(api, via.ref, &connect_local, &connect, err);
	api_unlock(api);
	return child;
}

mitogen_context mitogen_fork_with(mitogen_context via, const mitogen_fork_options *options,
				  mitogen_error *err)
{
	static const mitogen_fork_options defaults = {.size = sizeof(defaults)};
	struct context *context;
	struct api_router *api = api_lock_context(via, &context, err, NULL);
	struct connect_options connect;
	mitogen_context child = {0};

	if (!api)
		return child;
	if (!options)
		options = &defaults;
	connect = (struct connect_options){
		.name = options->name,
		.connect_timeout_ms = options->connect_timeout_ms,
		.fork_server = options->fork_server,
	};
	if (check_options(options->size, sizeof(*options), err) == 0)
		child = start_child(api, via.ref, &connect_fork, &connect, err);
	api_unlock(api);
	return child;
}

/* Waits until the context is in that state; the lock is dropped meanwhile. */
static int wait_for(struct api_router *api, struct context *context, enum context_state state,
		    int within_ms, mitogen_error *err)
{
	struct latch *latch = latch_new();
	struct mitogen_message *m = NULL;
	enum latch_result result;
	int r = MITOGEN_ERR_MEMORY;

	if (latch)
		r = context_watch(api->router, context, state, latch);
	broker_unlock(&api->router->broker);
	if (r < 0) {
		latch_unref(latch);
		return error_set_memory(err);
	}
	result = latch_get(latch, clock_deadline(within_ms ? within_ms : MITOGEN_FOREVER), &m);
	latch_unref(latch);
	if (result != LATCH_MESSAGE)
		return error_set(err, MITOGEN_ERR_TIMEOUT, "the context did not change in time");
	if (message_failure(m)) {
		r = message_failure(m)->code;
		if (err)
			*err = *message_failure(m);
	}
	message_unref(m);
	return r;
}

typedef int ask_function(struct router *router, const struct context *context,
			 const struct call_target *target, mitogen_error *err);

/* Has the parent of a context do something about it, and waits for that; the lock is dropped meanwhile.
 * 0 and *ret_context, found again, with *ret_failure as the parent has it (.code 0: none); or a code
 * with err set. */
static int ask_parent(struct api_router *api, mitogen_context handle, ask_function *ask,
		      struct context **ret_context, mitogen_error *ret_failure, mitogen_error *err)
{
	struct call_target target = {
		.latch = latch_new(),
		.deadline = clock_deadline(handle.within_ms ? handle.within_ms : MITOGEN_FOREVER),
	};
	struct mitogen_message *m = NULL;
	struct context *context;
	int r;

	if (!target.latch)
		return error_set_memory(err);
	r = ask(api->router, *ret_context, &target, err);
	broker_unlock(&api->router->broker);
	if (r == 0)
		latch_get(target.latch, CLOCK_NEVER, &m);
	broker_lock(&api->router->broker);
	latch_unref(target.latch);
	*ret_failure = m && message_failure(m) ? *message_failure(m) : (mitogen_error){0};
	message_unref(m);
	if (ret_failure->code == MITOGEN_ERR_TIMEOUT)
		return error_set(err, MITOGEN_ERR_TIMEOUT, "the context did not change in time");
	if (r < 0)
		return r;
	context = api_find_context(api, handle.ref);
	if (!context)
		return error_set(err, MITOGEN_ERR_LOST, "the context is gone");
	*ret_context = context;
	return 0;
}

/* One that somebody else has started below us: its end comes as the loss of its route. */
static int send_shutdown(struct api_router *api, const struct context *context, mitogen_error *err)
{
	if (!is_below(api, context))
		return error_set(err, MITOGEN_ERR_USAGE, "%s is not below this process",
				 context->path);
	return router_send_shutdown(api->router, context->id) < 0 ? error_set_memory(err) : 0;
}

/* 0 and *ret_context, found again where the lock was dropped; or a code with err set. */
static int ask_to_end(struct api_router *api, mitogen_context handle, struct context **ret_context,
		      mitogen_error *err)
{
	struct context *context = *ret_context;
	mitogen_error ignored; /* the loss of its parent, and it is lost with that */

	if (context->connection)
		connection_shutdown(api->router, context);
	else if (context->via_id && context->state < CONTEXT_LOST)
		return ask_parent(api, handle, via_shutdown, ret_context, &ignored, err);
	else if (context->state < CONTEXT_LOST)
		return send_shutdown(api, context, err);
	return 0;
}

/* As ask_to_end, until it has let go. */
static int ask_to_let_go(struct api_router *api, mitogen_context handle,
			 struct context **ret_context, mitogen_error *err)
{
	struct context *context = *ret_context;
	mitogen_error failure = {0};
	int r;

	if (context->state >= CONTEXT_LOST)
		return context_loss(context, err);
	if (!context->connection && !context->via_id)
		return error_set(err, MITOGEN_ERR_USAGE, "%s was not started by this process",
				 context->path);
	r = ask_parent(api, handle, via_detach, ret_context, &failure, err);
	if (r < 0 || !*ret_context || failure.code == 0)
		return r;
	if ((*ret_context)->state >= CONTEXT_LOST)
		return context_loss(*ret_context, err);
	if (err)
		*err = failure;
	return failure.code;
}

/* Asks, unless ask is NULL, and waits for what comes of it. */
static int wait_after(mitogen_context handle,
		      int (*ask)(struct api_router *api, mitogen_context handle,
				 struct context **ret_context, mitogen_error *err),
		      enum context_state state, mitogen_error *err)
{
	struct context *context = NULL;
	int r = 0;
	struct api_router *api = api_lock_context(handle, &context, err, &r);

	if (!api)
		return r;
	r = api_check_wait(api, err);
	if (r == 0 && ask)
		r = ask(api, handle, &context, err);
	if (r < 0) {
		api_unlock(api);
		return r;
	}
	r = wait_for(api, context, state, handle.within_ms, err);
	api_unpin(api);
	return r;
}

int mitogen_context_wait(mitogen_context context, mitogen_error *err)
{
	return wait_after(context, NULL, CONTEXT_READY, err);
}

int mitogen_context_shutdown(mitogen_context context, mitogen_error *err)
{
	return wait_after(context, ask_to_end, CONTEXT_GONE, err);
}

int mitogen_context_detach(mitogen_context context, mitogen_error *err)
{
	return wait_after(context, ask_to_let_go, CONTEXT_LOST, err);
}
