/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/outbox.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sys.h"
#include "core/context.h"
#include "core/latch.h"
#include "core/router.h"
#include "wire/handles.h"

static void room(struct outflow *flow);

static bool has_failed(const struct outbox *outbox)
{
	return list_is_linked(&outbox->failed);
}

/* ---- Waiting ---- */

static void wake(struct outbox *outbox, bool is_closed)
{
	for (struct list *node; (node = list_pop(&outbox->waiters)) != NULL;) {
		struct outbox_waiter *waiter = LIST_OWNER(node, struct outbox_waiter, link);

		waiter->is_closed = is_closed;
		latch_close(waiter->latch, &outbox->router->broker.wakes);
	}
}

static void room(struct outflow *flow)
{
	wake(LIST_OWNER(flow, struct outbox, flow), false);
}

int outbox_wait(struct outbox *outbox, struct outbox_waiter *waiter)
{
	*waiter = (struct outbox_waiter){.latch = latch_new()};
	if (!waiter->latch)
		return MITOGEN_ERR_MEMORY;
	list_append(&outbox->waiters, &waiter->link);
	return 0;
}

void outbox_leave(struct outbox_waiter *waiter)
{
	list_remove(&waiter->link);
	latch_unref(waiter->latch);
}

/* ---- The end ---- */

static void destroy(struct outbox *outbox)
{
	if (has_failed(outbox)) {
		list_remove(&outbox->failed);
		outbox->router->outboxes.failed_count--;
	} else {
		handles_remove(outbox->router, &outbox->reply);
		outflow_close(&outbox->flow);
	}
	message_unref(outbox->end);
	sys.free(outbox->why);
	sys.free(outbox);
}

/* Nothing is sent any more; it only says why. NULL: it was closed. */
static void keep_failed(struct outbox *outbox, const mitogen_error *why)
{
	struct outboxes *outboxes = &outbox->router->outboxes;

	handles_remove(outbox->router, &outbox->reply);
	outflow_close(&outbox->flow);
	outbox->why = why ? sys.malloc(sizeof(*why)) : NULL;
	if (outbox->why)
		*outbox->why = *why;
	list_append(&outboxes->failed, &outbox->failed);
	wake(outbox, !why);
	if (++outboxes->failed_count > OUTBOXES_FAILED_MAX)
		destroy(LIST_OWNER(outboxes->failed.next, struct outbox, failed));
}

static void send_end(struct outbox *outbox, struct mitogen_message *m)
{
	m->header.kind = FRAME_DEAD;
	m->header.flags = FRAME_BULK;
	m->header.dst_id = outbox->flow.dst_id;
	m->header.handle = outbox->flow.handle;
	router_send(outbox->router, m, false);
}

/* ---- Failures ---- */

static void fail(struct outbox *outbox, mitogen_error *why)
{
	const struct context *context = context_of_id(outbox->router, outbox->flow.dst_id);

	if (context) {
		error_prefix(why, "%s: ", context->path);
		error_set_where(why, context->path, NULL);
	}
	keep_failed(outbox, why);
}

static void lost(struct router *router, struct handle *handle, const mitogen_error *why)
{
	mitogen_error error = *why;

	(void)router;
	fail(LIST_OWNER(handle, struct outbox, reply), &error);
}

/* What we sent was not taken. Whoever has taken the rest must not believe that this was all. */
static void tell_failure(struct outbox *outbox, const mitogen_error *why)
{
	struct mitogen_message *m = message_new_dead(why->code, why->text);

	send_end(outbox, m ? m : TAKE_PTR(outbox->end));
}

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct outbox *outbox = LIST_OWNER(handle, struct outbox, reply);
	mitogen_error why;

	(void)router;
	message_decode_failure(m, &why);
	if (m->header.kind == FRAME_DEAD) {
		if (why.code == MITOGEN_ERR_UNKNOWN && outbox->flow.handle >= HANDLE_FIRST_RANDOM)
			error_set(&why, MITOGEN_ERR_CLOSED, "the receiver is closed");
		if (why.code != MITOGEN_ERR_CLOSED && why.code != MITOGEN_ERR_LOST)
			tell_failure(outbox, &why);
		fail(outbox, &why);
	}
	message_unref(m);
}

