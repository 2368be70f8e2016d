/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/ids.h"

#include <mitogen/types.h>

#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/context.h"
#include "core/latch.h"
#include "core/router.h"
#include "parent/route_monitor.h"
#include "wire/cursor.h"
#include "wire/handles.h"

#define NO_IDS "no context IDs are left for another child"

int ids_take(struct router *router, struct id_block *ret)
{
	/* below the master single ones: those of a block can be used, but not split again */
	return id_blocks_take(&router->supply, router->id ? 1 : IDS_PER_BLOCK, ret) > 0
		       ? 0
		       : MITOGEN_ERR_NO_IDS;
}

static void put_answer(struct router *router, struct latch *latch, const mitogen_error *failure)
{
	struct mitogen_message *m = message_new(0);

	if (m && failure)
		message_set_failure(m, failure);
	if (m)
		latch_put(latch, m, &router->broker.wakes);
	else
		latch_close(latch, &router->broker.wakes);
}

static void answer_waiters(struct router *router, bool has_ids)
{
	struct list *node;
	mitogen_error error;

	error_set(&error, MITOGEN_ERR_NO_IDS, NO_IDS);
	while ((node = list_pop(&router->id_waiters)) != NULL) {
		struct id_waiter *waiter = LIST_OWNER(node, struct id_waiter, link);

		if (waiter->task)
			broker_defer(&router->broker, waiter->task);
		else
			put_answer(router, waiter->latch, has_ids ? NULL : &error);
	}
}

void ids_refuse(struct router *router)
{
	answer_waiters(router, false);
}

/* ---- Messages ---- */

static int send_numbers(struct router *router, uint32_t dst_id, uint32_t handle,
			const uint32_t *numbers, size_t count)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	message_writer_init(&w);
	writer_list_head(&w, count);
	for (size_t i = 0; i < count; i++)
		writer_uint(&w, numbers[i]);
	m = message_from_writer(&w, &ignored);
	if (!m)
		return MITOGEN_ERR_MEMORY;
	m->header.dst_id = dst_id;
	m->header.handle = handle;
	router_send(router, m, false);
	return 0;
}

