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

int handles_add(struct router *router, struct handle *handle, uint32_t number,
		const struct handle_ops *ops, struct context *respondent)
{
	bool random = number == 0;

	while (random && (number < HANDLE_FIRST_FREE || map_get(&router->handles, number)))
		number = random_u32();
	if (!random && map_get(&router->handles, number))
		return MITOGEN_ERR_USAGE;
	if (map_add(&router->handles, &handle->by_number, number) < 0)
		return MITOGEN_ERR_MEMORY;
	handle->ops = ops;
	handle->respondent = respondent;
	list_init(&handle->of_respondent);
	list_init(&handle->partial);
	if (respondent)
		list_append(&respondent->handles, &handle->of_respondent);
	return 0;
}

void handles_remove(struct router *router, struct handle *handle)
{
	struct list *node;

	map_remove(&router->handles, &handle->by_number);
	list_remove(&handle->of_respondent);
	while ((node = list_pop(&handle->partial)) != NULL)
		message_unref(LIST_OWNER(node, struct mitogen_message, link));
}

struct handle *handles_find(const struct router *router, uint32_t number)
{
	struct map_node *node = map_get(&router->handles, number);

	return node ? MAP_OWNER(node, struct handle, by_number) : NULL;
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

/* Appends the frame to what came before it. Returns the whole message, or NULL: more is to come, or
 * it was dropped. */
static struct mitogen_message *reassemble(struct router *router, struct handle *handle,
					  struct mitogen_message *frame)
{
	struct mitogen_message *before = NULL, *joined;

	LIST_FOR_EACH (node, &handle->partial) {
		before = LIST_OWNER(node, struct mitogen_message, link);
		if (same_flow(before, frame))
			break;
		before = NULL;
	}
	if (!before && !(frame->header.flags & FRAME_MORE))
		return frame;
	if (!before) {
		list_append(&handle->partial, &frame->link);
		return NULL;
	}
	list_remove(&before->link);
	if (before->size + frame->size > router->max_message) {
		log_write(LOG_WARNING, "context %u: a message of over %zu bytes was refused",
			  frame->header.src_id, router->max_message);
		router_reply_dead(router, frame, MITOGEN_ERR_TOO_BIG, "the message is too big");
		message_unref(before);
		message_unref(frame);
		return NULL;
	}
	joined = message_join(before, frame);
	if (joined && joined->header.flags & FRAME_MORE) {
		list_append(&handle->partial, &joined->link);
		return NULL;
	}
	return joined;
}

/* Over which stream, and whether by policy: may this frame come in here? */
static bool is_allowed(struct router *router, const struct handle *handle,
		       const struct mitogen_message *m, const struct neighbour *from)
{
	const struct context *respondent = handle->respondent;

	if (respondent && router_neighbour(router, respondent->id) != from)
		return false;
	return !handle->ops->policy || handle->ops->policy(router, m);
}

void handles_deliver(struct router *router, struct mitogen_message *frame, struct neighbour *from)
{
	struct handle *handle = handles_find(router, frame->header.handle);
	mitogen_error malformed;

	if (!handle) {
		router_reply_dead(router, frame, MITOGEN_ERR_UNKNOWN, "no such handle there");
		message_unref(frame);
		return;
	}
	if (!is_allowed(router, handle, frame, from)) {
		log_write(LOG_WARNING, "context %u may not send to handle %u: refused",
			  frame->header.src_id, frame->header.handle);
		router_reply_dead(router, frame, MITOGEN_ERR_REFUSED, "refused by policy");
		message_unref(frame);
		return;
	}
	if (frame->header.flags & FRAME_MORE || !list_is_empty(&handle->partial))
		frame = reassemble(router, handle, frame);
	if (!frame)
		return;
	if (frame->header.kind != FRAME_RAW && frame->size > 0 &&
	    cbor_check(frame->payload, frame->size) < 0) {
		log_write(LOG_ERROR, "context %u sent a malformed message to handle %u",
			  frame->header.src_id, frame->header.handle);
		error_set(&malformed, MITOGEN_ERR_TYPE, "a malformed message came");
		message_set_failure(frame, &malformed);
		frame->header.kind = FRAME_DEAD;
		frame->size = 0;
	}
	frame->router_ref = router->api_ref;
	handle->ops->receive(router, handle, frame);
}
