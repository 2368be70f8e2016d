/* SPDX-License-Identifier: BSD-3-Clause */
#include <mitogen/mitogen.h>
#include <stdio.h>

#include "api/handle.h"
#include "base/clock.h"
#include "base/error.h"
#include "connect/via.h"
#include "core/call.h"
#include "core/context.h"
#include "core/latch.h"
#include "core/router.h"

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

/* May we end it, who have not started it: is it below us, or below whom we have joined? */
static bool may_end(const struct api_router *api, const struct context *context)
{
	const struct router *router = api->router;

	return api_is_below(api, context) ||
	       (router->join && router->parent && !router_is_ancestor(router, context->id));
}

/* One that somebody else has started below us: its end comes as the loss of its route. */
static int send_shutdown(struct api_router *api, const struct context *context, mitogen_error *err)
{
	if (!may_end(api, context))
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
