/* SPDX-License-Identifier: BSD-3-Clause */
#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "api/port.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/sys.h"
#include "core/inbox.h"
#include "core/message.h"
#include "core/router.h"

#define BATCH 64 /* calls, then the broker looks at everything else */

struct handler {
	struct inbox inbox;
	struct resident resident; /* the router does not end before its last call */
	struct router *router;
	mitogen_handler_function *function;
	void *user;
	struct list queue;
	struct task task;
	struct mitogen_message *current, *last;
	bool is_closed;
};

/* ---- Calls, on the broker thread ---- */

static void call(void *argument)
{
	struct handler *handler = argument;

	handler->function(handler->current, handler->user);
}

static void call_with(struct handler *handler, struct mitogen_message *m)
{
	struct router *router = handler->router;

	handler->current = m;
	broker_call_out(&router->broker, call, handler);
	message_release(router, m);
}

static void drop_queue(struct handler *handler)
{
	for (struct list *node; (node = list_pop(&handler->queue)) != NULL;)
		message_release(handler->router, LIST_OWNER(node, struct mitogen_message, link));
}

/* Nothing can come any more: the last call. */
static void finish(struct handler *handler)
{
	struct router *router = handler->router;

	call_with(handler, handler->last);
	list_remove(&handler->task.link);
	router_remove_resident(router, &handler->resident);
	sys.free(handler);
}

static void run(struct task *task)
{
	struct handler *handler = LIST_OWNER(task, struct handler, task);
	struct list *node;

	for (int i = 0; i < BATCH && (node = list_pop(&handler->queue)) != NULL; i++)
		call_with(handler, LIST_OWNER(node, struct mitogen_message, link));
	if (handler->is_closed)
		finish(handler);
	else if (!list_is_empty(&handler->queue))
		broker_defer(&handler->router->broker, task);
}

static void put(struct inbox *inbox, struct mitogen_message *m)
{
	struct handler *handler = LIST_OWNER(inbox, struct handler, inbox);

	m->released = port_value_released;
	list_append(&handler->queue, &m->link);
	broker_defer(&inbox->router->broker, &handler->task);
}

static const struct inbox_ops ops = {.put = put};

/* ---- The end ---- */

/* What is not called yet is dropped, like all that comes from now on. */
static void close_one(struct handler *handler)
{
	if (handler->is_closed)
		return;
	handler->is_closed = true;
	inbox_close(&handler->inbox);
	drop_queue(handler);
	broker_defer(&handler->router->broker, &handler->task);
}

static void close_resident(struct resident *resident, bool urgent)
{
	(void)urgent;
	close_one(LIST_OWNER(resident, struct handler, resident));
}

void mitogen_handler_close(mitogen_handler handle)
{
	struct api_router *api = api_lock(handle.router, NULL, NULL);
	struct inbox *inbox;

	if (!api)
		return;
	inbox = inbox_at(api->router, handle.ref);
	if (inbox && inbox->ops == &ops)
		close_one(LIST_OWNER(inbox, struct handler, inbox));
	api_unlock(api);
}

/* ---- The beginning ---- */

static struct mitogen_message *make_last(const struct router *router)
{
	static const mitogen_error closed = {.code = MITOGEN_ERR_CLOSED,
					     .text = "the handler is closed"};
	struct mitogen_message *m = message_new(0);

	if (!m)
		return NULL;
	m->header.src_id = router->id;
	m->router_ref = router->api_ref;
	m->event = MITOGEN_EVENT_CLOSED;
	message_set_failure(m, &closed);
	if (message_failure(m)->code == closed.code)
		return m;
	message_unref(m); /* there was no memory for the text */
	return NULL;
}

/* Router lock. NULL with err set. */
static struct handler *new_handler(struct api_router *api, mitogen_handler_function *function,
				   const mitogen_port_options *options, mitogen_error *err)
{
	struct handler *handler = sys.calloc(1, sizeof(*handler));

	if (!handler) {
		error_set_memory(err);
		return NULL;
	}
	handler->router = api->router;
	handler->function = function;
	handler->user = options->user;
	list_init(&handler->queue);
	handler->task.run = run;
	handler->resident.close = close_resident;
	handler->last = make_last(api->router);
	if (!handler->last)
		error_set_memory(err);
	else if (port_open(api, &handler->inbox, &ops, options, err) == 0)
		return handler;
	message_unref(handler->last);
	sys.free(handler);
	return NULL;
}

mitogen_handler mitogen_handler_new_with(mitogen_router router, mitogen_handler_function *function,
					 const mitogen_port_options *options, mitogen_error *err)
{
	static const mitogen_port_options defaults = {.size = sizeof(defaults)};
	struct api_router *api = api_lock(router.ref, err, NULL);
	mitogen_handler handle = {0};
	struct handler *handler;

	if (!api)
		return handle;
	if (api->router->closing) {
		error_set(err, MITOGEN_ERR_CLOSED, "the router is closed");
	} else if ((handler = new_handler(api, function, options ? options : &defaults, err))) {
		router_add_resident(api->router, &handler->resident);
		handle = (mitogen_handler){.router = api->ref,
					   .ref = handler->inbox.handle.by_number.key};
	}
	api_unlock(api);
	return handle;
}

mitogen_sender mitogen_handler_sender(mitogen_handler handle)
{
	struct api_router *api = api_lock(handle.router, NULL, NULL);
	mitogen_sender sender = {0};

	if (!api)
		return sender;
	sender = (mitogen_sender){
		.router = api->ref, .context = api->router->id, .handle = handle.ref};
	api_unlock(api);
	return sender;
}
