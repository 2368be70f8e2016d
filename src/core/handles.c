/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/handles.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "base/sys.h"
#include "core/context.h"
#include "core/router.h"
#include "wire/cursor.h"
#include "wire/handles.h"

#define PARTIAL_MAX 4096 /* incomplete messages from behind one child */

int handles_add(struct router *router, struct handle *handle, uint32_t number,
		const struct handle_ops *ops, struct context *respondent)
{
	bool random = number == 0;

	while (random && (number < HANDLE_FIRST_RANDOM || map_get(&router->handles, number)))
		number = random_u32();
	if (!random && map_get(&router->handles, number))
		return MITOGEN_ERR_USAGE;
	if (map_add(&router->handles, &handle->by_number, number) < 0)
		return MITOGEN_ERR_MEMORY;
	handles_bind(handle, ops, respondent);
	return 0;
}

void handles_bind(struct handle *handle, const struct handle_ops *ops, struct context *respondent)
{
	handle->ops = ops;
	handle->respondent = respondent;
	list_init(&handle->of_respondent);
	list_init(&handle->partial);
	if (respondent)
		list_append(&respondent->handles, &handle->of_respondent);
}

void handles_unbind(struct handle *handle)
{
	list_remove(&handle->of_respondent);
}

static void discharge(struct mitogen_message *m)
{
	if (m->charged) {
		m->charged->partial_bytes -= m->size;
		m->charged->partial_count--;
	}
	m->charged = NULL;
}

static void drop_partial(struct mitogen_message *m)
{
	discharge(m);
	message_unref(m);
}

void handles_remove(struct router *router, struct handle *handle)
{
	struct list *node;

	map_remove(&router->handles, &handle->by_number);
	list_remove(&handle->of_respondent);
	while ((node = list_pop(&handle->partial)) != NULL)
		drop_partial(LIST_OWNER(node, struct mitogen_message, link));
}

int handles_add_fixed(struct router *router, uint32_t number, const struct handle_ops *ops)
{
	struct handle *handle = sys.calloc(1, sizeof(*handle));
	int r = handle ? handles_add(router, handle, number, ops, NULL) : MITOGEN_ERR_MEMORY;

	if (r < 0)
		sys.free(handle);
	return r;
}

void handles_remove_fixed(struct router *router, uint32_t number)
{
	struct handle *handle = handles_find(router, number);

	if (!handle)
		return;
	handles_remove(router, handle);
	sys.free(handle);
}

struct handle *handles_find(const struct router *router, uint32_t number)
{
	struct map_node *node = map_get(&router->handles, number);

	return node ? MAP_OWNER(node, struct handle, by_number) : NULL;
}

bool handles_allow_parent(const struct router *router, const struct mitogen_message *m)
{
	return router->parent && m->header.src_id == router->parent->id;
}

bool handles_allow_children(const struct router *router, const struct mitogen_message *m)
{
	const struct neighbour *from = routes_neighbour(router, m->header.src_id);

	return from && !from->is_parent && from->id == m->header.src_id;
}

bool handles_allow_parents(const struct router *router, const struct mitogen_message *m)
{
	/* no child's stream carries these IDs: they are in none of its blocks */
	return m->header.auth_id == router->id || router_is_ancestor(router, m->header.auth_id);
}

static bool same_flow(const struct mitogen_message *a, const struct mitogen_message *b)
{
	return a->header.src_id == b->header.src_id;
}

/* What came cannot be used: only why is kept, until the last frame of it has come. */
ERROR_PATH static void spoil(struct mitogen_message *m, int code, const char *why)
{
	mitogen_error error;

	log_write(LOG_WARNING, "context %u sent a message to handle %u that was refused: %s",
		  m->header.src_id, m->header.handle, why);
	error_set(&error, code, "%s", why);
	message_set_failure(m, &error);
	message_wipe(m);
	m->size = 0;
}

/* before with frame behind it; both are taken over. */
static struct mitogen_message *join(const struct router *router, struct mitogen_message *before,
				    struct mitogen_message *frame)
{
	struct mitogen_message *joined = NULL;

	if (!before->failure) {
		if (before->size + frame->size > router->max_message)
			spoil(before, MITOGEN_ERR_TOO_BIG, "it is longer than a message may be");
		else if ((joined = message_join(before, frame)) == NULL)
			spoil(before, MITOGEN_ERR_MEMORY, "out of memory");
	}
	if (joined)
		return joined;
	before->header.flags = frame->header.flags;
	message_unref(frame);
	return before;
}

/* Counts what a neighbour has us keep. */
static void charge(struct neighbour *from, struct mitogen_message *m)
{
	if (!from)
		return;
	m->charged = from;
	from->partial_bytes += m->size;
	from->partial_count++;
}

/* Puts the frame behind what came before it. Returns the whole message, or NULL: more is to come. */
static struct mitogen_message *reassemble(const struct router *router, struct handle *handle,
					  struct mitogen_message *frame, struct neighbour *from)
{
	struct mitogen_message *before = NULL;

