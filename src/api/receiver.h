/* SPDX-License-Identifier: BSD-3-Clause */
/* Public receivers: latches that have a handle, and may have a port. Router lock, unless it says
 * otherwise. */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/map.h"
#include "core/inbox.h"

struct api_router;
struct latch;
struct select;

struct receiver {
	struct map_node by_ref;
	struct latch *latch;
	bool has_port;
	struct inbox inbox; /* what is sent to the port */
	struct api_router *api;
	struct select *select; /* that it is in, or NULL */
	struct list of_select;
	char *function; /* of its caller, whose channel it belongs to; or NULL */
};

/* NULL: no memory. */
struct receiver *receiver_add(struct api_router *api);
struct receiver *receiver_find(const struct api_router *api, mitogen_receiver handle); /* or NULL */
mitogen_receiver receiver_handle(const struct api_router *api, const struct receiver *receiver);
/* Opens its port. 0, or a code: MITOGEN_ERR_USAGE: the number is taken. */
int receiver_open_port(struct receiver *receiver, struct router *router, uint32_t number,
		       const struct inbox_ops *ops, struct context *respondent);
/* What ops->put does with a message, unless there is more to it. */
void receiver_put(struct inbox *inbox, struct mitogen_message *m);
/* Closes and frees it; what was in it is dropped. */
void receiver_drop(struct api_router *api, struct receiver *receiver);

/* A reference to its latch; NULL with err and *ret_code set. Takes the router lock. */
struct latch *receiver_latch(struct api_router *api, mitogen_receiver receiver, mitogen_error *err,
			     int *ret_code);
/* Closes all of a router's. */
void receivers_close(struct api_router *api);
/* Frees them, when nobody can use them any more. */
void receivers_clear(struct api_router *api);
