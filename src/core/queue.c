/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/queue.h"

#include "base/sys.h"
#include "core/message.h"
#include "core/verify.h"

/* A part of the bulk: of each flow at most what it may send in its turn, in the order in which it came. */
struct round {
	struct list link;
	struct list frames; /* and barriers behind all that is before them, not FRAME_BULK */
	struct list flows;  /* that are in no later one */
};

struct flow {
	struct map_node by_key;
	struct list link; /* in round->flows */
	uint32_t src_id, dst_id, handle;
	struct round *round;   /* the last one it has put a frame into */
	size_t left;           /* bytes that it may put there still */
	size_t bytes;          /* that wait, in this round and earlier ones */
	uint64_t added, taken; /* frames */
	struct list marks;
};

struct barrier { /* behind some sources */
	struct list link;
	struct mitogen_message *m;
	size_t flows; /* that come before it */
};

struct mark { /* a flow's part of a barrier */
	struct list link;
	struct barrier *barrier;
	uint64_t behind; /* so many frames of the flow */
};

static size_t size_of(const struct mitogen_message *m)
{
	return FRAME_HEADER_SIZE + m->size;
}

static struct mitogen_message *message_of(struct list *node)
{
	return LIST_OWNER(node, struct mitogen_message, link);
}

void queue_init(struct queue *queue)
{
	*queue = (struct queue){0};
	list_init(&queue->normal);
	list_init(&queue->rounds);
	list_init(&queue->barriers);
}

bool queue_is_empty(const struct queue *queue)
{
	return list_is_empty(&queue->normal) && list_is_empty(&queue->rounds);
}

/* ---- Flows ---- */

static uint32_t key_of(uint32_t src_id, uint32_t dst_id, uint32_t handle)
{
	return (src_id * 0x85ebca6bu ^ dst_id) * 0x9e3779b1u ^ handle;
}

static struct flow *find(const struct queue *queue, uint32_t src_id, uint32_t dst_id,
			 uint32_t handle)
{
	struct map_node *node = map_get(&queue->flows, key_of(src_id, dst_id, handle));

	for (; node; node = map_same(node)) {
		struct flow *flow = MAP_OWNER(node, struct flow, by_key);

		if (flow->src_id == src_id && flow->dst_id == dst_id && flow->handle == handle)
			return flow;
	}
	return NULL;
}

/* The round behind this one, or the first one: NULL. */
static struct round *next_round(struct queue *queue, struct round *round)
{
	struct list *node = round ? round->link.next : queue->rounds.next;
	struct round *made;

	if (node != &queue->rounds)
		return LIST_OWNER(node, struct round, link);
	made = sys.malloc(sizeof(*made));
	if (!made)
		return NULL;
	list_init(&made->frames);
	list_init(&made->flows);
	list_append(&queue->rounds, &made->link);
	return made;
}

static void remove_round(struct queue *queue, struct round *round)
{
	struct list *node;

	while ((node = list_pop(&round->flows)) != NULL) {
		struct flow *flow = LIST_OWNER(node, struct flow, link);

		map_remove(&queue->flows, &flow->by_key);
		sys.free(flow);
	}
	list_remove(&round->link);
	sys.free(round);
}

/* In the first round. NULL: no memory. */
static struct flow *add_flow(struct queue *queue, const struct frame_header *header)
{
	struct flow *flow = sys.malloc(sizeof(*flow));
	struct round *round = flow ? next_round(queue, NULL) : NULL;

	if (!round || map_add(&queue->flows, &flow->by_key,
			      key_of(header->src_id, header->dst_id, header->handle)) < 0) {
		if (round && list_is_empty(&round->frames))
			remove_round(queue, round);
		sys.free(flow);
		return NULL;
	}
	*flow = (struct flow){
		.by_key = flow->by_key,
		.src_id = header->src_id,
		.dst_id = header->dst_id,
		.handle = header->handle,
		.round = round,
		.left = QUEUE_TURN,
	};
	list_init(&flow->marks);
	list_append(&round->flows, &flow->link);
	return flow;
}

/* The round for so many bytes more of the flow. NULL: no memory. */
static struct round *enter_round(struct queue *queue, struct flow *flow, size_t size)
{
	struct round *round;

	if (size <= flow->left)
		return flow->round;
	round = next_round(queue, flow->round);
	if (!round)
		return NULL;
	flow->round = round;
	flow->left += QUEUE_TURN; /* with what was left: any frame fits */
	list_remove(&flow->link);
	list_append(&round->flows, &flow->link);
	return round;
}

size_t queue_flow_bytes(const struct queue *queue, uint32_t src_id, uint32_t dst_id,
			uint32_t handle)
{
	const struct flow *flow = find(queue, src_id, dst_id, handle);

	return flow ? flow->bytes : 0;
}

/* ---- Adding ---- */

static void add_normal(struct queue *queue, struct mitogen_message *m)
{
	list_append(&queue->normal, &m->link);
	queue->normal_bytes += size_of(m);
}

static int add_bulk(struct queue *queue, struct mitogen_message *m)
{
	struct flow *flow = find(queue, m->header.src_id, m->header.dst_id, m->header.handle);
	struct round *round;

	if (!flow)
		flow = add_flow(queue, &m->header);
	round = flow ? enter_round(queue, flow, size_of(m)) : NULL;
	if (!round)
		return -1;
	list_append(&round->frames, &m->link);
	flow->left -= size_of(m);
	flow->bytes += size_of(m);
	flow->added++;
	queue->bulk_bytes += size_of(m);
	return 0;
}

