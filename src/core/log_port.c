/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/log_port.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/context.h"
#include "core/flow.h"
#include "core/router.h"
#include "wire/cursor.h"
#include "wire/handles.h"

#define NEIGHBOUR_MAX (16u << 20) /* bytes of all that is behind one child that may wait here */
#define NAME_MAX_SIZE 1024
#define LOST_MAX      2048 /* of how many lost contexts the names are kept */

struct record {
	struct list link;
	struct mitogen_message *m;
	uint32_t neighbour_id; /* of the child that it came through; ours: it is our own */
	enum log_level level;
	const char *text; /* in m */
	size_t size, taken;
	char name[]; /* of the context that it is about */
};

struct log_source { /* a context that sends us records, as long as there is a route to it */
	struct map_node by_id;
	struct window window;
};

struct lost_name {
	struct list link;
	struct map_node by_id;
	char text[];
};

struct log_port {
	struct list records;
	size_t own_bytes;
	struct map sources;
	struct map lost_names;
	struct list lost; /* the same, oldest first */
};

/* ---- Sources and their credit ---- */

static struct log_source *find_source(const struct router *router, uint32_t id)
{
	struct map_node *node = map_get(&router->log_port->sources, id);

	return node ? MAP_OWNER(node, struct log_source, by_id) : NULL;
}

/* NULL: no memory. */
static struct log_source *source_of(struct router *router, uint32_t id)
{
	struct log_source *source = find_source(router, id);

	if (source)
		return source;
	source = sys.calloc(1, sizeof(*source));
	if (!source || map_add(&router->log_port->sources, &source->by_id, id) < 0) {
		sys.free(source);
		return NULL;
	}
	window_init(&source->window);
	source->window.limit = WINDOW_FIRST; /* a fast log is not worth more memory */
	return source;
}

static void drop_source(struct router *router, uint32_t id)
{
	struct log_source *source = find_source(router, id);

	if (!source)
		return;
	map_remove(&router->log_port->sources, &source->by_id);
	sys.free(source);
}

static void consumed(struct router *router, uint32_t id, size_t size)
{
	struct log_source *source = find_source(router, id);

	if (source)
		flow_consumed(router, &source->window, id, HANDLE_FORWARD_LOG, flow_cost(size));
}

/* ---- Names ---- */

static void write_route_name(const struct route *route, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", route->neighbour->name, route->name);
}

static void drop_oldest_name(struct log_port *port)
{
	struct lost_name *oldest = LIST_OWNER(list_pop(&port->lost), struct lost_name, link);

	map_remove(&port->lost_names, &oldest->by_id);
	sys.free(oldest);
}

static void keep_name(struct log_port *port, const struct route *route)
{
	char text[NAME_MAX_SIZE];
	struct lost_name *name;

	write_route_name(route, text, sizeof(text));
	name = sys.malloc(sizeof(*name) + strlen(text) + 1);
	if (!name || map_add(&port->lost_names, &name->by_id, route->by_id.key) < 0) {
		sys.free(name); /* its number will do */
		return;
	}
	memcpy(name->text, text, strlen(text) + 1);
	list_append(&port->lost, &name->link);
	if (port->lost_names.count > LOST_MAX)
		drop_oldest_name(port);
}

void log_port_forget(struct router *router, const struct route *route)
{
	if (!router->log_port)
		return;
	drop_source(router, route->by_id.key);
	if (route->name[0])
		keep_name(router->log_port, route);
}

/* How we call a context. False: it was never announced, or long ago. */
static bool find_name(const struct router *router, uint32_t id, char *out, size_t size)
{
	const struct context *context = context_known(router, id);
	const struct route *route = routes_find(router, id);
	struct map_node *lost = map_get(&router->log_port->lost_names, id);

	if (context)
		snprintf(out, size, "%s", context->path);
	else if (route && route->name[0])
		write_route_name(route, out, size);
	else if (route && route->neighbour->id == id)
		snprintf(out, size, "%s", route->neighbour->name);
	else if (lost)
		snprintf(out, size, "%s", MAP_OWNER(lost, struct lost_name, by_id)->text);
	else
		return false;
	return true;
}

