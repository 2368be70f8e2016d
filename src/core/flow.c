/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/flow.h"

#include "base/log.h"
#include "core/context.h"
#include "core/router.h"
#include "wire/cursor.h"
#include "wire/handles.h"

/* ---- Sending ---- */

static uint32_t key_of(uint32_t dst_id, uint32_t handle)
{
	return handle ^ dst_id * 0x9e3779b1u; /* handles are random, IDs small */
}

void outflow_open(struct router *router, struct outflow *flow, uint32_t dst_id, uint32_t handle,
		  void (*room)(struct outflow *flow))
{
	*flow = (struct outflow){.router = router,
				 .dst_id = dst_id,
				 .handle = handle,
				 .granted = FLOW_WINDOW,
				 .room = room};
	map_add(&router->outflows, &flow->by_target, key_of(dst_id, handle)); /* see flow_open */
}

void outflow_close(struct outflow *flow)
{
	if (!flow->router)
		return;
	map_remove(&flow->router->outflows, &flow->by_target);
	flow->router = NULL;
}

struct outflow *outflow_find(const struct router *router, uint32_t dst_id, uint32_t handle)
{
	struct map_node *node = map_get(&router->outflows, key_of(dst_id, handle));

	for (; node; node = map_same(node)) {
		struct outflow *flow = MAP_OWNER(node, struct outflow, by_target);

		if (flow->dst_id == dst_id && flow->handle == handle)
			return flow;
	}
	return NULL;
}

size_t outflow_room(const struct outflow *flow)
{
	return flow->ended || flow->sent >= flow->granted ? 0
							  : (size_t)(flow->granted - flow->sent);
}

static void send_on(struct router *router, struct outflow *flow, struct mitogen_message *m,
		    bool now)
{
	m->header.flags = FRAME_BULK;
	m->header.dst_id = flow->dst_id;
	m->header.handle = flow->handle;
	router_send(router, m, now);
}

void outflow_send(struct router *router, struct outflow *flow, struct mitogen_message *m, bool now)
{
	flow->sent += m->size;
	m->header.kind = FRAME_RAW;
	send_on(router, flow, m, now);
}

void outflow_send_value(struct router *router, struct outflow *flow, struct mitogen_message *m)
{
	flow->sent += flow_cost(m->size);
	send_on(router, flow, m, false);
}

void outflow_send_note(struct router *router, struct outflow *flow, struct mitogen_message *m)
{
	send_on(router, flow, m, false);
}

void outflow_end(struct router *router, struct outflow *flow)
{
	struct mitogen_message *m = message_new(0);

	flow->ended = true;
	if (!m) {
		log_write(LOG_ERROR, "out of memory: the end of a stream was not sent");
		return;
	}
	m->header.kind = FRAME_DEAD;
	send_on(router, flow, m, false);
}

/* ---- Receiving ---- */

int inflow_open(struct router *router, struct inflow *flow, const struct handle_ops *ops,
		struct context *sender)
{
	*flow = (struct inflow){.granted = FLOW_WINDOW, .src_id = sender->id};
	return handles_add(router, &flow->handle, 0, ops, sender);
}

void inflow_close(struct router *router, struct inflow *flow)
{
	handles_remove(router, &flow->handle);
}

bool inflow_received(struct router *router, struct inflow *flow, const struct mitogen_message *m)
{
	struct neighbour *neighbour;

	if (m->header.kind != FRAME_RAW)
		return true;
	flow->received += m->size;
	if (flow->received <= flow->granted)
		return true;
	log_write(LOG_ERROR, "context %u sent more than it was granted", flow->src_id);
	neighbour = routes_neighbour(router, flow->src_id);
	if (neighbour && !neighbour->is_parent)
		neighbour_fail(neighbour, "it sent more than it was granted");
	return false;
}

void inflow_consumed(struct router *router, struct inflow *flow, size_t size)
{
	uint64_t total;

	flow->consumed += size;
	total = flow->consumed + FLOW_WINDOW;
	if (flow_is_grant_due(flow->granted, flow->consumed) &&
	    flow_grant(router, flow->src_id, flow->handle.by_number.key, total))
		flow->granted = total; /* otherwise the next bytes try again */
}

/* ---- Credit ---- */

size_t flow_cost(size_t size)
{
	return size < FLOW_VALUE_MIN ? FLOW_VALUE_MIN : size;
}

bool flow_is_grant_due(uint64_t granted, uint64_t consumed)
{
	return consumed + FLOW_WINDOW >= granted + FLOW_WINDOW / 2;
}

bool flow_grant(struct router *router, uint32_t src_id, uint32_t handle, uint64_t total)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	message_writer_init(&w);
	writer_list_head(&w, 2);
	writer_uint(&w, handle);
	writer_uint(&w, total);
	m = message_from_writer(&w, &ignored);
	if (!m)
		return false;
	m->header.dst_id = src_id;
	m->header.handle = HANDLE_CREDIT;
	router_send(router, m, false);
	return true;
}

/* ---- The CREDIT port ---- */

static void grant(struct outflow *flow, uint64_t granted)
{
	bool was_empty = outflow_room(flow) == 0;

	if (granted > flow->sent + FLOW_WINDOW_MAX)
		granted = flow->sent + FLOW_WINDOW_MAX;
	if (granted <= flow->granted)
		return;
	flow->granted = granted;
	if (was_empty && !flow->ended && flow->room)
		flow->room(flow);
}

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct cursor c = {m->payload, m->payload + m->size};
	uint64_t count, granted;
	uint32_t number;

	(void)handle;
	if (m->header.kind == FRAME_CBOR && cursor_list(&c, &count) == 0 && count == 2 &&
	    cursor_u32(&c, &number) == 0 && cursor_u64(&c, &granted) == 0) {
		struct outflow *flow = outflow_find(router, m->header.src_id, number);

		if (flow)
			grant(flow, granted);
	}
	message_unref(m);
}

static const struct handle_ops credit_ops = {.receive = receive, .is_one_frame = true};

int flow_open(struct router *router)
{
	if (map_reserve(&router->outflows) < 0)
		return MITOGEN_ERR_MEMORY;
	return handles_add_fixed(router, HANDLE_CREDIT, &credit_ops);
}

void flow_close(struct router *router)
{
	handles_remove_fixed(router, HANDLE_CREDIT);
}