int queue_add(struct queue *queue, struct mitogen_message *m)
{
	if (!(m->header.flags & FRAME_BULK)) {
		add_normal(queue, m);
		return 0;
	}
	if (add_bulk(queue, m) == 0)
		return 0;
	message_unref(m);
	return -1;
}

/* ---- Barriers ---- */

static int mark(struct flow *flow, struct barrier *barrier)
{
	struct mark *made = sys.malloc(sizeof(*made));

	if (!made)
		return -1;
	*made = (struct mark){.barrier = barrier, .behind = flow->added};
	list_append(&flow->marks, &made->link);
	barrier->flows++;
	return 0;
}

/* Lets the barrier go, among the normal frames, if nothing is left before it. */
static void pass(struct queue *queue, struct barrier *barrier)
{
	if (barrier->flows > 0)
		return;
	list_remove(&barrier->link);
	add_normal(queue, barrier->m);
	sys.free(barrier);
}

static int add_behind_sources(struct queue *queue, struct mitogen_message *m,
			      const struct id_blocks *sources)
{
	struct barrier *barrier = sys.malloc(sizeof(*barrier));
	struct map_node *node = NULL;

	if (!barrier) {
		message_unref(m);
		return -1;
	}
	*barrier = (struct barrier){.m = m};
	list_append(&queue->barriers, &barrier->link);
	while ((node = map_next(&queue->flows, node)) != NULL) {
		struct flow *flow = MAP_OWNER(node, struct flow, by_key);

		if (flow->bytes == 0 || !id_blocks_contain(sources, flow->src_id))
			continue;
		if (mark(flow, barrier) < 0)
			return -1; /* it waits for those that are marked */
	}
	pass(queue, barrier);
	return 0;
}

int queue_add_behind(struct queue *queue, struct mitogen_message *m,
		     const struct id_blocks *sources)
{
	struct round *last;

	if (sources)
		return add_behind_sources(queue, m, sources);
	if (list_is_empty(&queue->rounds)) {
		add_normal(queue, m);
		return 0;
	}
	/* all that waits is in front of the end of the last round, other barriers' flows too */
	last = LIST_OWNER(queue->rounds.prev, struct round, link);
	list_append(&last->frames, &m->link);
	return 0;
}

/* Lets those go that wait for everything, if they come first now. */
static void pass_those_behind_all(struct queue *queue, struct round *first)
{
	while (!list_is_empty(&first->frames)) {
		struct mitogen_message *m = message_of(first->frames.next);

		if (m->header.flags & FRAME_BULK)
			return;
		list_remove(&m->link);
		add_normal(queue, m);
	}
	remove_round(queue, first);
}

/* What waited for the frames that the flow has sent now. */
static void reach_marks(struct queue *queue, struct flow *flow)
{
	while (!list_is_empty(&flow->marks)) {
		struct mark *mark = LIST_OWNER(flow->marks.next, struct mark, link);

		if (mark->behind > flow->taken)
			return;
		list_remove(&mark->link);
		mark->barrier->flows--;
		pass(queue, mark->barrier);
		sys.free(mark);
	}
}

/* ---- Taking ---- */

static struct mitogen_message *take_bulk(struct queue *queue, size_t *ret_left)
{
	struct round *round = LIST_OWNER(queue->rounds.next, struct round, link);
	struct mitogen_message *m = message_of(list_pop(&round->frames));
	struct flow *flow = find(queue, m->header.src_id, m->header.dst_id, m->header.handle);

	queue->bulk_bytes -= size_of(m);
	flow->bytes -= size_of(m);
	flow->taken++;
	*ret_left = flow->bytes;
	reach_marks(queue, flow);
	pass_those_behind_all(queue, round);
	return m;
}

struct mitogen_message *queue_take(struct queue *queue, size_t *ret_left)
{
	struct mitogen_message *m;

	if (list_is_empty(&queue->normal))
		return list_is_empty(&queue->rounds) ? NULL : take_bulk(queue, ret_left);
	m = message_of(list_pop(&queue->normal));
	queue->normal_bytes -= size_of(m);
	*ret_left = queue->normal_bytes;
	return m;
}

/* ---- The end ---- */

static void drop_round(struct queue *queue, struct round *round)
{
	message_unref_all(&round->frames);
	LIST_FOR_EACH (node, &round->flows) {
		struct flow *flow = LIST_OWNER(node, struct flow, link);
		struct list *mark;

		while ((mark = list_pop(&flow->marks)) != NULL)
			sys.free(LIST_OWNER(mark, struct mark, link));
	}
	remove_round(queue, round);
}

void queue_clear(struct queue *queue)
{
	struct list *node;

	message_unref_all(&queue->normal);
	LIST_FOR_EACH_SAFE (round, &queue->rounds) {
		drop_round(queue, LIST_OWNER(round, struct round, link));
	}
	while ((node = list_pop(&queue->barriers)) != NULL) {
		struct barrier *barrier = LIST_OWNER(node, struct barrier, link);

		message_unref(barrier->m);
		sys.free(barrier);
	}
	map_clear(&queue->flows);
	queue->normal_bytes = queue->bulk_bytes = 0;
}
