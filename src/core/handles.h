/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ports of this process: puts messages together again, checks who may send to a port, and hands
 * them to their receiver.
 */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"

struct context;
struct handle;
struct id_blocks;
struct mitogen_message;
struct neighbour;
struct router;

struct handle_ops { /* router lock held; on the broker thread, or on a thread that sends to its own
		     * process */
	/* A whole message, handed over; its CBOR is checked. The handle may be removed inside. */
	void (*receive)(struct router *router, struct handle *handle, struct mitogen_message *m);
	/* The respondent is lost, nothing more can come; removes the handle. NULL: does nothing. */
	void (*lost)(struct router *router, struct handle *handle, const mitogen_error *why);
	bool is_one_frame;  /* what needs several frames is refused */
	bool takes_spoiled; /* gets what cannot be used, with m->failure, to answer it itself */
	/* May who sent it? NULL: anyone who knows the number. */
	bool (*policy)(const struct router *router, const struct mitogen_message *m);
};

struct handle { /* sits in its owner */
	struct map_node by_number;
	const struct handle_ops *ops;
	/* Only what it sent counts, and failures that come over the stream that leads to it. */
	struct context *respondent;
	struct list of_respondent;
	struct list partial; /* messages of which more is to come, one a source */
};

/* Opens handle with this number (0: a random one, kept in handle->by_number.key). respondent may be
 * NULL. 0, or a code: MITOGEN_ERR_USAGE: the number is taken. Router lock held. */
int handles_add(struct router *router, struct handle *handle, uint32_t number,
		const struct handle_ops *ops, struct context *respondent);
void handles_remove(struct router *router, struct handle *handle);
/* A port of its own for one of the fixed numbers. 0, or a code. */
int handles_add_fixed(struct router *router, uint32_t number, const struct handle_ops *ops);
/* Does nothing if there is none. */
void handles_remove_fixed(struct router *router, uint32_t number);
/* A handle without a number: nothing comes to it but the loss of its respondent. */
void handles_bind(struct handle *handle, const struct handle_ops *ops, struct context *respondent);
void handles_unbind(struct handle *handle);
struct handle *handles_find(const struct router *router, uint32_t number);
/* A frame for us; taken over. from: NULL if we sent it ourselves. */
void handles_deliver(struct router *router, struct mitogen_message *frame, struct neighbour *from);

/* Forgets the incomplete messages of these sources. */
void handles_drop_partial(struct router *router, const struct id_blocks *sources);

/* Policies. Our parent itself; a child of ours itself; our parent, its ancestors, or we ourselves had
 * it sent. */
bool handles_allow_parent(const struct router *router, const struct mitogen_message *m);
bool handles_allow_children(const struct router *router, const struct mitogen_message *m);
bool handles_allow_parents(const struct router *router, const struct mitogen_message *m);
