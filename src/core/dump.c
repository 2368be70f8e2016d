/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/dump.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "core/call.h"
#include "core/chains.h"
#include "core/context.h"
#include "core/flow.h"
#include "core/router.h"
#include "core/stats.h"

void dump_text(FILE *out, const char *text)
{
	char escaped[512];

	fputs(escape_again(escaped, sizeof(escaped), text, strlen(text)), out);
}

static void dump_counters(const struct router *router, FILE *out)
{
	struct stats stats;

	stats_collect(router, &stats);
	fputs(" counters:", out);
	for (size_t i = 0; i < STATS_COUNT; i++) {
		uint64_t value = ((const uint64_t *)&stats)[i];

		if (value > 0)
			fprintf(out, " %s=%" PRIu64, stats_names[i], value);
	}
	fputs("\n", out);
}

static const char *state_of(const struct stream *stream)
{
	if (stream->is_broken)
		return "broken";
	if (!stream->is_open)
		return "not open";
	if (stream->greeting)
		return "not up yet";
	return stream_is_idle(stream) ? "idle" : "has to write";
}

static void dump_stream(const struct neighbour *neighbour, FILE *out)
{
	const struct stream *stream = &neighbour->stream;
	const struct queue *queue = &stream->queue;

	fputs(" stream ", out);
	dump_text(out, neighbour->name);
	fprintf(out, " (context %" PRIu32 "): %s, descriptors %d %d\n", neighbour->id,
		state_of(stream), stream->in.fd, stream->out.fd);
	fprintf(out,
		"  in: %" PRIu64 " bytes, %" PRIu64 " frames, %zu bytes of the next; out: %" PRIu64
		" bytes, %" PRIu64 " frames\n",
		stream->bytes_in, stream->frames_in, stream->partial_size, stream->bytes_out,
		stream->frames_out);
	fprintf(out, "  waiting to be written: normal %zu, bulk %zu, begun %zu of %zu bytes\n",
		queue->normal_bytes, queue->bulk_bytes, stream->written, stream->writing_bytes);
	if (neighbour->partial_count > 0)
		fprintf(out, "  incomplete messages: %u, %zu bytes\n", neighbour->partial_count,
			neighbour->partial_bytes);
}

static void dump_contexts(const struct router *router, FILE *out)
{
	struct map_node *node = NULL;

	while ((node = map_next(&router->contexts_by_id, node)) != NULL) {
		const struct context *context = MAP_OWNER(node, struct context, by_id);

		if (context->state >= CONTEXT_LOST)
			continue;
		fprintf(out, " context %" PRIu32 " ", context->id);
		dump_text(out, context->path);
		fprintf(out, ": %s\n", context_state_name(context->state));
	}
}

static void dump_credits(const struct router *router, FILE *out)
{
	struct map_node *node = NULL;

	while ((node = map_next(&router->outflows, node)) != NULL) {
		const struct outflow *flow = MAP_OWNER(node, struct outflow, by_target);

		fprintf(out,
			" flow to context %" PRIu32 ", port %" PRIu32 ": %" PRIu64
			" bytes sent, credit for %" PRIu64 "%s%s\n",
			flow->dst_id, flow->handle, flow->sent, flow->granted - flow->sent,
			flow->is_waiting ? ", waits for more" : "", flow->ended ? ", ended" : "");
	}
	inboxes_dump(router, out);
}

static void dump_main_thread(const struct router *router, FILE *out)
{
	const char *running = __atomic_load_n(&router->running, __ATOMIC_RELAXED);

	if (running)
		fprintf(out, " the main thread runs %s\n", running);
}

static void dump_calls(const struct router *router, FILE *out)
{
	struct map_node *node = NULL;

	while ((node = map_next(&router->handles, node)) != NULL)
		call_dump(MAP_OWNER(node, struct handle, by_number), out);
	chains_dump(router, out);
}

static void dump_timers(const struct router *router, FILE *out)
{
	const struct timers *timers = &router->broker.timers;

	if (timers->first)
		fprintf(out, " timers: %zu, the first due in %" PRId64 " ms\n", timers->count,
			timers->first->deadline - clock_ms());
}

void dump_router(const struct router *router, FILE *out)
{
	fputs("mitogen: dump of ", out);
	dump_text(out, *router->path ? router->path : "the master");
	fprintf(out, " (context %" PRIu32 ", process %d)%s\n", router->id, (int)getpid(),
		router->closing ? ", which is closing" : "");
	dump_counters(router, out);
	LIST_FOR_EACH (node, &router->neighbours)
		dump_stream(LIST_OWNER(node, struct neighbour, link), out);
	dump_contexts(router, out);
	LIST_FOR_EACH (node, &router->residents) {
		struct resident *resident = LIST_OWNER(node, struct resident, link);

		if (resident->dump)
			resident->dump(resident, out);
	}
	dump_main_thread(router, out);
	dump_calls(router, out);
	dump_credits(router, out);
	dump_timers(router, out);
}