/* Exactly so many; false if m is something else. */
static bool read_numbers(const struct mitogen_message *m, uint32_t *ret, size_t count)
{
	struct cursor c = {m->payload, m->payload + m->size};
	uint64_t items;

	if (m->header.kind != FRAME_CBOR || cursor_list(&c, &items) < 0 || items != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (cursor_u32(&c, &ret[i]) < 0)
			return false;
	return true;
}

/* ---- GRANT_ID: [via, first, count, is it for a context that via will start?] ---- */

static int pass_grant(struct router *router, struct neighbour *to, uint32_t via,
		      const struct id_block *ids, bool is_context)
{
	const uint32_t numbers[] = {via, ids->first, ids->count, is_context};

	if (ids->count > 0 && id_blocks_add(&to->blocks, ids->first, ids->count) < 0)
		return MITOGEN_ERR_MEMORY;
	if (is_context && routes_add(router, ids->first, to, NULL) < 0)
		return MITOGEN_ERR_MEMORY;
	if (send_numbers(router, to->id, HANDLE_GRANT_ID, numbers, 4) == 0)
		return 0;
	if (is_context)
		routes_remove(router, routes_find(router, ids->first));
	return MITOGEN_ERR_MEMORY;
}

int ids_grant_below(struct router *router, const struct context *via, const struct id_block *ids)
{
	return pass_grant(router, routes_neighbour(router, via->id), via->id, ids, true);
}

static void add_to_supply(struct router *router, const struct id_block *ids)
{
	if (ids->count > 0 && id_blocks_add(&router->supply, ids->first, ids->count) < 0)
		log_write(LOG_ERROR, "out of memory: %u context IDs are lost", ids->count);
	answer_waiters(router, router->supply.count > 0);
}

/* IDs that one below us has asked for. */
static void grant_below(struct router *router, struct neighbour *to, uint32_t context,
			const struct id_block *ids)
{
	if (neighbour_may_answer(to) && pass_grant(router, to, context, ids, false) < 0)
		neighbour_fail(to, "out of memory");
}

/* Shows a context the way to via; or says to those above, who have shown it, that there is none. */
static void lead_below(struct router *router, struct neighbour *to, uint32_t via,
		       const struct id_block *ids)
{
	mitogen_error error;

	if (!to) {
		error_set(&error, MITOGEN_ERR_LOST,
			  "the context could not be started: context %u, via which it was to be "
			  "started, is lost",
			  via);
		route_monitor_refuse(router, ids->first, &error);
	} else if (pass_grant(router, to, via, ids, true) < 0) {
		error_set(&error, MITOGEN_ERR_MEMORY,
			  "the context could not be started: out of memory");
		route_monitor_refuse(router, ids->first, &error);
		neighbour_fail(to, "out of memory");
	}
}

static void receive_grant(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	uint32_t numbers[4], via;
	struct neighbour *to;
	struct id_block ids;

	(void)handle;
	if (!read_numbers(m, numbers, 4)) {
		log_write(LOG_WARNING, "GRANT_ID: this is no grant");
		message_unref(m);
		return;
	}
	message_unref(m);
	via = numbers[0];
	ids = (struct id_block){numbers[1], numbers[2]};
	to = routes_neighbour(router, via);
	if (to && to->is_parent)
		to = NULL; /* it was below us, and is lost */
	if (via == router->id && !numbers[3])
		add_to_supply(router, &ids);
	else if (via != router->id && numbers[3]) /* we ourselves: the request comes next */
		lead_below(router, to, via, &ids);
	else if (to)
		grant_below(router, to, via, &ids);
}

/* ---- ALLOCATE_ID: [context, count] ---- */

static bool is_within_quota(const struct router *router, struct neighbour *from, uint32_t count)
{
	uint32_t limit = router->parent ? IDS_BELOW_MAX : IDS_PER_CHILD_MAX;

	if (from->ids_given <= limit - count) {
		from->ids_given += count;
		return true;
	}
	if (from->ids_given != UINT32_MAX)
		log_write(LOG_ERROR, "%s: it has been given %u context IDs and gets no more",
			  from->name, from->ids_given);
	from->ids_given = UINT32_MAX;
	return false;
}

static void answer_request(struct router *router, struct neighbour *from, const uint32_t numbers[2])
{
	struct id_block ids = {0, 0};

	if (is_within_quota(router, from, numbers[1])) {
		if (router->parent) {
			if (send_numbers(router, router->parent->id, HANDLE_ALLOCATE_ID, numbers,
					 2) < 0)
				neighbour_fail(from, "out of memory");
			return;
		}
		id_blocks_take(&router->supply, numbers[1], &ids);
	}
	grant_below(router, from, numbers[0], &ids);
}

static void receive_request(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct neighbour *from = routes_neighbour(router, m->header.src_id);
	uint32_t numbers[2];

	(void)handle;
	if (!read_numbers(m, numbers, 2) || !id_blocks_contain(&from->blocks, numbers[0]) ||
	    numbers[1] == 0 || numbers[1] > IDS_PER_BLOCK)
		neighbour_fail(from, "it asked for context IDs that are not its own to ask for");
	else
		answer_request(router, from, numbers);
	message_unref(m);
}

int ids_request(struct router *router)
{
	const uint32_t numbers[] = {router->id, IDS_PER_BLOCK};

	if (!router->parent)
		return MITOGEN_ERR_NO_IDS;
	if (!list_is_empty(&router->id_waiters))
		return 0;
	return send_numbers(router, router->parent->id, HANDLE_ALLOCATE_ID, numbers, 2);
}

/* ---- The ports ---- */

static const struct handle_ops request_ops = {
	.receive = receive_request, .is_one_frame = true, .policy = handles_allow_children};
static const struct handle_ops grant_ops = {
	.receive = receive_grant, .is_one_frame = true, .policy = handles_allow_parent};

int ids_open(struct router *router)
{
	if (handles_add_fixed(router, HANDLE_ALLOCATE_ID, &request_ops) == 0 &&
	    handles_add_fixed(router, HANDLE_GRANT_ID, &grant_ops) == 0)
		return 0;
	ids_close(router);
	return MITOGEN_ERR_MEMORY;
}

void ids_close(struct router *router)
{
	answer_waiters(router, false);
	handles_remove_fixed(router, HANDLE_ALLOCATE_ID);
	handles_remove_fixed(router, HANDLE_GRANT_ID);
}
