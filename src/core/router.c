/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/router.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/chains.h"
#include "core/context.h"
#include "core/latch.h"
#include "wire/handles.h"

static void deliver_local(struct task *task);

int router_init(struct router *router, uint32_t id, const uint32_t *ancestors,
		size_t ancestor_count, const char *path)
{
	*router = (struct router){.id = id, .max_message = MESSAGE_SIZE_MAX};
	router->path = sys_strdup(path);
	router->ancestors = sys.calloc(ancestor_count + 1, sizeof(*ancestors));
	router->calls = latch_new();
	if (!router->path || !router->ancestors || !router->calls ||
	    broker_init(&router->broker) < 0) {
		latch_unref(router->calls);
		sys.free(router->ancestors);
		sys.free(router->path);
		return -1;
	}
	router->ancestor_count = ancestor_count;
	for (size_t i = 0; i < ancestor_count; i++)
		router->ancestors[i] = ancestors[i];
	list_init(&router->lost.oldest_first);
	list_init(&router->lost_strangers.oldest_first);
	list_init(&router->residents);
	list_init(&router->neighbours);
	list_init(&router->listeners);
	list_init(&router->local);
	router->deliver_local.run = deliver_local;
	list_init(&router->id_waiters);
	list_init(&router->outboxes.failed);
	return 0;
}

void router_clear(struct router *router)
{
	message_unref_all(&router->local);
	outboxes_clear(router);
	inboxes_clear(&router->inboxes);
	sys.free(router->environment);
	context_clear_all(router);
	chains_clear(router);
	map_clear(&router->call_chains);
	map_clear(&router->routes);
	id_blocks_clear(&router->supply);
	map_clear(&router->handles);
	map_clear(&router->outflows);
	map_clear(&router->contexts_by_id);
	map_clear(&router->contexts_by_ref);
	latch_unref(router->calls);
	broker_clear(&router->broker);
	sys.free(router->ancestors);
	sys.free(router->path);
}

bool router_is_ancestor(const struct router *router, uint32_t id)
{
	for (size_t i = 0; i < router->ancestor_count; i++)
		if (router->ancestors[i] == id)
			return true;
	return false;
}

/* ---- The end ---- */

void router_add_resident(struct router *router, struct resident *resident)
{
	list_append(&router->residents, &resident->link);
}

static void report_closed(struct router *router)
{
	if (router->closing && list_is_empty(&router->residents) && router->on_closed)
		router->on_closed(router);
}

void router_remove_resident(struct router *router, struct resident *resident)
{
	list_remove(&resident->link);
	report_closed(router);
}

static void fail_waiters(struct router *router)
{
	mitogen_error error;
	struct map_node *node = NULL;

	error_set(&error, MITOGEN_ERR_CLOSED, "the router was closed");
	while ((node = map_next(&router->contexts_by_ref, node)) != NULL)
		context_fail_handles(router, MAP_OWNER(node, struct context, by_ref), &error);
}

void router_close(struct router *router, bool urgent)
{
	if (router->closing && !urgent)
		return;
	router->closing = true;
	latch_close(router->calls, &router->broker.wakes);
	if (router->on_closing)
		router->on_closing(router);
	fail_waiters(router);
	LIST_FOR_EACH_SAFE (node, &router->residents) {
		struct resident *resident = LIST_OWNER(node, struct resident, link);

		resident->close(resident, urgent);
	}
	report_closed(router);
}

/* ---- Sending ---- */

static void deliver_local(struct task *task)
{
	struct router *router = LIST_OWNER(task, struct router, deliver_local);

	for (struct list *node; (node = list_pop(&router->local)) != NULL;)
		handles_deliver(router, LIST_OWNER(node, struct mitogen_message, link), NULL);
}

/* Ports are served on the broker thread alone. */
static void deliver(struct router *router, struct mitogen_message *m, struct neighbour *from)
{
	if (broker_may_act(&router->broker)) {
		handles_deliver(router, m, from);
		return;
	}
	list_append(&router->local, &m->link);
	broker_defer(&router->broker, &router->deliver_local);
}

/* Not between somebody and what is above or below it, or has joined what is above it: who acts on the
 * authority of one above may talk to all, and is answered. What our parent passes on, it has looked at. */
static bool goes_across(const struct router *router, const struct mitogen_message *m,
			const struct neighbour *from)
{
	uint32_t dst_id = m->header.dst_id;

	if (!from || from->is_parent || handles_allow_parents(router, m))
		return false;
	return !router_is_ancestor(router, dst_id) && !routes_has_talk(from, dst_id);
}

static void reply_dead_as(struct router *router, uint32_t src_id,
			  const struct mitogen_message *request, int code, const char *text);

/* Answers what goes no further. What our parent sent to somebody below us is answered in that one's
 * name, which who waits for it expects. */
