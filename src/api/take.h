/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking messages from what has a latch and a public handle: receivers and selects. No lock is held. */
#pragma once

#include <mitogen/types.h>
#include <stdint.h>

struct api_router;
struct latch;

struct take_kind {
	const char *name;
	struct latch *(*find)(const struct api_router *api,
			      uint32_t ref); /* or NULL; router lock */
};

/* A reference; NULL with err and *ret_code set. Takes the router lock. */
struct latch *take_latch(struct api_router *api, const struct take_kind *kind, uint32_t ref,
			 mitogen_error *err, int *ret_code);
/* What to say of a handle that find does not know. */
int take_fail(const struct take_kind *kind, uint32_t ref, mitogen_error *err);
/* Public get and fd. */
int take_message(uint32_t router, const struct take_kind *kind, uint32_t ref, mitogen_message **ret,
		 int timeout_ms, mitogen_error *err);
int take_fd(uint32_t router, const struct take_kind *kind, uint32_t ref, mitogen_error *err);
