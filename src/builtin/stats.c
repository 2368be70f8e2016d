/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters of a process, by name. */
#include "core/stats.h"

#include "builtin/builtin.h"
#include "core/dispatch.h"

void builtin_stats(struct router *router, struct mitogen_message *m)
{
	struct mitogen_writer w;
	struct stats stats;
	int ignored;

	stats_collect(router, &stats);
	message_writer_init(&w);
	writer_begin_map(&w);
	for (size_t i = 0; i < STATS_COUNT; i++) {
		writer_string(&w, stats_names[i]);
		writer_uint(&w, ((const uint64_t *)&stats)[i]);
	}
	writer_end(&w);
	dispatch_answer(router, m, message_from_writer(&w, &ignored));
	message_unref(m);
}
