/* SPDX-License-Identifier: BSD-3-Clause */
/* What all ways to call a function share. */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api_router;
struct call_target;
struct mitogen_message;

/* The name that travels, or NULL with err set: MITOGEN_ERR_UNKNOWN. */
const char *call_name(mitogen_function *function, const char *name, mitogen_error *err);
/* The request as a message, of a size that may travel; NULL with err and *ret_code set. */
struct mitogen_message *call_request(struct api_router *api, mitogen_context handle,
				     const char *name, bool with_channel,
				     const mitogen_value *values, size_t count, mitogen_error *err,
				     int *ret_code);
/* Sends it, taken over; see call_start. Takes the router lock. 0, or a code with err. */
int call_send(struct api_router *api, mitogen_context handle, struct mitogen_message *m,
	      const char *name, struct call_target *target, bool waits, uint32_t *ret_reply,
	      mitogen_error *err);
