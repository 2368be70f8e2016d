/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/stats.h"

#include "base/log.h"
#include "core/chains.h"
#include "core/context.h"
#include "core/router.h"

#define NAME(name) #name,

const char *const stats_names[STATS_COUNT] = {STATS_COUNTERS(NAME)};

void stats_add_stream(struct router *router, struct stream *stream)
{
	struct stats_sums *sums = &router->stats;

	sums->bytes_in += stream->bytes_in;
	sums->bytes_out += stream->bytes_out;
	sums->frames_in += stream->frames_in;
	sums->frames_out += stream->frames_out;
	stream->bytes_in = stream->bytes_out = stream->frames_in = stream->frames_out = 0;
}

static uint64_t count(const struct list *list)
{
	uint64_t number = 0;

	LIST_FOR_EACH (node, list)
		number++;
	return number;
}

static void add_neighbour(const struct neighbour *neighbour, struct stats *stats)
{
	const struct stream *stream = &neighbour->stream;

	stats->streams++;
	stats->bytes_in += stream->bytes_in;
	stats->bytes_out += stream->bytes_out;
	stats->frames_in += stream->frames_in;
	stats->frames_out += stream->frames_out;
	stats->normal_queued += stream->queue.normal_bytes + stream->writing_bytes;
	stats->bulk_queued += stream->queue.bulk_bytes;
	stats->incomplete += neighbour->partial_bytes;
}

static void add_contexts(const struct router *router, struct stats *stats)
{
	struct map_node *node = NULL;

	while ((node = map_next(&router->contexts_by_id, node)) != NULL) {
		const struct context *context = MAP_OWNER(node, struct context, by_id);

		stats->contexts += context->state < CONTEXT_LOST;
		stats->children += context->connection != NULL;
	}
}

void stats_collect(const struct router *router, struct stats *ret)
{
	const struct stats_sums *sums = &router->stats;

	*ret = (struct stats){
		.bytes_in = sums->bytes_in,
		.bytes_out = sums->bytes_out,
		.frames_in = sums->frames_in,
		.frames_out = sums->frames_out,
		.calls_sent = sums->calls_sent,
		.calls_pending = sums->calls_pending,
		.calls_received = sums->calls_received,
		.calls_waiting = sums->functions_queued -
				 __atomic_load_n(&sums->functions_begun, __ATOMIC_RELAXED),
		.calls_failed = sums->calls_failed,
		.chains = chains_count(router),
		.processes = count(&router->broker.processes),
		.routes = router->routes.count,
		.handles = router->handles.count,
		.timers = router->broker.timers.count,
		.dead_replies = sums->dead_replies,
		.refused = sums->refused,
		.forged = sums->forged,
		.log_dropped = log_dropped(),
	};
	LIST_FOR_EACH (node, &router->neighbours)
		add_neighbour(LIST_OWNER(node, struct neighbour, link), ret);
	add_contexts(router, ret);
}
