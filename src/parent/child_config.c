/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/child_config.h"

#include "base/log.h"
#include "core/router.h"
#include "parent/connection.h"
#include "wire/handles.h"

static void write_number(struct mitogen_writer *w, const char *key, uint64_t number)
{
	writer_string(w, key);
	writer_uint(w, number);
}

/* Who ends has that much less time than its parent gives it, so that it can still kill what is below
 * it and does not end. */
#define END_MARGIN_MS 25

static int less_margin(int ms)
{
	return ms > 2 * END_MARGIN_MS ? ms - END_MARGIN_MS : ms;
}

int child_config_end_ms(const struct router *router, int shutdown_ms)
{
	int left_ms = less_margin(router->patience_ms);

	return router->parent && shutdown_ms > left_ms ? left_ms : shutdown_ms;
}

int child_config_send(struct router *router, const struct id_block *ids, const char *path,
		      const struct connect_options *options)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	message_writer_init(&w);
	writer_begin_map(&w);
	write_number(&w, "id", ids->first);
	write_number(&w, "ids", ids->count);
	write_number(&w, "log", log_get_level());
	write_number(&w, "max", router->max_message);
	write_number(&w, "forks", options->fork_server);
	write_number(&w, "patience", (uint64_t)less_margin(options->shutdown_ms));
	write_number(&w, "dump", router->diagnosis.dump_seconds);
	write_number(&w, "dump_on_signal", router->diagnosis.dumps_on_signal);
	write_number(&w, "trace", router->diagnosis.traces_crashes);
	write_number(&w, "unidirectional", router->is_unidirectional);
	writer_string(&w, "parents");
	writer_list_head(&w, router->ancestor_count + 1);
	writer_uint(&w, router->id);
	for (size_t i = 0; i < router->ancestor_count; i++)
		writer_uint(&w, router->ancestors[i]);
	writer_string(&w, "path");
	writer_string(&w, path);
	writer_end(&w);
	m = message_from_writer(&w, &ignored);
	if (!m)
		return MITOGEN_ERR_MEMORY;
	m->header.dst_id = ids->first;
	m->header.handle = HANDLE_CONFIG;
	router_send(router, m, false);
	return 0;
}
