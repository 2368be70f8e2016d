/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/receiver.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "core/inbox.h"
#include "core/latch.h"
#include "core/router.h"

struct receiver {
	struct map_node by_ref;
	struct latch *latch;
	bool has_port;
	struct inbox inbox; /* what is sent to the port */
};

static struct receiver *find(const struct api_router *api, uint32_t ref)
{
	struct map_node *node = map_get(&api->receivers, ref);

	return node ? MAP_OWNER(node, struct receiver, by_ref) : NULL;
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
	receiver = handle.router == api->ref ? find(api, handle.ref) : NULL;
	if (receiver)
		latch = latch_ref(receiver->latch);
	broker_unlock(&api->router->broker);
	if (latch)
		return latch;
	*ret_code = fail_closed(handle, err);
	return NULL;
}

mitogen_receiver mitogen_receiver_new(mitogen_router router, mitogen_error *err)
{
	struct api_router *api = api_lock(router.ref, err, NULL);
	mitogen_receiver handle = {0};
	struct receiver *receiver;

	if (!api)
		return handle;
	receiver = sys.calloc(1, sizeof(*receiver));
	if (receiver)
		receiver->latch = latch_new();
	if (receiver && receiver->latch &&
	    map_add(&api->receivers, &receiver->by_ref, ++api->last_ref) == 0) {
		handle = (mitogen_receiver){.router = api->ref, .ref = receiver->by_ref.key};
	} else {
		error_set_memory(err);
		if (receiver)
			latch_unref(receiver->latch);
		sys.free(receiver);
	}
	api_unlock(api);
	return handle;
}

/* ---- Its port ---- */

/* The user has done with what was sent: there is room for as much again. */
static void value_released(const struct mitogen_message *m)
{
	struct api_router *api = api_lock(m->router_ref, NULL, NULL);

	if (!api)
		return;
	inbox_released(api->router, m->source_ref, m->size);
	api_unlock(api);
}

static void put_value(struct inbox *inbox, struct mitogen_message *m)
{
	struct receiver *receiver = LIST_OWNER(inbox, struct receiver, inbox);
	uint32_t source_ref = m->source_ref;
	size_t size = m->size;

	m->released = value_released;
	/* nobody must wait for a receiver that is closed */
	if (!latch_put(receiver->latch, m, &inbox->router->broker.wakes))
		inbox_released(inbox->router, source_ref, size);
}

static const struct inbox_ops port_ops = {.put = put_value};

mitogen_sender mitogen_receiver_sender(mitogen_receiver handle, mitogen_error *err)
{
	struct api_router *api = api_lock(handle.router, err, NULL);
	struct receiver *receiver;
	mitogen_sender sender = {0};

	if (!api)
		return sender;
	receiver = find(api, handle.ref);
	if (!receiver)
		fail_closed(handle, err);
	else if (!receiver->has_port &&
		 inbox_open(api->router, &receiver->inbox, 0, &port_ops, NULL) < 0)
		error_set_memory(err);
	else
		receiver->has_port = true;
	if (receiver && receiver->has_port)
		sender = (mitogen_sender){.router = api->ref,
					  .context = api->router->id,
					  .handle = receiver->inbox.handle.by_number.key};
	api_unlock(api);
	return sender;
}

/* ---- Taking from it ---- */

int mitogen_receiver_get(mitogen_receiver handle, mitogen_message **ret, int timeout_ms,
			 mitogen_error *err)
{
	int r = 0;
	struct api_router *api = api_pin(handle.router, err, &r);
	struct mitogen_message *m = NULL;
	struct latch *latch;

	if (!api)
		return r;
	latch = receiver_latch(api, handle, err, &r);
	if (latch && timeout_ms > 0)
		r = api_check_wait(api, err);
	if (!latch || r < 0)
		goto out;
	r = latch_get(latch, timeout_ms > 0 ? clock_deadline(timeout_ms) : 0, &m);
	if (r == LATCH_CLOSED) {
		r = error_set(err, MITOGEN_ERR_CLOSED, "the receiver is closed");
	} else if (r == LATCH_MESSAGE) {
		message_release(*ret);
		*ret = m;
	}
out:
	latch_unref(latch);
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
	if (latch) {
		r = latch_event_fd(latch);
		if (r < 0)
			r = error_set_errno(err, "cannot make a descriptor for the receiver");
	}
	latch_unref(latch);
	api_unpin(api);
	return r;
}

/* ---- The end ---- */

static void close_one(struct api_router *api, struct receiver *receiver)
{
	if (receiver->has_port)
		inbox_close(&receiver->inbox);
	latch_close(receiver->latch, &api->router->broker.wakes);
	latch_unref(receiver->latch);
	map_remove(&api->receivers, &receiver->by_ref);
	sys.free(receiver);
}

void mitogen_receiver_close(mitogen_receiver handle)
{
	struct api_router *api = api_lock(handle.router, NULL, NULL);
	struct receiver *receiver;
	struct latch *latch = NULL;
	struct mitogen_message *m;

	if (!api)
		return;
	receiver = find(api, handle.ref);
	if (receiver) {
		latch = latch_ref(receiver->latch);
		close_one(api, receiver);
	}
	api_unlock(api);
	/* a program must not wait for it to be read */
	while (latch && latch_get(latch, clock_deadline(0), &m) == LATCH_MESSAGE)
		message_release(m);
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

	while ((node = map_next(&api->receivers, NULL)) != NULL)
		close_one(api, MAP_OWNER(node, struct receiver, by_ref));
	map_clear(&api->receivers);
}
