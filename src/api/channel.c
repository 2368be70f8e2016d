/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/channel.h"

#include <mitogen/mitogen.h>

#include "api/call.h"
#include "api/chain.h"
#include "api/handle.h"
#include "api/port.h"
#include "api/receiver.h"
#include "base/error.h"
#include "base/sys.h"
#include "core/context.h"
#include "core/latch.h"
#include "core/outbox.h"
#include "core/router.h"
#include "wire/handles.h"

/* ---- At the caller ---- */

/* What the function sends, then its result or one failure, and nothing behind that. */
static void put_at_caller(struct inbox *inbox, struct mitogen_message *m)
{
	struct receiver *receiver = LIST_OWNER(inbox, struct receiver, inbox);
	bool is_last = m->failure || m->header.reply_to == 0;

	if (is_last)
		m->event = MITOGEN_EVENT_RESULT;
	receiver_put(inbox, m);
	if (!is_last)
		return;
	latch_close(receiver->latch, &inbox->router->broker.wakes);
	receiver->has_port = false;
	inbox_close(inbox);
}

static const struct inbox_ops caller_ops = {.put = put_at_caller};

/* To a context that is lost already: the result is there at once. 0, or MITOGEN_ERR_MEMORY. */
static int put_loss(struct receiver *receiver, const struct context *context)
{
	struct mitogen_message *m = message_new(0);
	mitogen_error why;

	if (!m)
		return MITOGEN_ERR_MEMORY;
	context_loss(context, &why);
	error_set_where(&why, context->path, receiver->function);
	error_prefix(&why, "%s: ", why.where);
	m->header.src_id = context->id;
	m->router_ref = receiver->api->ref;
	message_set_failure(m, &why);
	put_at_caller(&receiver->inbox, m);
	return 0;
}

/* Opens the port, for the callee alone. 0, or a code. */
static int open_port_at_caller(struct receiver *receiver, const char *name, struct context *context)
{
	bool is_lost = context->state >= CONTEXT_LOST;
	int r;

	receiver->function = sys_strdup(name);
	if (!receiver->function)
		return MITOGEN_ERR_MEMORY;
	r = receiver_open_port(receiver, receiver->api->router, 0, &caller_ops,
			       is_lost ? NULL : context);
	if (r < 0)
		return r;
	receiver->inbox.function = receiver->function;
	return is_lost ? put_loss(receiver, context) : 0;
}

/* The caller's end, before the call is sent. NULL with err and *ret_code set. */
static struct receiver *open_at_caller(struct api_router *api, struct context *context,
				       const char *name, mitogen_error *err, int *ret_code)
{
	struct receiver *receiver;
	int r;

	if (context->id == api->router->id) {
		*ret_code = error_set(err, MITOGEN_ERR_USAGE,
				      "%s: a process has no channel to itself", name);
		return NULL;
	}
	receiver = receiver_add(api);
	r = receiver ? open_port_at_caller(receiver, name, context) : MITOGEN_ERR_MEMORY;
	if (r == 0)
		return receiver;
	if (receiver)
		receiver_drop(api, receiver);
	*ret_code = port_fail(err, r);
	error_prefix(err, "%s: ", name);
	return NULL;
}

static mitogen_channel channel_of(const struct api_router *api, const struct receiver *receiver,
				  uint32_t other_id)
{
	return (mitogen_channel){
		.rx = receiver_handle(api, receiver),
		.tx = {.router = api->ref,
		       .context = other_id,
		       .handle = receiver->inbox.handle.by_number.key},
	};
}

/* Opens the caller's end and fills in where the answer goes. 0 and *ret, or a code. */
static int prepare(mitogen_context handle, const char *name, struct mitogen_message *request,
		   mitogen_channel *ret, mitogen_error *err)
{
	struct context *context;
	struct receiver *receiver;
	int r = 0;
	struct api_router *api = api_lock_context(handle, &context, err, &r);

	if (!api)
		return r;
	receiver = open_at_caller(api, context, name, err, &r);
	if (receiver) {
		*ret = channel_of(api, receiver, context->id);
		request->header.reply_to = ret->tx.handle;
	}
	api_unlock(api);
	return r;
}

mitogen_channel mitogen_channel_open_with(mitogen_context handle, mitogen_function *function,
					  const char *name, mitogen_error *err,
					  const mitogen_value *values, size_t count)
{
	int r = MITOGEN_ERR_UNKNOWN;
	struct api_router *api = api_pin(handle.router, err, NULL);
	mitogen_channel none = {0}, channel = none;
	struct mitogen_message *request = NULL;

	if (!api)
		return none;
	name = call_name(function, name, err);
	if (name)
		request = call_request(api, handle, name, true, values, count, err, &r);
	if (request)
		r = prepare(handle, name, request, &channel, err);
	if (request && r < 0)
		message_unref(request);
	else if (request)
		r = call_send(api, handle, request, name, NULL, false, NULL, err);
	if (r < 0) {
		mitogen_receiver_close(channel.rx);
		chain_skip(api, handle);
		channel = none;
	}
	channel.tx.within_ms = handle.within_ms;
	api_unpin(api);
	return channel;
}

/* ---- At the function ---- */

static int open_at_function(struct router *router, struct mitogen_message *call, mitogen_error *err)
{
	static const struct inbox_ops ops = {.put = receiver_put};
	struct api_router *api = api_of(router);
	struct context *caller = context_of_id(router, call->header.src_id);
	struct receiver *receiver;
	int r;

	if (call->header.reply_to < HANDLE_FIRST_RANDOM)
		return error_set(err, MITOGEN_ERR_ARGUMENT, "handle %u cannot be a channel's",
				 call->header.reply_to);
	receiver = caller ? receiver_add(api) : NULL;
	if (!receiver)
		return error_set_memory(err);
	r = receiver_open_port(receiver, router, call->header.reply_to, &ops, caller);
	if (r == 0) {
		call->receiver_ref = receiver->by_ref.key;
		return 0;
	}
	receiver_drop(api, receiver);
	if (r != MITOGEN_ERR_USAGE)
		return port_fail(err, r);
	return error_set(err, r, "the number of its channel is taken here; call again");
}

static void close_at_function(struct router *router, struct mitogen_message *call)
{
	struct api_router *api = api_of(router);
	mitogen_receiver handle = {.router = api->ref, .ref = call->receiver_ref};
	struct receiver *receiver = receiver_find(api, handle);

	if (receiver)
		receiver_drop(api, receiver);
	outbox_fail(router, call->header.src_id, call->header.reply_to);
}

const struct channel_ops channel_ops = {.open = open_at_function, .close = close_at_function};

mitogen_channel mitogen_message_channel(const mitogen_message *m)
{
	if (!m || !m->has_channel)
		return (mitogen_channel){0};
	return (mitogen_channel){
		.rx = {.router = m->router_ref, .ref = m->receiver_ref},
		.tx = {.router = m->router_ref,
		       .context = m->header.src_id,
		       .handle = m->header.reply_to},
	};
}

/* ---- At both ---- */

void mitogen_channel_close(mitogen_channel channel)
{
	struct api_router *api = channel.tx.handle ? api_lock(channel.tx.router, NULL, NULL) : NULL;

	if (api) {
		outbox_close(api->router, channel.tx.context, channel.tx.handle, true);
		api_unlock(api);
	}
	mitogen_receiver_close(channel.rx);
}
