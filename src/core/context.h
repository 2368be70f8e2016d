/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this process knows of a process taking part: how it is called, whether it is there, and who
 * here waits for it. Router lock.
 */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"

struct latch;
struct router;

#define CONTEXT_PATH_MAX 16384 /* bytes: DEPTH_MAX parts of at most 200, with their slashes */

enum context_state { /* in this order, some may be left out; one setter logs it */
	CONTEXT_CONNECTING,
	CONTEXT_READY,
	CONTEXT_LOST, /* can be reached no more: .why */
	CONTEXT_GONE, /* and its process is reaped */
};

struct context {
	struct map_node by_ref, by_id;
	struct list lost;    /* in router->lost or ->lost_strangers */
	struct list handles; /* ports that wait for it */
	struct list watchers;
	struct list chains; /* of calls to it from here */
	uint32_t id;
	enum context_state state;
	bool was_ready;
	bool is_stranger; /* nobody here had asked for it */
	char *path;
	mitogen_error *why; /* when lost */
	void *connection;   /* the parent layer's, of a child of ours */
	uint32_t via_id;    /* the context that we had start it; 0: it is no such context */
	uint32_t depth;    /* below us, as far as that is known; 0: it is not, or is not below us */
	uint32_t children; /* that we have had it start */
	uint32_t
		connect_ms; /* that it had to connect, with those before it; 0: not started from here */
	uint64_t target; /* which machine it is on, parent/platforms.h */
};

struct lost_contexts { /* of which the reason is kept */
	struct list oldest_first;
	uint32_t count;
};

/* Of an ID that no other has. Takes path over, NULL included. NULL: no memory. */
struct context *context_new(struct router *router, uint32_t id, char *path);
/* One that is about to be started: the one with this ID that somebody has asked for before, or a new one.
 * Takes path over, NULL included. NULL: no memory. */
struct context *context_begin(struct router *router, uint32_t id, char *path);
struct context *context_known(const struct router *router, uint32_t id); /* or NULL */
/* The one with this ID, made if there is none; it may be gone already. NULL: no memory. */
struct context *context_of_id(struct router *router, uint32_t id);
/* Its route is about to be removed, as it is lost: the reason will be kept, in case that somebody asks
 * for it later. */
void context_expect_loss(struct router *router, uint32_t id);
/* It has got a route, and a name; somebody may have asked for it before. */
void context_announced(struct router *router, uint32_t id);
struct context *context_find(const struct router *router, uint32_t ref); /* or NULL */
void context_clear_all(struct router *router);

/* Tells the watchers. For CONTEXT_LOST, why is copied, and everything that waits for it fails. */
void context_set_state(struct router *router, struct context *context, enum context_state state,
		       const mitogen_error *why);
/* The loss of one that is no child of ours. */
void context_lose(struct router *router, struct context *context, const mitogen_error *why);
/* Tells all who wait for an answer from it. They may close other ports meanwhile, but no context. */
void context_fail_handles(struct router *router, struct context *context, const mitogen_error *why);
const char *context_state_name(enum context_state state);
/* Fails with what is known of its loss. Returns the code. */
int context_loss(const struct context *context, mitogen_error *err);
/* One message comes to latch when the context has reached that state or a later one; a failure if it
 * was lost before it was ready. 0, or MITOGEN_ERR_MEMORY. */
int context_watch(struct router *router, struct context *context, enum context_state state,
		  struct latch *latch);