static void refuse_onward(struct router *router, const struct mitogen_message *m,
			  const struct neighbour *from, const mitogen_error *why)
{
	reply_dead_as(router, from && from->is_parent ? m->header.dst_id : router->id, m, why->code,
		      why->text);
}

/* To somebody who cannot be reached: with the reason of its loss, where that is known. */
ERROR_PATH static void reply_unreachable(struct router *router, const struct mitogen_message *m,
					 const struct neighbour *from)
{
	const struct context *context = context_known(router, m->header.dst_id);
	mitogen_error loss = {.code = MITOGEN_ERR_LOST, .text = "no route to that context"};

	if (context && context->state >= CONTEXT_LOST)
		context_loss(context, &loss);
	refuse_onward(router, m, from, &loss);
}

/* False: too much waits already. Who waits for the message, or for its answer, is told. */
static bool may_pass(struct router *router, struct mitogen_message *m, struct neighbour *from,
		     struct neighbour *to)
{
	enum relay_verdict verdict = relay_admit(to, from, m, router->max_message);
	struct mitogen_message *dead;
	mitogen_error full;

	if (verdict != RELAY_REFUSE)
		return verdict == RELAY_PASS;
	error_set(&full, MITOGEN_ERR_TOO_BIG,
		  "the queue to %s is full: what it was sent is read slowly or not at all; "
		  "try again later",
		  to->name);
	if (m->header.reply_to || m->header.handle < HANDLE_FIRST_FREE) {
		refuse_onward(router, m, from, &full);
		return false;
	}
	dead = message_new_dead(full.code, full.text);
	if (dead) {
		dead->header = m->header; /* in the name of who sent it, from whom it is expected */
		dead->header.kind = FRAME_DEAD;
		dead->header.flags = 0;
		stream_send(&to->stream, dead, false);
	} else {
		router_abandon(router, m->header.dst_id);
	}
	return false;
}

/* To its neighbour, in its order. */
static void pass_on(struct router *router, struct mitogen_message *m, struct neighbour *from,
		    struct neighbour *to, bool now)
{
	routes_note_talk(router, from, m->header.src_id, to, m->header.dst_id);
	if (m->header.handle == HANDLE_SHUTDOWN)
		stream_send_behind(&to->stream, m, NULL);
	else
		stream_send(&to->stream, m, now);
}

/* Who ends a context is above it; a message of one frame does it. */
static bool is_bad_shutdown(const struct router *router, const struct mitogen_message *m,
			    const struct neighbour *from)
{
	bool is_from_below = from && !from->is_parent && !handles_allow_parents(router, m);

	return m->header.handle == HANDLE_SHUTDOWN &&
	       (is_from_below || m->header.flags & (FRAME_BULK | FRAME_MORE));
}

/* Not to a port of ours: on to a neighbour. */
static void forward(struct router *router, struct mitogen_message *m, struct neighbour *from,
		    bool now)
{
	uint32_t dst_id = m->header.dst_id;
	struct neighbour *to = routes_neighbour(router, dst_id);

	if (router->is_unidirectional && goes_across(router, m, from)) {
		router->stats.refused++; /* whether there is such a context, or was, is not said */
		router_reply_dead(router, m, MITOGEN_ERR_REFUSED,
				  "routing is unidirectional: a context reaches only what is above "
				  "and below it");
	} else if (is_bad_shutdown(router, m, from)) {
		router->stats.refused++;
		router_reply_dead(router, m, MITOGEN_ERR_REFUSED,
				  "only what is above a context may shut it down");
	} else if (!to || to == from) {
		reply_unreachable(router, m, from);
	} else if (!from || may_pass(router, m, from, to)) {
		pass_on(router, m, from, to, now);
		return;
	}
	message_unref(m);
}

static void send_on(struct router *router, struct mitogen_message *m, struct neighbour *from,
		    bool now)
{
	if (m->header.dst_id == router->id)
		deliver(router, m, from);
	else
		forward(router, m, from, now);
}

void router_route(struct router *router, struct mitogen_message *m, struct neighbour *from)
{
	if (from->is_parent || routes_find(router, m->header.src_id)) {
		send_on(router, m, from, false);
		return;
	}
	/* its loss would be told to nobody */
	log_write(LOG_INFO, "%s: a message of context %u, which was not announced, is dropped",
		  from->name, m->header.src_id);
	message_unref(m);
}

void router_send_behind(struct router *router, struct neighbour *to, struct mitogen_message *m,
			const struct id_blocks *sources)
{
	m->header.src_id = m->header.auth_id = router->id;
	m->header.dst_id = to->id;
	stream_send_behind(&to->stream, m, sources);
}

