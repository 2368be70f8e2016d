/* SPDX-License-Identifier: BSD-3-Clause */
/* Public receivers: latches that have a handle. */
#pragma once

#include <mitogen/types.h>

struct api_router;
struct latch;

/* A reference to its latch; NULL with err and *ret_code set. Takes the router lock. */
struct latch *receiver_latch(struct api_router *api, mitogen_receiver receiver, mitogen_error *err,
			     int *ret_code);
/* Closes all of a router's; router lock held. */
void receivers_close(struct api_router *api);
/* Frees them, when nobody can use them any more. */
void receivers_clear(struct api_router *api);
