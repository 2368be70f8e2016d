/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams of bytes between two ports, with credit: the receiver says up to which byte, counted from
 * the first one, it has room. Router lock; broker thread unless it says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "core/handles.h"

#define FLOW_WINDOW     (256u * 1024)       /* the credit that a sender starts with */
#define FLOW_WINDOW_MAX (16u * 1024 * 1024) /* more than that at once is not believed */
#define FLOW_VALUE_MIN  64u                 /* bytes that a value costs at least */

struct outflow {
	struct map_node by_target; /* in router->outflows */
	struct router *router;     /* NULL: closed */
	uint32_t dst_id, handle;
	uint64_t sent, granted;
	bool ended;
	/* There is room again after outflow_room was 0. */
	void (*room)(struct outflow *flow);
};

void outflow_open(struct router *router, struct outflow *flow, uint32_t dst_id, uint32_t handle,
		  void (*room)(struct outflow *flow));
/* Forgets it; sends nothing. Also if it is closed or zeroed. */
void outflow_close(struct outflow *flow);
/* The one that is open to this port, or NULL. Any thread. */
struct outflow *outflow_find(const struct router *router, uint32_t dst_id, uint32_t handle);
/* Bytes that may be sent now. Any thread. */
size_t outflow_room(const struct outflow *flow);
/* Takes m over, of kind FRAME_RAW, at most outflow_room bytes. Any thread. */
void outflow_send(struct router *router, struct outflow *flow, struct mitogen_message *m, bool now);
/* Takes m over, a value; while there is any room, since a value larger than that could never be sent.
 * Any thread. */
void outflow_send_value(struct router *router, struct outflow *flow, struct mitogen_message *m);
/* A message beside the bytes, in their order, which costs no credit. Any thread. */
void outflow_send_note(struct router *router, struct outflow *flow, struct mitogen_message *m);
/* The end of the stream; once. Any thread. */
void outflow_end(struct router *router, struct outflow *flow);

struct inflow {
	struct handle handle;
	uint64_t received, consumed, granted;
	uint32_t src_id;
};

/* ops->receive gets what comes: FRAME_RAW, notes, at the end FRAME_DEAD. It calls inflow_received
 * first. 0 or a code. */
int inflow_open(struct router *router, struct inflow *flow, const struct handle_ops *ops,
		struct context *sender);
void inflow_close(struct router *router, struct inflow *flow);
/* Counts bytes. False: more than was granted; the sender's stream is being closed. */
bool inflow_received(struct router *router, struct inflow *flow, const struct mitogen_message *m);
/* The bytes are used up: grants as many more, in steps. Any thread. */
void inflow_consumed(struct router *router, struct inflow *flow, size_t size);

/* What a value of so many bytes counts. */
size_t flow_cost(size_t size);
/* Tells src_id how much it may send to that handle, counted from the first byte. False: no memory. Any
 * thread. */
bool flow_grant(struct router *router, uint32_t src_id, uint32_t handle, uint64_t total);
/* Is it worth a message to grant as much again as was consumed? */
bool flow_is_grant_due(uint64_t granted, uint64_t consumed);

/* The CREDIT port. 0 or a code. */
int flow_open(struct router *router);
void flow_close(struct router *router);
