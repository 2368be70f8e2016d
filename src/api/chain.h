/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains of calls, as far as all that sends calls has to know of them. */
#pragma once

#include <mitogen/types.h>

struct api_router;

/* A call through this handle was not sent: if it is of a chain, what follows of it must fail. Takes
 * the router lock. */
void chain_skip(struct api_router *api, mitogen_context handle);
/* Why call_start failed with this code. Returns it. */
int chain_fail(int code, mitogen_error *err);
