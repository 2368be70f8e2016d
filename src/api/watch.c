/* SPDX-License-Identifier: BSD-3-Clause */
#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "api/receiver.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "core/context.h"
#include "core/handles.h"
#include "core/latch.h"
#include "core/router.h"

struct watch {
	struct handle handle; /* to which nothing comes but the loss */
	const struct context *context;
	struct latch *latch;
	struct mitogen_message *m; /* that will say so, even without memory */
};

static void destroy(struct watch *watch)
{
	message_unref(watch->m);
	latch_unref(watch->latch);
	sys.free(watch);
}

ERROR_PATH static void lost(struct router *router, struct handle *handle, const mitogen_error *why)
{
	struct watch *watch = LIST_OWNER(handle, struct watch, handle);

	mitogen_error error = *why;

	handles_unbind(handle);
	error_set_where(&error, watch->context->path, NULL);
	error_prefix(&error, "%s: ", watch->context->path);
	message_set_failure(watch->m, &error);
	latch_put(watch->latch, TAKE_PTR(watch->m), &router->broker.wakes);
	destroy(watch);
}

static const struct handle_ops ops = {.lost = lost};

/* Takes the latch over. NULL: no memory. */
static struct watch *new_watch(const struct router *router, const struct context *context,
			       struct latch *latch, void *tag)
{
	struct watch *watch = sys.calloc(1, sizeof(*watch));
	struct mitogen_message *m = message_new(0);

	if (!watch || !m) {
		sys.free(watch);
		message_unref(m);
		latch_unref(latch);
		return NULL;
	}
	m->header.src_id = context->id;
	m->router_ref = router->api_ref;
	m->tag = tag;
	*watch = (struct watch){.context = context, .latch = latch, .m = m};
	return watch;
}

/* Router lock. */
static int start(struct api_router *api, struct context *context, struct latch *latch, void *tag,
		 mitogen_error *err)
{
	struct watch *watch = new_watch(api->router, context, latch, tag);
	mitogen_error why;

	if (!watch)
		return error_set_memory(err);
	handles_bind(&watch->handle, &ops, context);
	if (context->state >= CONTEXT_LOST) {
		context_loss(context, &why);
		lost(api->router, &watch->handle, &why);
	}
	return 0;
}

/* The same. */
static int watch(struct api_router *api, struct context *context, mitogen_receiver handle,
		 void *tag, mitogen_error *err)
{
	const struct receiver *receiver = receiver_find(api, handle);

	if (api->router->closing)
		return error_set(err, MITOGEN_ERR_CLOSED, "the router is closed");
	if (handle.ref == 0)
		return api_fail_none(err, "receiver");
	if (!receiver)
		return error_set(err, MITOGEN_ERR_CLOSED, "the receiver is closed");
	return start(api, context, latch_ref(receiver->latch), tag, err);
}

int mitogen_context_watch(mitogen_context handle, mitogen_receiver receiver, void *tag,
			  mitogen_error *err)
{
	struct context *context = NULL;
	int r = 0;
	struct api_router *api = api_lock_context(handle, &context, err, &r);

	if (!api)
		return r;
	r = watch(api, context, receiver, tag, err);
	api_unlock(api);
	return r;
}