/* Cuts m into frames. 0, or -1: no memory, nothing is left in pieces. */
static int slice(struct mitogen_message *m, struct list *pieces)
{
	for (size_t offset = 0; offset < m->size; offset += FRAME_PAYLOAD_MAX) {
		size_t left = m->size - offset;
		bool last = left <= FRAME_PAYLOAD_MAX;
		struct mitogen_message *piece;

		piece = message_slice(m, offset, last ? left : FRAME_PAYLOAD_MAX);
		if (!piece) {
			message_unref_all(pieces);
			return -1;
		}
		if (!last)
			piece->header.flags |= FRAME_MORE;
		list_append(pieces, &piece->link);
	}
	return 0;
}

void router_abandon(struct router *router, uint32_t id)
{
	struct neighbour *neighbour = routes_neighbour(router, id);

	if (neighbour)
		neighbour_fail(neighbour, "out of memory");
}

/* Tells our own port, which needs no memory for that. */
static void fail_port(struct router *router, uint32_t number, int code, const char *text)
{
	struct handle *handle = handles_find(router, number);
	mitogen_error error;

	if (!handle || !handle->ops->lost)
		return;
	error_set(&error, code, "%s", text);
	handle->ops->lost(router, handle, &error);
}

/* Who waits for it is told instead: us, if it is a request; otherwise who gets it. */
static void give_up(struct router *router, const struct mitogen_message *m)
{
	struct mitogen_message *dead;

	log_write(LOG_ERROR, "out of memory: a message to context %u was not sent",
		  m->header.dst_id);
	if (m->header.reply_to) {
		router_reply_dead(router, m, MITOGEN_ERR_MEMORY, "out of memory");
		return;
	}
	dead = message_new_dead(MITOGEN_ERR_MEMORY, "out of memory");
	if (!dead) {
		router_abandon(router, m->header.dst_id);
		return;
	}
	dead->header.dst_id = m->header.dst_id;
	dead->header.handle = m->header.handle;
	router_send(router, dead, false);
}

static void send_as(struct router *router, uint32_t src_id, struct mitogen_message *m, bool now)
{
	struct list pieces, *node;

	m->header.src_id = src_id;
	m->header.auth_id = src_id;
	if (m->size <= FRAME_PAYLOAD_MAX || m->header.dst_id == router->id) {
		send_on(router, m, NULL, now);
		return;
	}
	list_init(&pieces);
	if (slice(m, &pieces) < 0)
		give_up(router, m);
	while ((node = list_pop(&pieces)) != NULL)
		send_on(router, LIST_OWNER(node, struct mitogen_message, link), NULL,
			now && list_is_empty(&pieces));
	message_unref(m);
}

void router_send(struct router *router, struct mitogen_message *m, bool now)
{
	send_as(router, router->id, m, now);
}

int router_send_shutdown(struct router *router, uint32_t id)
{
	struct mitogen_message *m = message_new(0);

	if (!m)
		return MITOGEN_ERR_MEMORY;
	m->header.kind = FRAME_DEAD;
	m->header.dst_id = id;
	m->header.handle = HANDLE_SHUTDOWN;
	router_send(router, m, false);
	return 0;
}

void router_reply(struct router *router, const struct mitogen_message *request,
		  struct mitogen_message *m, bool now)
{
	if (request->header.reply_to == 0) {
		message_unref(m);
		return;
	}
	m->header.dst_id = request->header.src_id;
	m->header.handle = request->header.reply_to;
	if (request->has_channel)
		m->header.flags = FRAME_BULK; /* behind what was sent */
	router_send(router, m, now);
}

void router_reply_error(struct router *router, const struct mitogen_message *request,
			const mitogen_error *error, bool now)
{
	struct mitogen_message *m = message_new_call_error(error);

	if (m)
		router_reply(router, request, m, now);
	else
		router_reply_dead(router, request, error->code, "the error could not be described");
}

static void reply_dead_as(struct router *router, uint32_t src_id,
			  const struct mitogen_message *request, int code, const char *text)
{
	struct neighbour *to;
	struct mitogen_message *m;

	/* never in answer to a failure, or two routers would go on for ever */
	if (request->header.reply_to == 0 || request->header.kind == FRAME_DEAD)
		return;
	to = routes_neighbour(router, request->header.src_id);
	if (to && !neighbour_may_answer(to))
		return;
	router->stats.dead_replies++;
	m = message_new_dead(code, text);
	if (m) {
		m->header.dst_id = request->header.src_id;
		m->header.handle = request->header.reply_to;
		send_as(router, src_id, m, false);
	} else if (request->header.src_id == router->id) {
		fail_port(router, request->header.reply_to, code, text);
	} else {
		router_abandon(router, request->header.src_id);
	}
}

void router_reply_dead(struct router *router, const struct mitogen_message *request, int code,
		       const char *text)
{
	reply_dead_as(router, router->id, request, code, text);
}
