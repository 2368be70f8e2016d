/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/flow.h"

#include "base/clock.h"
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

static size_t credit(const struct outflow *flow)
{
	return flow->sent < flow->granted ? (size_t)(flow->granted - flow->sent) : 0;
}

/* What this process may still put on the way. */
static size_t space(const struct outflow *flow)
{
	struct router *router = flow->router;
	const struct neighbour *to = routes_neighbour(router, flow->dst_id);
	size_t waiting =
		to ? stream_waiting(&to->stream, router->id, flow->dst_id, flow->handle) : 0;

	return waiting < FLOW_PRODUCED ? FLOW_PRODUCED - waiting : 0;
}

size_t outflow_room(struct outflow *flow)
{
	size_t room;

	if (flow->ended)
		return 0;
	room = space(flow);
	if (credit(flow) == 0)
		flow->was_out = true;
	if (credit(flow) < room)
		room = credit(flow);
	if (room == 0)
		flow->is_waiting = true; /* until check_room: another thread may sleep for it */
	return room;
}

static void check_room(struct task *task)
{
	struct outflow *flow = LIST_OWNER(task, struct outflow, check);

	if (!flow->is_waiting || flow->ended || credit(flow) == 0 || space(flow) == 0)
		return;
	flow->is_waiting = false;
	if (flow->room)
		flow->room(flow);
}

void flow_low(struct router *router, const struct frame_header *frame)
{
	struct outflow *flow = outflow_find(router, frame->dst_id, frame->handle);

	if (flow && flow->is_waiting)
		broker_defer(&router->broker, &flow->check);
}

void outflow_open(struct router *router, struct outflow *flow, uint32_t dst_id, uint32_t handle,
		  void (*room)(struct outflow *flow))
{
	*flow = (struct outflow){
		.router = router,
		.dst_id = dst_id,
		.handle = handle,
		.granted = WINDOW_FIRST,
		.check.run = check_room,
		.room = room,
	};
	map_add(&router->outflows, &flow->by_target, key_of(dst_id, handle)); /* see flow_open */
}

void outflow_close(struct outflow *flow)
{
	if (!flow->router)
		return;
	list_remove(&flow->check.link);
	map_remove(&flow->router->outflows, &flow->by_target);
	flow->router = NULL;
}

static void send_on(struct router *router, struct outflow *flow, struct mitogen_message *m,
		    bool now)
{
	m->header.flags |= FRAME_BULK;
	m->header.dst_id = flow->dst_id;
	m->header.handle = flow->handle;
	router_send(router, m, now);
}

static void charge(struct outflow *flow, struct mitogen_message *m, size_t cost)
{
	flow->sent += cost;
	if (flow->was_out)
		m->header.flags |= FRAME_WAITED;
	flow->was_out = false;
}

void outflow_send(struct router *router, struct outflow *flow, struct mitogen_message *m, bool now)
{
	m->header.kind = FRAME_RAW;
	flow->bytes += m->size;
	charge(flow, m, flow_cost(m->size));
	send_on(router, flow, m, now);
}

void outflow_send_value(struct router *router, struct outflow *flow, struct mitogen_message *m,
			bool now)
{
	charge(flow, m, flow_cost(m->size));
	send_on(router, flow, m, now);
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
		router_abandon(router, flow->dst_id);
		return;
	}
	m->header.kind = FRAME_DEAD;
	send_on(router, flow, m, false);
}

/* ---- Receiving ---- */

int inflow_open(struct router *router, struct inflow *flow, const struct handle_ops *ops,
		struct context *sender)
{
	*flow = (struct inflow){.src_id = sender->id};
	window_init(&flow->window);
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
	flow->bytes += m->size;
	if (window_receive(&flow->window, flow_cost(m->size), m->header.flags & FRAME_WAITED,
			   clock_ms()))
		return true;
	log_write(LOG_ERROR, "context %u sent more than it was granted", flow->src_id);
	neighbour = routes_neighbour(router, flow->src_id);
	if (neighbour && !neighbour->is_parent)
		neighbour_fail(neighbour, "it sent more than it was granted");
	return false;
}

void inflow_consumed(struct router *router, struct inflow *flow, size_t size)
{
	flow_consumed(router, &flow->window, flow->src_id, flow->handle.by_number.key,
		      flow_cost(size));
}

/* ---- Credit ---- */

size_t flow_cost(size_t size)
{
	return size < FLOW_COST_MIN ? FLOW_COST_MIN : size;
}

/* False: no memory. */
static bool send_credit(struct router *router, uint32_t src_id, uint32_t handle, uint64_t total)
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

void flow_consumed(struct router *router, struct window *window, uint32_t src_id, uint32_t handle,
		   size_t size)
{
	uint64_t total;

	window_consume(window, size);
	if (!window_is_due(window))
		return;
	total = window_next(window, clock_ms());
	if (send_credit(router, src_id, handle, total))
		window->granted = total;
	else
		router_abandon(router, src_id); /* it may wait for nothing else */
}

/* ---- The CREDIT port ---- */

static void grant(struct outflow *flow, uint64_t granted)
{
	if (granted > flow->sent + WINDOW_LIMIT)
		granted = flow->sent + WINDOW_LIMIT;
	if (granted <= flow->granted)
		return;
	flow->granted = granted;
	check_room(&flow->check);
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
