/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/neighbour.h"

#include "base/log.h"
#include "core/flow.h"
#include "core/message.h"
#include "core/router.h"

#define UNREAD_MAX         10000  /* answers that may wait for a child to read them */
#define LOG_BURST          100000 /* lines that contexts behind a child may log at once; then */
#define LOG_PER_SECOND     10000
#define MODULE_BURST       100 /* GET_MODULEs of a child at once; then */
#define MODULES_PER_SECOND 10

/* May this come from there? Fills in on whose authority. */
static bool verify(const struct neighbour *neighbour, struct frame_header *header)
{
	if (neighbour->is_parent)
		return true;
	if (neighbour->has_joined)
		return verify_joined(&neighbour->blocks, neighbour->id, neighbour->router->id,
				     header);
	return verify_header(&neighbour->blocks, header);
}

static bool on_frame(struct stream *stream, struct mitogen_message *m)
{
	struct neighbour *neighbour = LIST_OWNER(stream, struct neighbour, stream);

	if (!verify(neighbour, &m->header)) {
		log_write(LOG_ERROR,
			  "%s: claimed to be context %u acting for %u; closing its stream",
			  neighbour->name, m->header.src_id, m->header.auth_id);
		message_unref(m);
		neighbour->router->stats.forged++;
		neighbour->events->ended(neighbour, "it sent a message in a foreign name");
		return false;
	}
	router_route(neighbour->router, m, neighbour);
	return stream->events != NULL;
}

static ptrdiff_t on_greeting(struct stream *stream, const uint8_t *data, size_t size)
{
	struct neighbour *neighbour = LIST_OWNER(stream, struct neighbour, stream);

	return neighbour->events->greeting(neighbour, data, size);
}

static void on_ended(struct stream *stream, const char *why)
{
	struct neighbour *neighbour = LIST_OWNER(stream, struct neighbour, stream);

	neighbour->events->ended(neighbour, why);
}

static void on_drained(struct stream *stream)
{
	struct neighbour *neighbour = LIST_OWNER(stream, struct neighbour, stream);

	neighbour->unread_answers = 0;
	if (neighbour->events->drained)
		neighbour->events->drained(neighbour);
}

static void on_taken(struct stream *stream, const struct mitogen_message *m, size_t before,
		     size_t left)
{
	struct neighbour *neighbour = LIST_OWNER(stream, struct neighbour, stream);

	relay_taken(neighbour, m);
	if (m->header.flags & FRAME_BULK && m->header.src_id == neighbour->router->id &&
	    before >= FLOW_PRODUCED && left < FLOW_PRODUCED)
		flow_low(neighbour->router, &m->header);
}

static const struct stream_events stream_events = {
	.frame = on_frame,
	.greeting = on_greeting,
	.ended = on_ended,
	.drained = on_drained,
	.taken = on_taken,
};

static void fail_task(struct task *task)
{
	struct neighbour *neighbour = LIST_OWNER(task, struct neighbour, failure);

	neighbour->events->ended(neighbour, neighbour->failed);
}

void neighbour_init(struct neighbour *neighbour, struct router *router, uint32_t id,
		    const struct neighbour_events *events, const char *name)
{
	*neighbour = (struct neighbour){
		.router = router,
		.id = id,
		.events = events,
		.name = name,
		.log_quota = {.burst = LOG_BURST, .per_second = LOG_PER_SECOND},
		.module_quota = {.burst = MODULE_BURST, .per_second = MODULES_PER_SECOND},
	};
	list_init(&neighbour->routes);
	list_append(&router->neighbours, &neighbour->link);
	neighbour->failure.run = fail_task;
	stream_init(&neighbour->stream, &router->broker, &stream_events);
}

void neighbour_fail(struct neighbour *neighbour, const char *why)
{
	neighbour->failed = why;
	broker_defer(&neighbour->router->broker, &neighbour->failure);
}

bool neighbour_may_answer(struct neighbour *neighbour)
{
	if (neighbour->is_parent || ++neighbour->unread_answers <= UNREAD_MAX)
		return true;
	neighbour_fail(neighbour, "it asks and does not read the answers");
	return false;
}

void neighbour_disconnect(struct neighbour *neighbour)
{
	stream_disconnect(&neighbour->stream, &stream_events);
}

void neighbour_close(struct neighbour *neighbour)
{
	list_remove(&neighbour->failure.link);
	list_remove(&neighbour->link);
	routes_remove_all(neighbour->router, neighbour);
	routes_clear_talks(neighbour);
	handles_drop_partial(neighbour->router, &neighbour->blocks);
	LIST_FOR_EACH (node, &neighbour->router->neighbours) {
		relay_forget(LIST_OWNER(node, struct neighbour, link), neighbour);
	}
	stats_add_stream(neighbour->router, &neighbour->stream);
	stream_close(&neighbour->stream);
	relay_clear(&neighbour->relay);
	id_blocks_clear(&neighbour->blocks);
}
