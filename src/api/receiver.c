/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/receiver.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "core/latch.h"
#include "core/router.h"

struct receiver {
	struct map_node by_ref;
	struct latch *latch;
};

static struct receiver *find(const struct api_router *api, uint32_t ref)
{
	struct map_node *node = map_get(&api->receivers, ref);

	return node ? MAP_OWNER(node, struct receiver, by_ref) : NULL;
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
	*ret_code = handle.ref == 0 ? api_fail_none(err, "receiver")
				    : error_set(err, MITOGEN_ERR_CLOSED, "the receiver is closed");
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
	if (!latch)
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

static void close_one(struct api_router *api, struct receiver *receiver)
{
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