	LIST_FOR_EACH (node, &handle->partial) {
		before = LIST_OWNER(node, struct mitogen_message, link);
		if (same_flow(before, frame))
			break;
		before = NULL;
	}
	if (before) {
		list_remove(&before->link);
		discharge(before);
		frame = join(router, before, frame);
	}
	if (!(frame->header.flags & FRAME_MORE))
		return frame;
	charge(from, frame);
	if (from && !from->is_parent && from->partial_bytes > router->max_message) {
		discharge(frame);
		spoil(frame, MITOGEN_ERR_TOO_BIG, "too much is incomplete at the same time");
		charge(from, frame);
	}
	if (from && !from->is_parent && from->partial_count > PARTIAL_MAX)
		neighbour_fail(from, "too many of its messages are incomplete");
	list_append(&handle->partial, &frame->link);
	return NULL;
}

/* Over the stream that leads to it: what it sent, or was sent in its name by the router that cannot
 * reach it; or a failure that somebody above us reports. */
static bool is_of_respondent(const struct router *router, const struct context *respondent,
			     const struct mitogen_message *m, const struct neighbour *from)
{
	uint32_t src_id = m->header.src_id;

	if (routes_neighbour(router, respondent->id) != from)
		return false;
	if (src_id == respondent->id)
		return true;
	return m->header.kind == FRAME_DEAD && router_is_ancestor(router, src_id);
}

/* Over which stream, and whether by policy: may this frame come in here? */
static bool is_allowed(struct router *router, const struct handle *handle,
		       const struct mitogen_message *m, const struct neighbour *from)
{
	const struct context *respondent = handle->respondent;
	/* a failure is short; a long one would be kept while it is put together */
	bool is_one_frame = handle->ops->is_one_frame || m->header.kind == FRAME_DEAD;

	if (is_one_frame && m->header.flags & FRAME_MORE)
		return false;
	if (respondent && from && !is_of_respondent(router, respondent, m, from))
		return false; /* what is not from a stream is a failure that we report ourselves */
	return !handle->ops->policy || handle->ops->policy(router, m);
}

/* What a child may name: who is below it, be it lost, and the reader. */
static bool may_name(const void *owner, uint32_t id)
{
	const struct neighbour *from = owner;

	return id == from->router->id || id_blocks_contain(&from->blocks, id);
}

/* Refuses what is not CBOR as it must be, or names contexts that are none of the sender's business. */
static void check_value(struct mitogen_message *m, const struct neighbour *from)
{
	/* who joined us may name what we may */
	bool is_child =
		from && !from->is_parent && !(from->has_joined && m->header.src_id == from->id);
	int r;

	if (m->header.kind == FRAME_RAW || m->size == 0)
		return;
	r = cbor_check_names(m->payload, m->size, is_child ? may_name : NULL, from);
	if (r == CBOR_ERR_NAME)
		spoil(m, MITOGEN_ERR_REFUSED, cbor_error_text(r));
	else if (r < 0)
		spoil(m, MITOGEN_ERR_TYPE, "it is malformed");
}

void handles_deliver(struct router *router, struct mitogen_message *frame, struct neighbour *from)
{
	struct handle *handle = handles_find(router, frame->header.handle);

	if (!handle) {
		router_reply_dead(router, frame, MITOGEN_ERR_UNKNOWN, "no such handle there");
		message_unref(frame);
		return;
	}
	if (!is_allowed(router, handle, frame, from)) {
		log_write(LOG_WARNING, "context %u may not send to handle %u: refused",
			  frame->header.src_id, frame->header.handle);
		router->stats.refused++;
		router_reply_dead(router, frame, MITOGEN_ERR_REFUSED, "refused by policy");
		message_unref(frame);
		return;
	}
	if (frame->header.flags & FRAME_MORE || !list_is_empty(&handle->partial))
		frame = reassemble(router, handle, frame, from);
	if (!frame)
		return;
	check_value(frame, from);
	if (frame->failure && frame->header.reply_to && !handle->ops->takes_spoiled) {
		router_reply_dead(router, frame, frame->failure->code, frame->failure->text);
		message_unref(frame);
		return;
	}
	if (frame->failure && !handle->ops->takes_spoiled)
		frame->header.kind = FRAME_DEAD;
	frame->router_ref = router->api_ref;
	handle->ops->receive(router, handle, frame);
}

void handles_drop_partial(struct router *router, const struct id_blocks *sources)
{
	for (struct map_node *node = NULL; (node = map_next(&router->handles, node)) != NULL;) {
		struct handle *handle = MAP_OWNER(node, struct handle, by_number);

		LIST_FOR_EACH_SAFE (part, &handle->partial) {
			struct mitogen_message *m = LIST_OWNER(part, struct mitogen_message, link);

			if (!id_blocks_contain(sources, m->header.src_id))
				continue;
			list_remove(&m->link);
			drop_partial(m);
		}
	}
}
