/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From public handles, which are numbers, to objects. A router that is in use by a call is pinned:
 * closing waits for it. Lock order: the table's lock, then a router's.
 */
#pragma once

#include <mitogen/mitogen.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"

struct context;
struct router;

#define SHUTDOWN_MS 5000 /* that children get to end, unless the router's options say otherwise */

struct api_router { /* what the interface keeps beside a router; maps under the router lock */
	uint32_t ref;
	unsigned pins;
	bool is_open, is_closing;
	bool is_whole; /* in a forked copy: nobody was changing it, and this thread holds its lock */
	struct router *router;
	bool is_own; /* made by us: freed when closed */
	uint32_t last_ref;
	struct map receivers, selects, processes; /* by the refs of their handles */
	char *image;
	bool profiles; /* the process, until it is closed */
	int shutdown_ms;
	void (*log)(mitogen_log_level level, const char *context, const char *line, void *user);
	void *log_user;
};

/* Gives router a public number, router->api_ref. NULL: too many routers. */
struct api_router *api_add(struct router *router);
/* Of a router that has one. */
struct api_router *api_of(const struct router *router);
/* Lets nobody in any more: the router, for the one who closes it. NULL: it is closed, and who did that
 * has finished; or this thread must not close it. */
struct api_router *api_begin_close(uint32_t ref);
/* Waits until nobody uses it. */
void api_drain(struct api_router *api);
/* Its router is about to be freed. */
void api_take_router(struct api_router *api);
/* Forgets it. */
void api_remove(struct api_router *api);
/* This copy of a process takes part on its own. Before there is a second thread. */
void api_allow_fork(void);
/* In a forked copy that has routers: has each dropped and forgets it. is_whole: nobody was changing it
 * when the copy was made, and this thread holds its lock. */
void api_drop_all(void (*drop)(struct api_router *api, bool is_whole));
/* MITOGEN_ERR_FORKED in a copy of the process that has the routers, otherwise 0. */
int api_check_fork(mitogen_error *err);

/* Pins. NULL, with err set: stale, none, in a forked copy, or on the router's own broker thread where
 * that holds the lock; *ret_code is what to return. err and ret_code may be NULL. */
struct api_router *api_pin(uint32_t ref, mitogen_error *err, int *ret_code);
/* On the router's broker thread, where that holds the lock; otherwise NULL. */
struct api_router *api_on_broker(uint32_t ref);
/* Before whatever waits: 0, or MITOGEN_ERR_DEADLOCK on the broker thread. */
int api_check_wait(const struct api_router *api, mitogen_error *err);
void api_unpin(struct api_router *api);
/* Pins and takes the router lock; and back. */
struct api_router *api_lock(uint32_t ref, mitogen_error *err, int *ret_code);
void api_unlock(struct api_router *api);
/* As api_lock, and finds the context, which is never NULL on success. */
struct api_router *api_lock_context(mitogen_context handle, struct context **ret,
				    mitogen_error *err, int *ret_code);
/* NULL: it is gone, or no memory for our own. Router lock held. */
struct context *api_find_context(const struct api_router *api, uint32_t ref);
/* The context's handle. Router lock held, or the message pins it. */
mitogen_context api_context_handle(const struct router *router, const struct context *context);

/* Is it somewhere below this process? Router lock held. */
bool api_is_below(const struct api_router *api, const struct context *context);

/* What a handle of none gives: the failure that err holds already, or MITOGEN_ERR_USAGE. */
int api_fail_none(mitogen_error *err, const char *what);
