/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/receiver.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "api/port.h"
#include "api/select.h"
#include "api/take.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "core/inbox.h"
#include "core/latch.h"
#include "core/router.h"

struct receiver *receiver_find(const struct api_router *api, mitogen_receiver handle)
{
	struct map_node *node =
		handle.router == api->ref ? map_get(&api->receivers, handle.ref) : NULL;

	return node ? MAP_OWNER(node, struct receiver, by_ref) : NULL;
}

mitogen_receiver receiver_handle(const struct api_router *api, const struct receiver *receiver)
{
	return (mitogen_receiver){.router = api->ref, .ref = receiver->by_ref.key};
}

static struct latch *find_latch(const struct api_router *api, uint32_t ref)
{
	const struct receiver *receiver =
		receiver_find(api, (mitogen_receiver){.router = api->ref, .ref = ref});

	return receiver ? receiver->latch : NULL;
}

static const struct take_kind kind = {"receiver", find_latch};

struct latch *receiver_latch(struct api_router *api, mitogen_receiver handle, mitogen_error *err,
			     int *ret_code)
{
	if (handle.ref == 0 || handle.router == api->ref)
		return take_latch(api, &kind, handle.ref, err, ret_code);
	*ret_code = take_fail(&kind, handle.ref, err);
	return NULL;
}

struct receiver *receiver_add(struct api_router *api)
{
	struct receiver *receiver = sys.calloc(1, sizeof(*receiver));

	if (!receiver)
		return NULL;
	receiver->latch = latch_new();
	receiver->api = api;
	if (receiver->latch && map_add(&api->receivers, &receiver->by_ref, ++api->last_ref) == 0) {
		receiver->latch->ref = receiver->by_ref.key;
		if (api->router->closing) /* nobody would close it any more */
			latch_close(receiver->latch, &api->router->broker.wakes);
		return receiver;
	}
	latch_unref(receiver->latch);
	sys.free(receiver);
	return NULL;
}

mitogen_receiver mitogen_receiver_new(mitogen_router router, mitogen_error *err)
{
	struct api_router *api = api_lock(router.ref, err, NULL);
	mitogen_receiver handle = {0};
	struct receiver *receiver;

	if (!api)
		return handle;
	receiver = receiver_add(api);
	if (receiver)
		handle = receiver_handle(api, receiver);
	else
		error_set_memory(err);
	api_unlock(api);
	return handle;
}

/* ---- Its port ---- */

void receiver_put(struct inbox *inbox, struct mitogen_message *m)
{
	struct receiver *receiver = LIST_OWNER(inbox, struct receiver, inbox);
	uint32_t source_ref = m->source_ref;
	size_t size = m->size;

	m->released = port_value_released;
	/* nobody must wait for a receiver that is closed */
	if (!latch_put(receiver->latch, m, &inbox->router->broker.wakes))
		inbox_released(inbox->router, source_ref, size);
}

int receiver_open_port(struct receiver *receiver, struct router *router, uint32_t number,
		       const struct inbox_ops *ops, struct context *respondent)
{
	int r = inbox_open(router, &receiver->inbox, number, ops, respondent);

	receiver->has_port = r == 0;
	return r;
}

static int open_port(struct receiver *receiver, const mitogen_port_options *options,
		     mitogen_error *err)
{
	static const struct inbox_ops ops = {.put = receiver_put};
	int r;

	if (receiver->has_port)
		return error_set(err, MITOGEN_ERR_USAGE, "the receiver has a port already");
	r = port_open(receiver->api, &receiver->inbox, &ops, options, err);
	receiver->has_port = r == 0;
	return r;
}

/* options NULL: any port will do, one that is there already too. */
static mitogen_sender sender_of(mitogen_receiver handle, const mitogen_port_options *options,
				mitogen_error *err)
{
	static const mitogen_port_options defaults = {.size = sizeof(defaults)};
	struct api_router *api = api_lock(handle.router, err, NULL);
	struct receiver *receiver;
	mitogen_sender sender = {0};

	if (!api)
		return sender;
	receiver = receiver_find(api, handle);
	if (!receiver)
		take_fail(&kind, handle.ref, err);
	else if ((!options && receiver->has_port) ||
		 open_port(receiver, options ? options : &defaults, err) == 0)
		sender = (mitogen_sender){.router = api->ref,
					  .context = api->router->id,
					  .handle = receiver->inbox.handle.by_number.key};
	api_unlock(api);
	return sender;
}

mitogen_sender mitogen_receiver_sender(mitogen_receiver receiver, mitogen_error *err)
{
	return sender_of(receiver, NULL, err);
}

mitogen_sender mitogen_receiver_listen_with(mitogen_receiver receiver,
					    const mitogen_port_options *options, mitogen_error *err)
{
	static const mitogen_port_options defaults = {.size = sizeof(defaults)};

	return sender_of(receiver, options ? options : &defaults, err);
}

/* ---- Taking from it ---- */

int mitogen_receiver_get(mitogen_receiver handle, mitogen_message **ret, int timeout_ms,
			 mitogen_error *err)
{
	return take_message(handle.router, &kind, handle.ref, ret, timeout_ms, err);
}

int mitogen_receiver_fd(mitogen_receiver handle, mitogen_error *err)
{
	return take_fd(handle.router, &kind, handle.ref, err);
}

/* ---- The end ---- */

/* Frees it but for its latch, to which the reference is handed over. */
static struct latch *close_one(struct api_router *api, struct receiver *receiver)
{
	struct latch *latch = receiver->latch;

	select_forget(receiver);
	if (receiver->has_port)
		inbox_close(&receiver->inbox);
	latch_close(latch, &api->router->broker.wakes);
	map_remove(&api->receivers, &receiver->by_ref);
	sys.free(receiver->function);
	sys.free(receiver);
	return latch;
}

void receiver_drop(struct api_router *api, struct receiver *receiver)
{
	struct latch *latch = close_one(api, receiver);
	struct mitogen_message *m;

	while (latch_get(latch, clock_deadline(0), &m) == LATCH_MESSAGE)
		message_release(api->router, m);
	latch_unref(latch);
}

void mitogen_receiver_close(mitogen_receiver handle)
{
	struct api_router *api = api_lock(handle.router, NULL, NULL);
	struct receiver *receiver;
	struct latch *latch = NULL;
	struct mitogen_message *m;

	if (!api)
		return;
	receiver = receiver_find(api, handle);
	if (receiver)
		latch = close_one(api, receiver);
	api_unlock(api);
	/* nobody must wait for it to be read; and not all of it under one lock */
	while (latch && latch_get(latch, clock_deadline(0), &m) == LATCH_MESSAGE)
		mitogen_message_unref(m);
	latch_unref(latch);
}

void receivers_close(struct api_router *api)
{
	for (struct map_node *node = NULL; (node = map_next(&api->receivers, node)) != NULL;)
		latch_close(MAP_OWNER(node, struct receiver, by_ref)->latch,
			    &api->router->broker.wakes);
}

void receivers_clear(struct api_router *api)
{
	struct map_node *node;

	while ((node = map_first(&api->receivers)) != NULL)
		latch_unref(close_one(api, MAP_OWNER(node, struct receiver, by_ref)));
	map_clear(&api->receivers);
}
