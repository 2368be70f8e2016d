/* SPDX-License-Identifier: BSD-3-Clause */
#include <mitogen/mitogen.h>
#include <stdio.h>

#include "api/handle.h"
#include "base/clock.h"
#include "base/error.h"
#include "connect/methods.h"
#include "core/context.h"
#include "core/latch.h"
#include "core/router.h"

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

mitogen_context mitogen_within(mitogen_context context, int timeout_ms)
{
	/* 0 stands for no limit inside, and "do not wait" is the nearest thing to nothing */
	context.within_ms = timeout_ms == MITOGEN_FOREVER ? 0 : timeout_ms > 0 ? timeout_ms : -1;
	return context;
}

mitogen_context mitogen_local_with(mitogen_context via, const mitogen_local_options *options,
				   mitogen_error *err)
{
	static const mitogen_local_options defaults = {.size = sizeof(defaults)};
	struct context *context, *child = NULL;
	struct api_router *api = api_lock_context(via, &context, err, NULL);
	mitogen_context none = {0}, handle = none;

	if (!api)
		return none;
	if (!options)
		options = &defaults;
	if (options->size != sizeof(*options)) {
		error_set(err, MITOGEN_ERR_USAGE,
			  "the options are of another version of the library");
	} else if (context->id != api->router->id) {
		error_set(err, MITOGEN_ERR_USAGE,
			  "a context can be started from this process only, not via %s",
			  context->path);
	} else {
		struct connect_options connect = {
			.name = options->name,
			.image = options->image ? options->image : api->image,
			.connect_timeout_ms = options->connect_timeout_ms
						      ? options->connect_timeout_ms
						      : CONNECT_MS,
			.shutdown_ms = api->shutdown_ms,
		};

		if (connection_start(api->router, &connect_local, &connect, &child, err) == 0)
			handle = api_context_handle(api->router, child);
	}
	api_unlock(api);
	return handle;
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

int mitogen_context_wait(mitogen_context handle, mitogen_error *err)
{
	struct context *context = NULL;
	int r = 0;
	struct api_router *api = api_lock_context(handle, &context, err, &r);

	if (!api)
		return r;
	r = wait_for(api, context, CONTEXT_READY, handle.within_ms, err);
	api_unpin(api);
	return r;
}

int mitogen_context_shutdown(mitogen_context handle, mitogen_error *err)
{
	struct context *context = NULL;
	int r = 0;
	struct api_router *api = api_lock_context(handle, &context, err, &r);

	if (!api)
		return r;
	if (!context->connection && context->state < CONTEXT_LOST) {
		r = error_set(err, MITOGEN_ERR_USAGE, "%s is no child of this process",
			      context->path);
		api_unlock(api);
		return r;
	}
	connection_shutdown(api->router, context);
	r = wait_for(api, context, CONTEXT_GONE, handle.within_ms, err);
	api_unpin(api);
	return r;
}
