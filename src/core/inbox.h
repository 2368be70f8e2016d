/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port to which many contexts send values, each with credit of its own: what comes from a source
 * counts until its reader has released it. Router lock; broker thread unless it says otherwise.
 */
#pragma once

#include <mitogen/types.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/map.h"
#include "core/handles.h"

#define INBOX_SOURCES_MAX 16384       /* behind one neighbour, over all ports */
#define INBOX_BYTES_MAX   (64u << 20) /* from below one child, over all ports, not released yet */

struct inbox;

struct inbox_ops {
	/* Takes m over: a value, or, with m->failure, the end of the source that sent it; an orderly
	 * end is MITOGEN_ERR_CLOSED. May close the inbox. m->source_ref is for inbox_released. */
	void (*put)(struct inbox *inbox, struct mitogen_message *m);
};

struct inbox { /* sits in its owner */
	struct handle handle;
	struct router *router;
	const struct inbox_ops *ops;
	struct map sources; /* that are open, by context ID */
	/* Of a call's caller, NULL otherwise: the function. Its result comes here, too: a value that
	 * names no port for its failures, and costs no credit. Set before anything comes. */
	const char *function;
	mitogen_policy *policy; /* NULL: anyone who knows the number may send */
	void *policy_user;
};

/* As handles_add. A respondent, not lost yet, counts as a source from the start: its loss is always
 * told. */
int inbox_open(struct router *router, struct inbox *inbox, uint32_t number,
	       const struct inbox_ops *ops, struct context *respondent);
/* The one with this number, or NULL. */
struct inbox *inbox_at(const struct router *router, uint32_t number);
/* Any thread. Tells all sources that it is closed. */
void inbox_close(struct inbox *inbox);
/* Any thread. A message of this size, whose source_ref that was, is needed no more: its source may
 * send as much again. */
void inbox_released(struct router *router, uint32_t source_ref, size_t size);

/* What a router keeps for it. */
struct inboxes {
	struct map sources;  /* by their refs, until all that they sent is released */
	struct map accounts; /* of neighbours, by their IDs */
	uint32_t last_ref;
};

/* Prints a line for each source. */
void inboxes_dump(const struct router *router, FILE *out);
void inboxes_clear(struct inboxes *inboxes); /* when no inbox is open any more */
