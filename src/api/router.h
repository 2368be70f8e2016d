/* SPDX-License-Identifier: BSD-3-Clause */
/* How a router begins, whether it is a master's or has joined another. */
#pragma once

#include <mitogen/mitogen.h>

struct api_router;
struct join_answer;

/* May this process make a router, with these options? 0, or a code with err set. */
int router_check(const mitogen_router_options *options, mitogen_error *err);
/* The router and what runs for it; with an answer, whose socket it takes over, one that has joined. NULL
 * with err set; then nothing is left. The options are checked. */
struct api_router *router_start(const mitogen_router_options *options, struct join_answer *answer,
				mitogen_error *err);
