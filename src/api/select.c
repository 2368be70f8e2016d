/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/select.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "api/receiver.h"
#include "api/take.h"
#include "base/error.h"
#include "base/sys.h"
#include "core/latch.h"
#include "core/router.h"

struct select {
	struct map_node by_ref;
	struct latch *latch;
	struct list members; /* struct receiver */
};

static struct select *find(const struct api_router *api, uint32_t ref)
{
	struct map_node *node = map_get(&api->selects, ref);

	return node ? MAP_OWNER(node, struct select, by_ref) : NULL;
}

static struct latch *find_latch(const struct api_router *api, uint32_t ref)
{
	const struct select *select = find(api, ref);

	return select ? select->latch : NULL;
}

static const struct take_kind kind = {"select", find_latch};

mitogen_select mitogen_select_new(mitogen_router router, mitogen_error *err)
{
	struct api_router *api = api_lock(router.ref, err, NULL);
	mitogen_select handle = {0};
	struct select *select;

	if (!api)
		return handle;
	select = sys.calloc(1, sizeof(*select));
	if (select)
		select->latch = latch_new();
	if (select && select->latch &&
	    map_add(&api->selects, &select->by_ref, ++api->last_ref) == 0) {
		list_init(&select->members);
		if (api->router->closing) /* nobody would close it any more */
			latch_close(select->latch, &api->router->broker.wakes);
		handle = (mitogen_select){.router = api->ref, .ref = select->by_ref.key};
	} else {
		error_set_memory(err);
		if (select)
			latch_unref(select->latch);
		sys.free(select);
	}
	api_unlock(api);
	return handle;
}

/* ---- Members ---- */

/* Both of one router. Returns locked, or NULL with err and *ret_code set. */
static struct api_router *lock_both(mitogen_select handle, mitogen_receiver member,
				    struct select **ret_select, struct receiver **ret_receiver,
				    mitogen_error *err, int *ret_code)
{
	struct api_router *api;

	if (member.ref == 0) {
		*ret_code = api_fail_none(err, "receiver");
		return NULL;
	}
	api = api_lock(handle.router, err, ret_code);
	if (!api)
		return NULL;
	*ret_select = find(api, handle.ref);
	*ret_receiver = receiver_find(api, member);
	if (*ret_select && *ret_receiver)
		return api;
	if (!*ret_select)
		*ret_code = take_fail(&kind, handle.ref, err);
	else if (member.router != handle.router)
		*ret_code = error_set(err, MITOGEN_ERR_USAGE,
				      "the receiver is of another router than the select");
	else
		*ret_code = error_set(err, MITOGEN_ERR_CLOSED, "the receiver is closed");
	api_unlock(api);
	return NULL;
}

int mitogen_select_add(mitogen_select handle, mitogen_receiver member, mitogen_error *err)
{
	struct receiver *receiver;
	struct select *select;
	int r = 0;
	struct api_router *api = lock_both(handle, member, &select, &receiver, err, &r);

	if (!api)
		return r;
	if (receiver->select) {
		r = error_set(err, MITOGEN_ERR_USAGE,
			      "the receiver is in %s select already; a receiver is in one at most",
			      receiver->select == select ? "this" : "another");
	} else {
		receiver->select = select;
		list_append(&select->members, &receiver->of_select);
		latch_join(receiver->latch, select->latch, &api->router->broker.wakes);
	}
	api_unlock(api);
	return r;
}

void select_forget(struct receiver *receiver)
{
	if (!receiver->select)
		return;
	latch_leave(receiver->latch, &receiver->api->router->broker.wakes);
	list_remove(&receiver->of_select);
	receiver->select = NULL;
}

int mitogen_select_remove(mitogen_select handle, mitogen_receiver member, mitogen_error *err)
{
	struct receiver *receiver;
	struct select *select;
	int r = 0;
	struct api_router *api = lock_both(handle, member, &select, &receiver, err, &r);

	if (!api)
		return r;
	if (receiver->select == select)
		select_forget(receiver);
	else
		r = error_set(err, MITOGEN_ERR_USAGE, "the receiver is not in this select");
	api_unlock(api);
	return r;
}

/* ---- Taking from it ---- */

int mitogen_select_get(mitogen_select handle, mitogen_message **ret, int timeout_ms,
		       mitogen_error *err)
{
	return take_message(handle.router, &kind, handle.ref, ret, timeout_ms, err);
}

int mitogen_select_fd(mitogen_select handle, mitogen_error *err)
{
	return take_fd(handle.router, &kind, handle.ref, err);
}

/* ---- The end ---- */

static void close_one(struct api_router *api, struct select *select)
{
	while (!list_is_empty(&select->members))
		select_forget(LIST_OWNER(select->members.next, struct receiver, of_select));
	latch_close(select->latch, &api->router->broker.wakes);
	latch_unref(select->latch);
	map_remove(&api->selects, &select->by_ref);
	sys.free(select);
}

void mitogen_select_close(mitogen_select handle)
{
	struct api_router *api = api_lock(handle.router, NULL, NULL);
	struct select *select;

	if (!api)
		return;
	select = find(api, handle.ref);
	if (select)
		close_one(api, select);
	api_unlock(api);
}

void selects_close(struct api_router *api)
{
	for (struct map_node *node = NULL; (node = map_next(&api->selects, node)) != NULL;)
		latch_close(MAP_OWNER(node, struct select, by_ref)->latch,
			    &api->router->broker.wakes);
}

void selects_clear(struct api_router *api)
{
	struct map_node *node;

	while ((node = map_first(&api->selects)) != NULL)
		close_one(api, MAP_OWNER(node, struct select, by_ref));
	map_clear(&api->selects);
}