static const struct handle_ops reply_ops = {.receive = receive, .lost = lost, .is_one_frame = true};

/* ---- Sending ---- */

static struct outbox *find_failed(const struct router *router, uint32_t dst_id, uint32_t handle)
{
	LIST_FOR_EACH (node, &router->outboxes.failed) {
		struct outbox *outbox = LIST_OWNER(node, struct outbox, failed);

		if (outbox->flow.dst_id == dst_id && outbox->flow.handle == handle)
			return outbox;
	}
	return NULL;
}

static struct outbox *find(const struct router *router, uint32_t dst_id, uint32_t handle)
{
	struct outflow *flow = outflow_find(router, dst_id, handle);

	if (flow && flow->room == room)
		return LIST_OWNER(flow, struct outbox, flow);
	return find_failed(router, dst_id, handle);
}

static struct outbox *open_outbox(struct router *router, uint32_t dst_id, uint32_t handle)
{
	struct context *context = context_of_id(router, dst_id);
	struct outbox *outbox = sys.calloc(1, sizeof(*outbox));

	if (!context || !outbox)
		goto no_end;
	outbox->end = message_new_dead(MITOGEN_ERR_MEMORY, "out of memory: a value was lost");
	if (!outbox->end)
		goto no_end;
	if (handles_add(router, &outbox->reply, 0, &reply_ops, context) < 0)
		goto no_handle;
	outbox->router = router;
	list_init(&outbox->waiters);
	outflow_open(router, &outbox->flow, dst_id, handle, room);
	if (context->state >= CONTEXT_LOST) {
		mitogen_error why;

		context_loss(context, &why);
		fail(outbox, &why);
	}
	return outbox;
no_handle:
	message_unref(outbox->end);
no_end:
	sys.free(outbox);
	return NULL;
}

struct outbox *outbox_to(struct router *router, uint32_t dst_id, uint32_t handle)
{
	struct outbox *outbox = find(router, dst_id, handle);

	return outbox ? outbox : open_outbox(router, dst_id, handle);
}

int outbox_check(const struct outbox *outbox, mitogen_error *err)
{
	if (!has_failed(outbox))
		return 0;
	if (!outbox->why)
		return error_set(err, MITOGEN_ERR_CLOSED, "the sender is closed");
	if (err)
		*err = *outbox->why;
	return outbox->why->code;
}

void outbox_close(struct router *router, uint32_t dst_id, uint32_t handle, bool for_good)
{
	struct outbox *outbox = outbox_to(router, dst_id, handle);

	if (!outbox) {
		router_abandon(router, dst_id);
		return;
	}
	if (!has_failed(outbox)) {
		outbox->end->size = 0; /* orderly */
		send_end(outbox, TAKE_PTR(outbox->end));
	}
	if (for_good && !has_failed(outbox)) {
		keep_failed(outbox, NULL);
	} else if (!for_good) {
		wake(outbox, true);
		destroy(outbox);
	}
}

void outbox_fail(struct router *router, uint32_t dst_id, uint32_t handle)
{
	struct outbox *outbox = find(router, dst_id, handle);

	if (outbox && !has_failed(outbox))
		keep_failed(outbox, NULL);
}

bool outbox_has_room(struct outbox *outbox)
{
	return outflow_room(&outbox->flow) > 0;
}

void outbox_send(struct outbox *outbox, struct mitogen_message *m)
{
	m->header.reply_to = outbox->reply.by_number.key;
	outflow_send_value(outbox->router, &outbox->flow, m, false);
}

void outboxes_clear(struct router *router)
{
	struct map_node *node = NULL, *next;

	for (node = map_next(&router->outflows, NULL); node; node = next) {
		struct outflow *flow = MAP_OWNER(node, struct outflow, by_target);

		next = map_next(&router->outflows, node);
		if (flow->room == room)
			destroy(LIST_OWNER(flow, struct outbox, flow));
	}
	while (!list_is_empty(&router->outboxes.failed))
		destroy(LIST_OWNER(router->outboxes.failed.next, struct outbox, failed));
}
