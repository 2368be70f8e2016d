/* SPDX-License-Identifier: BSD-3-Clause */
/* Routers of one process that are parents and children of each other, as many as a test wants; the
 * test runs their rounds. The end of a stream is the loss of the child. */
#pragma once

#include "base/error.h"
#include "core/flow.h"
#include "core/forward_log.h"
#include "parent/parent.h"
#include "parent/route_monitor.h"

#include "../core/fixture.h"

struct node {
	struct router router;
	struct neighbour below, above; /* its parent's to it; and back */
	struct context *context;       /* as its parent knows it */
	const char *ended;             /* why its stream ended, at its parent; "" for no reason */
	char path[64];
};

#define NODES_MAX 8

SHARED struct node nodes[NODES_MAX]; /* the first one is the master */
SHARED struct node *const master = &nodes[0];
SHARED size_t node_count;

SHARED void tree_pump(void)
{
	bool busy = true;

	while (busy) {
		busy = false;
		for (size_t i = 0; i < node_count; i++)
			busy |= pump_once(&nodes[i].router.broker, 0);
	}
}

SHARED void tree_ended(struct neighbour *neighbour, const char *why)
{
	struct node *node = LIST_OWNER(neighbour, struct node, below);
	mitogen_error error = {.code = MITOGEN_ERR_LOST, .text = "was killed by SIGKILL"};

	node->ended = why ? why : "";
	route_monitor_lose(neighbour->router, neighbour, &error);
	neighbour_close(neighbour);
	context_lose(neighbour->router, node->context, &error);
}

SHARED void tree_orphaned(struct neighbour *neighbour, const char *why)
{
	(void)why;
	neighbour_close(neighbour);
}

SHARED const struct neighbour_events tree_events = {.ended = tree_ended};
SHARED const struct neighbour_events tree_events_above = {.ended = tree_orphaned};

SHARED void open_ports(struct node *node)
{
	assert_int_equal(parent_open(&node->router), 0);
	assert_int_equal(flow_open(&node->router), 0);
	assert_int_equal(forward_log_open(&node->router), 0);
}

SHARED void close_ports(struct node *node)
{
	parent_close(&node->router);
	flow_close(&node->router);
	forward_log_close(&node->router);
}

SHARED struct node *new_node(uint32_t id, const uint32_t *ancestors, size_t ancestor_count,
			     const char *path)
{
	struct node *node = &nodes[node_count++];

	assert_true(node_count <= NODES_MAX);
	*node = (struct node){0};
	snprintf(node->path, sizeof(node->path), "%s", path);
	assert_int_equal(router_init(&node->router, id, ancestors, ancestor_count, path), 0);
	return node;
}

/* A child of parent with these IDs, of which the first is its own: "a", and "a/b" below that. */
SHARED struct node *tree_add(struct node *parent, uint32_t id, uint32_t count, const char *name)
{
	struct router *above = &parent->router;
	uint32_t ancestors[NODES_MAX];
	char path[64];
	struct node *node;
	int fds[2];

	ancestors[0] = above->id;
	for (size_t i = 0; i < above->ancestor_count; i++)
		ancestors[i + 1] = above->ancestors[i];
	snprintf(path, sizeof(path), "%.30s%s%.30s", above->path, *above->path ? "/" : "", name);
	node = new_node(id, ancestors, above->ancestor_count + 1, path);
	node->router.is_unidirectional = above->is_unidirectional;
	if (count > 1)
		assert_int_equal(id_blocks_add(&node->router.supply, id + 1, count - 1), 0);
	assert_int_equal(fd_socketpair(fds), 0);
	node->context = context_new(above, id, strdup(path));
	assert_non_null(node->context);
	context_set_state(above, node->context, CONTEXT_READY, NULL);
	neighbour_init(&node->below, above, id, &tree_events, node->context->path);
	neighbour_init(&node->above, &node->router, above->id, &tree_events_above, "parent");
	node->above.is_parent = true;
	node->router.parent = &node->above;
	open_ports(node);
	assert_int_equal(id_blocks_add(&node->below.blocks, id, count), 0);
	assert_int_equal(routes_add(above, id, &node->below, NULL), 0);
	assert_int_equal(stream_open(&node->below.stream, fds[0], fds[0]), 0);
	assert_int_equal(stream_open(&node->above.stream, fds[1], fds[1]), 0);
	route_monitor_announce(above, node->context);
	tree_pump();
	return node;
}

/* The process ends. */
SHARED void tree_kill(struct node *node)
{
	neighbour_close(&node->above);
	tree_pump();
}

SHARED int tree_setup(void **state)
{
	(void)state;
	logged[0] = '\0';
	log_set(LOG_WARNING, keep_log, NULL);
	node_count = 0;
	open_ports(new_node(0, NULL, 0, ""));
	return 0;
}

SHARED int tree_teardown(void **state)
{
	(void)state;
	for (size_t i = node_count; i-- > 1;) {
		neighbour_close(&nodes[i].above);
		neighbour_close(&nodes[i].below);
	}
	tree_pump();
	for (size_t i = 0; i < node_count; i++) {
		close_ports(&nodes[i]);
		router_clear(&nodes[i].router);
	}
	log_set(LOG_WARNING, NULL, NULL);
	return 0;
}

/* ---- Messages by hand ---- */

/* A list of numbers, from node as src to its parent or, if it is further up, dst. */
SHARED void send_up(struct node *node, uint32_t src_id, uint32_t dst_id, uint32_t handle,
		    struct mitogen_message *m)
{
	m->header.src_id = m->header.auth_id = src_id;
	m->header.dst_id = dst_id;
	m->header.handle = handle;
	stream_send(&node->above.stream, m, false);
	tree_pump();
}

SHARED struct mitogen_message *message_of_numbers(const uint32_t *numbers, size_t count)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	writer_list_head(&w, count);
	for (size_t i = 0; i < count; i++)
		writer_uint(&w, numbers[i]);
	m = message_from_writer(&w, &error);
	assert_non_null(m);
	return m;
}
