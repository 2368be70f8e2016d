/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/receiver.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "api/port.h"
#include "api/select.h"
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

static int fail_closed(mitogen_receiver handle, mitogen_error *err)
{
	if (handle.ref == 0)
		return api_fail_none(err, "receiver");
	return error_set(err, MITOGEN_ERR_CLOSED, "the receiver is closed");
}

struct latch *receiver_latch(struct api_router *api, mitogen_receiver handle, mitogen_error *err,
			     int *ret_code)
{
	struct latch *latch = NULL;
	struct receiver *receiver;

	broker_lock(&api->router->broker);
	receiver = receiver_find(api, handle);
	if (receiver)
		latch = latch_ref(receiver->latch);
	broker_unlock(&api->router->broker);
	if (latch)
		return latch;
	*ret_code = fail_closed(handle, err);
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
		fail_closed(handle, err);
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

int receiver_take(const struct api_router *api, struct latch *latch, mitogen_message **ret,
		  int timeout_ms, const char *closed, mitogen_error *err)
{
	struct mitogen_message *m = NULL;
	int r = timeout_ms > 0 ? api_check_wait(api, err) : 0;

	if (r < 0) {
		latch_unref(latch);
		return r;
	}
	r = latch_get(latch, timeout_ms > 0 ? clock_deadline(timeout_ms) : 0, &m);
	latch_unref(latch);
	if (r == LATCH_CLOSED)
		return error_set(err, MITOGEN_ERR_CLOSED, "%s", closed);
	if (r == LATCH_JOINED)
		return error_set(err, MITOGEN_ERR_USAGE,
				 "the receiver is in a select: its messages come from there");
	if (r == LATCH_MESSAGE) {
		mitogen_message_unref(*ret);
		*ret = m;
	}
	return r;
}

int receiver_poll(struct latch *latch, mitogen_error *err)
{
	int fd = latch_event_fd(latch);

	latch_unref(latch);
	return fd >= 0 ? fd : error_set_errno(err, "cannot make a descriptor to poll");
}

int mitogen_receiver_get(mitogen_receiver handle, mitogen_message **ret, int timeout_ms,
			 mitogen_error *err)
{
	int r = 0;
	struct api_router *api = api_pin(handle.router, err, &r);
	struct latch *latch;

	if (!api)
		return r;
	latch = receiver_latch(api, handle, err, &r);
	if (latch)
		r = receiver_take(api, latch, ret, timeout_ms, "the receiver is closed", err);
	api_unpin(api);
	return r;
}

int mitogen_receiver_fd(mitogen_receiver handle, mitogen_error *err)
{
	int r = 0;
	struct api_router *api = api_pin(handle.router, err, &r);
	struct latch *latch;

	if (!api)
		return r;
	latch = receiver_latch(api, handle, err, &r);
	if (latch)
		r = receiver_poll(latch, err);
	api_unpin(api);
	return r;
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