/* The same, escaped, of one that was reported from behind this child. */
static void write_name(const struct router *router, uint32_t id, const struct neighbour *neighbour,
		       char *out, size_t size)
{
	char name[NAME_MAX_SIZE];

	if (!find_name(router, id, name, sizeof(name)))
		snprintf(name, sizeof(name), "%s/%u", neighbour ? neighbour->name : "", id);
	escape_again(out, size, name, strlen(name));
}

/* As far as names tell. */
static bool is_child_of(const struct router *router, uint32_t id, uint32_t parent_id)
{
	char name[NAME_MAX_SIZE], parent[NAME_MAX_SIZE];
	size_t size;

	if (id == parent_id || !find_name(router, id, name, sizeof(name)) ||
	    !find_name(router, parent_id, parent, sizeof(parent)))
		return false;
	size = strlen(parent);
	return strncmp(name, parent, size) == 0 && name[size] == '/' &&
	       !strchr(name + size + 1, '/');
}

/* ---- Records ---- */

static bool read_record(const struct mitogen_message *m, uint32_t *ret_level, uint32_t *ret_id,
			const uint8_t **ret_text, size_t *ret_size)
{
	struct cursor c = {m->payload, m->payload + m->size};
	uint64_t count;

	return m->header.kind == FRAME_CBOR && cursor_list(&c, &count) == 0 && count == 3 &&
	       cursor_u32(&c, ret_level) == 0 && *ret_level >= LOG_ERROR &&
	       *ret_level <= LOG_DEBUG && cursor_u32(&c, ret_id) == 0 &&
	       cursor_string(&c, CBOR_BYTES, ret_text, ret_size) == 0;
}

/* How many lines its sender logs with this record; 0: a child of that one has printed them. */
static uint32_t count_logged(const struct router *router, uint32_t src_id, uint32_t id,
			     const uint8_t *text, size_t size)
{
	uint32_t count = size == 0 || text[size - 1] != '\n';

	if (is_child_of(router, id, src_id))
		return 0;
	for (size_t i = 0; i < size; i++)
		count += text[i] == '\n';
	return count;
}

/* Does more come from behind this child than we keep, or do contexts there log too many lines? Says so
 * once. What was printed, 0 lines here, is not counted: who prints waits. */
static bool is_flooding(struct neighbour *from, uint32_t lines)
{
	if (from->log_bytes <= NEIGHBOUR_MAX &&
	    (lines == 0 || quota_take(&from->log_quota, lines, clock_ms())))
		return false;
	if (!from->log_is_dropped)
		log_write(LOG_WARNING, "%s: too many log lines come from there; some are dropped",
			  from->name);
	from->log_is_dropped = true;
	return true;
}

/* Takes m over; from: NULL if it is our own. False: it was dropped. */
static bool keep(struct router *router, struct mitogen_message *m, struct neighbour *from)
{
	char name[NAME_MAX_SIZE];
	struct record *record = NULL;
	const uint8_t *text;
	uint32_t level, id;
	size_t size;

	if (!read_record(m, &level, &id, &text, &size) ||
	    (from && !id_blocks_contain(&from->blocks, id))) {
		log_write(LOG_WARNING, "a log record of context %u was refused", m->header.src_id);
	} else if (level <= (uint32_t)log_get_level() &&
		   !(from &&
		     is_flooding(from, count_logged(router, m->header.src_id, id, text, size)))) {
		write_name(router, id, from, name, sizeof(name));
		record = sys.malloc(sizeof(*record) + strlen(name) + 1);
	}
	if (!record) {
		message_unref(m);
		return false;
	}
	*record = (struct record){.m = m,
				  .neighbour_id = from ? from->id : router->id,
				  .level = (enum log_level)level,
				  .text = (const char *)text,
				  .size = size};
	memcpy(record->name, name, strlen(name) + 1);
	list_append(&router->log_port->records, &record->link);
	return true;
}

