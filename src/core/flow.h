/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams of bytes between two ports, with credit: the receiver says up to which byte, counted from
 * the first one, it has room; core/window.h. Who sends makes no more while FLOW_PRODUCED bytes of it
 * wait here. Router lock; broker thread unless it says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "core/broker.h"
#include "core/handles.h"
#include "core/window.h"

#define FLOW_COST_MIN 64u          /* of a frame, or value, however small */
#define FLOW_PRODUCED (64u * 1024) /* who makes data makes no more while so much of it waits */

struct frame_header;

struct outflow {
	struct map_node by_target; /* in router->outflows */
	struct router *router;     /* NULL: closed */
	uint32_t dst_id, handle;
	uint64_t sent, granted; /* what it costs */
	uint64_t bytes;         /* sent */
	bool ended;
	bool is_waiting;   /* for room */
	bool was_out;      /* of credit, although there was something to send */
	struct task check; /* whether there is room again */
	/* There is room again after outflow_room was 0. Broker thread. */
	void (*room)(struct outflow *flow);
};

void outflow_open(struct router *router, struct outflow *flow, uint32_t dst_id, uint32_t handle,
		  void (*room)(struct outflow *flow));
/* Forgets it; sends nothing. Also if it is closed or zeroed. */
void outflow_close(struct outflow *flow);
/* The one that is open to this port, or NULL. Any thread. */
struct outflow *outflow_find(const struct router *router, uint32_t dst_id, uint32_t handle);
/* Bytes that may be sent now, by somebody who has as many. 0: ->room will be called. Any thread. */
size_t outflow_room(struct outflow *flow);
/* Takes m over, of kind FRAME_RAW, at most outflow_room bytes. Any thread. */
void outflow_send(struct router *router, struct outflow *flow, struct mitogen_message *m, bool now);
/* Takes m over, a value; while there is any room, since a value larger than that could never be sent.
 * Any thread. */
void outflow_send_value(struct router *router, struct outflow *flow, struct mitogen_message *m,
			bool now);
/* A message beside the bytes, in their order, which costs no credit. Any thread. */
void outflow_send_note(struct router *router, struct outflow *flow, struct mitogen_message *m);
/* The end of the stream; once. Any thread. */
void outflow_end(struct router *router, struct outflow *flow);

struct inflow {
	struct handle handle;
	struct window window;
	uint64_t bytes; /* received */
	uint32_t src_id;
};

/* ops->receive gets what comes: FRAME_RAW, notes, at the end FRAME_DEAD. It calls inflow_received
 * first. 0 or a code. */
int inflow_open(struct router *router, struct inflow *flow, const struct handle_ops *ops,
		struct context *sender);
void inflow_close(struct router *router, struct inflow *flow);
/* Counts bytes. False: more than was granted; the sender's stream is being closed. */
bool inflow_received(struct router *router, struct inflow *flow, const struct mitogen_message *m);
/* A frame of so many bytes is used up: grants as much again, in steps. Any thread. */
void inflow_consumed(struct router *router, struct inflow *flow, size_t size);

/* What a frame of a stream, or a value, of so many bytes counts. */
size_t flow_cost(size_t size);
/* So much of what src_id sent to that handle is used up: grants as much again. Any thread. */
void flow_consumed(struct router *router, struct window *window, uint32_t src_id, uint32_t handle,
		   size_t size);

/* Less than FLOW_PRODUCED waits of what this frame is of, which we sent. Any thread. */
void flow_low(struct router *router, const struct frame_header *frame);

/* The CREDIT port. 0 or a code. */
int flow_open(struct router *router);
void flow_close(struct router *router);
