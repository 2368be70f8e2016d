/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a router counts: in all since it was made, and what there is now. Counting is an addition under
 * the router lock, which whoever does the counted thing holds anyway.
 */
#pragma once

#include <stdint.h>

struct router;
struct stream;

/* Each by its name, in the order of mitogen_counters: there they are explained. */
#define STATS_COUNTERS(X)                                                                          \
	X(bytes_in)                                                                                \
	X(bytes_out)                                                                               \
	X(frames_in)                                                                               \
	X(frames_out)                                                                              \
	X(normal_queued)                                                                           \
	X(bulk_queued)                                                                             \
	X(incomplete)                                                                              \
	X(calls_sent)                                                                              \
	X(calls_pending)                                                                           \
	X(calls_received)                                                                          \
	X(calls_waiting)                                                                           \
	X(calls_failed)                                                                            \
	X(chains)                                                                                  \
	X(streams)                                                                                 \
	X(children)                                                                                \
	X(processes)                                                                               \
	X(contexts)                                                                                \
	X(routes)                                                                                  \
	X(handles)                                                                                 \
	X(timers)                                                                                  \
	X(dead_replies)                                                                            \
	X(refused)                                                                                 \
	X(forged)                                                                                  \
	X(log_dropped)

#define STATS_FIELD(name) uint64_t name;

struct stats { /* nothing but counters: may be read as an array */
	STATS_COUNTERS(STATS_FIELD)
};

#define STATS_COUNT (sizeof(struct stats) / sizeof(uint64_t))
extern const char *const stats_names[STATS_COUNT];

/* What is to be counted as it happens; sits in the router. */
struct stats_sums {
	uint64_t bytes_in, bytes_out, frames_in, frames_out; /* of streams that are closed */
	uint64_t calls_sent, calls_pending;
	uint64_t calls_received, calls_failed;
	uint64_t functions_queued,
		functions_begun; /* the second one is the main thread's: atomic */
	uint64_t dead_replies, refused, forged;
};

/* Router lock. */
void stats_collect(const struct router *router, struct stats *ret);
/* The stream is about to be closed. */
void stats_add_stream(struct router *router, struct stream *stream);
