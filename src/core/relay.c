/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/relay.h"

#include "base/log.h"
#include "base/sys.h"
#include "core/message.h"
#include "core/neighbour.h"
#include "wire/handles.h"

#define CHILD_MAX 8 /* times the longest message */

struct relay_sender {
	struct map_node by_id;
	size_t bytes; /* of what waits */
	size_t sources;
};

struct relay_source {
	struct map_node by_id;
	struct relay_sender *sender;
	size_t bytes, normal;    /* of what waits, and of its normal frames */
	bool is_inside;          /* a message of normal frames, of which more is to come... */
	uint32_t dst_id, handle; /* ...to there */
	bool is_refused;         /* that message */
	bool is_cut;             /* its beginning has passed */
	bool is_noted;           /* in the log, that the last one was refused */
};

/* The memory that it takes. */
static size_t weight_of(const struct mitogen_message *m)
{
	return sizeof(*m) + m->size;
}

/* ---- Sources ---- */

static struct relay_source *find(const struct relay *relay, uint32_t id)
{
	struct map_node *node = map_get(&relay->sources, id);

	return node ? MAP_OWNER(node, struct relay_source, by_id) : NULL;
}

static struct relay_sender *sender_of(struct relay *relay, uint32_t id)
{
	struct map_node *node = map_get(&relay->senders, id);
	struct relay_sender *sender;

	if (node)
		return MAP_OWNER(node, struct relay_sender, by_id);
	sender = sys.calloc(1, sizeof(*sender));
	if (!sender || map_add(&relay->senders, &sender->by_id, id) < 0) {
		sys.free(sender);
		return NULL;
	}
	return sender;
}

static void drop_if_unused(struct relay *relay, struct relay_sender *sender)
{
	if (sender->sources > 0)
		return;
	map_remove(&relay->senders, &sender->by_id);
	sys.free(sender);
}

static void remove_source(struct relay *relay, struct relay_source *source)
{
	source->sender->sources--;
	drop_if_unused(relay, source->sender);
	map_remove(&relay->sources, &source->by_id);
	sys.free(source);
}

/* NULL: no memory. */
static struct relay_source *source_of(struct relay *relay, uint32_t id,
				      const struct neighbour *from)
{
	struct relay_source *source = find(relay, id);
	struct relay_sender *sender;

	if (source)
		return source;
	source = sys.calloc(1, sizeof(*source));
	sender = source ? sender_of(relay, from->id) : NULL;
	if (!sender || map_add(&relay->sources, &source->by_id, id) < 0) {
		if (sender)
			drop_if_unused(relay, sender);
		sys.free(source);
		return NULL;
	}
	source->sender = sender;
	sender->sources++;
	return source;
}

/* Nothing of it waits, and nothing that comes of it is to be dropped. */
static bool is_over(const struct relay_source *source)
{
	return source->bytes == 0 && !(source->is_inside && source->is_refused);
}

/* ---- Admission ---- */

/* How much of its source may wait already. */
static size_t limit_of(const struct mitogen_message *m, size_t max)
{
	uint32_t handle = m->header.handle;

	if (m->header.reply_to || handle == HANDLE_CALL_FUNCTION || handle == HANDLE_CALL_SECRET ||
	    handle == HANDLE_CALL_SERVICE)
		return max;
	return handle >= HANDLE_FIRST_FREE ? 2 * max : 3 * max;
}

/* One line, however many are refused in a row. */
static void note_refusal(struct relay_source *source, const struct neighbour *to)
{
	if (source->is_refused && !source->is_noted)
		log_write(LOG_WARNING,
			  "messages of context %u are refused: too much of it waits for %s",
			  source->by_id.key, to->name);
	source->is_noted = source->is_refused;
}

/* A message of one frame while another one goes on: routers send dead ones in the name of who is asked. */
static enum relay_verdict judge_alone(const struct relay_source *source,
				      const struct mitogen_message *m, size_t max)
{
	return source->normal >= limit_of(m, max) ? RELAY_REFUSE : RELAY_PASS;
}

static enum relay_verdict judge_first(struct relay_source *source, const struct mitogen_message *m,
				      const struct neighbour *to, size_t max)
{
	source->dst_id = m->header.dst_id;
	source->handle = m->header.handle;
	source->is_refused = source->normal >= limit_of(m, max);
	source->is_cut = false;
	note_refusal(source, to);
	return source->is_refused ? RELAY_REFUSE : RELAY_PASS;
}

static enum relay_verdict judge(struct relay_source *source, const struct mitogen_message *m,
				const struct neighbour *to, size_t max)
{
	bool goes_on = m->header.flags & FRAME_MORE;
	bool is_more = source->is_inside && m->header.dst_id == source->dst_id &&
		       m->header.handle == source->handle;

	if (source->is_inside && !is_more && !goes_on)
		return judge_alone(source, m, max);
	source->is_inside = goes_on;
	if (!is_more)
		return judge_first(source, m, to, max);
	if (!source->is_refused && source->normal >= 3 * max)
		source->is_refused = source->is_cut = true;
	/* it is too long for whoever gets it; its end tells them */
	if (source->is_cut && !goes_on)
		return RELAY_PASS;
	return source->is_refused ? RELAY_DROP : RELAY_PASS;
}

static void count(struct relay_source *source, struct mitogen_message *m, struct neighbour *from,
		  size_t max)
{
	m->is_relayed = true;
	source->bytes += weight_of(m);
	source->sender->bytes += weight_of(m);
	if (!(m->header.flags & FRAME_BULK))
		source->normal += weight_of(m);
	if (!from->is_parent && source->sender->bytes / CHILD_MAX > max)
		neighbour_fail(from, "too much that it sent waits for others");
}

enum relay_verdict relay_admit(struct neighbour *to, struct neighbour *from,
			       struct mitogen_message *m, size_t max)
{
	struct relay_source *source = source_of(&to->relay, m->header.src_id, from);
	enum relay_verdict verdict = RELAY_PASS;

	if (!source)
		return RELAY_PASS; /* no memory to count it */
	if (!(m->header.flags & FRAME_BULK))
		verdict = judge(source, m, to, max);
	if (verdict == RELAY_PASS)
		count(source, m, from, max);
	else if (is_over(source))
		remove_source(&to->relay, source);
	return verdict;
}

void relay_taken(struct neighbour *to, const struct mitogen_message *m)
{
	struct relay_source *source = find(&to->relay, m->header.src_id);

	if (!m->is_relayed || !source)
		return;
	source->bytes -= weight_of(m);
	source->sender->bytes -= weight_of(m);
	if (!(m->header.flags & FRAME_BULK))
		source->normal -= weight_of(m);
	if (is_over(source))
		remove_source(&to->relay, source);
}

void relay_forget(struct neighbour *to, const struct neighbour *from)
{
	struct map_node *node = map_next(&to->relay.sources, NULL), *next;

	for (; node; node = next) {
		struct relay_source *source = MAP_OWNER(node, struct relay_source, by_id);

		next = map_next(&to->relay.sources, node);
		if (source->sender->by_id.key != from->id)
			continue;
		source->is_refused = false;
		if (is_over(source))
			remove_source(&to->relay, source);
	}
}

void relay_clear(struct relay *relay)
{
	struct map_node *node;

	while ((node = map_first(&relay->sources)) != NULL)
		remove_source(relay, MAP_OWNER(node, struct relay_source, by_id));
	map_clear(&relay->sources);
	map_clear(&relay->senders);
}