void log_port_add(struct router *router, struct mitogen_message *m)
{
	size_t size = m->size;

	if (keep(router, m, NULL))
		router->log_port->own_bytes += size;
}

/* It was handed over. */
static void drop(struct router *router, struct record *record)
{
	struct neighbour *from = routes_neighbour(router, record->neighbour_id);
	size_t size = record->m->size;

	if (record->neighbour_id == router->id)
		router->log_port->own_bytes -= size;
	else if (from)
		from->log_bytes -= size;
	if (from && from->log_bytes <= NEIGHBOUR_MAX / 2 && !from->log_quota.is_exhausted)
		from->log_is_dropped = false;
	consumed(router, record->m->header.src_id, size);
	list_remove(&record->link);
	message_unref(record->m);
	sys.free(record);
}

/* ---- The port ---- */

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	uint32_t src_id = m->header.src_id;
	struct neighbour *from = routes_neighbour(router, src_id);
	struct log_source *source = source_of(router, src_id);
	size_t size = m->size;

	(void)handle;
	/* the last record may reach beyond the credit */
	if (!source || source->window.received >= source->window.granted) {
		neighbour_fail(from, source ? "it sent more log records than it was granted"
					    : "out of memory");
		message_unref(m);
		return;
	}
	window_receive(&source->window, flow_cost(size), m->header.flags & FRAME_WAITED,
		       clock_ms());
	if (keep(router, m, from))
		from->log_bytes += size;
	else
		consumed(router, src_id, size);
}

/* Who was announced, if only by its start as our child. */
static bool is_below(const struct router *router, const struct mitogen_message *m)
{
	return routes_find(router, m->header.src_id) != NULL;
}

static const struct handle_ops port_ops = {
	.receive = receive, .is_one_frame = true, .policy = is_below};

int log_port_open(struct router *router)
{
	struct log_port *port = sys.calloc(1, sizeof(*port));

	if (!port || handles_add_fixed(router, HANDLE_FORWARD_LOG, &port_ops) < 0) {
		sys.free(port);
		return MITOGEN_ERR_MEMORY;
	}
	list_init(&port->records);
	list_init(&port->lost);
	router->log_port = port;
	return 0;
}

void log_port_close(struct router *router)
{
	struct log_port *port = router->log_port;
	struct map_node *node;

	if (!port)
		return;
	while (!list_is_empty(&port->records))
		drop(router, LIST_OWNER(port->records.next, struct record, link));
	while ((node = map_first(&port->sources)) != NULL)
		drop_source(router, node->key);
	while (!list_is_empty(&port->lost))
		drop_oldest_name(port);
	map_clear(&port->sources);
	map_clear(&port->lost_names);
	handles_remove_fixed(router, HANDLE_FORWARD_LOG);
	router->log_port = NULL;
	sys.free(port);
}

/* ---- Handing over ---- */

size_t log_port_own_bytes(const struct router *router)
{
	return router->log_port->own_bytes;
}

bool log_port_is_empty(const struct router *router)
{
	return list_is_empty(&router->log_port->records);
}

/* Line by line. False: some are left. */
static bool hand_over(struct record *record)
{
	char line[LOG_LINE_MAX];

	do {
		const char *at = record->text + record->taken;
		size_t left = record->size - record->taken;
		const char *newline = memchr(at, '\n', left);
		size_t size = newline ? (size_t)(newline - at) : left;

		escape_again(line, sizeof(line), at, size);
		if (!log_relay(record->level, record->name, line))
			return false;
		record->taken += newline ? size + 1 : size;
	} while (record->taken < record->size);
	return true;
}

bool log_port_deliver(struct router *router)
{
	const struct list *records = &router->log_port->records;

	/* only this thread changes the list */
	while (!list_is_empty(records)) {
		struct record *record = LIST_OWNER(records->next, struct record, link);

		if (!hand_over(record))
			return false;
		broker_lock(&router->broker);
		drop(router, record);
		broker_unlock(&router->broker);
	}
	return true;
}
