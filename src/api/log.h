/* SPDX-License-Identifier: BSD-3-Clause */
/* The log as the interface has it. */
#pragma once

#include <mitogen/mitogen.h>

struct api_router;

/* What the options of this router ask for holds for the process from now on. */
void api_log_open(struct api_router *api, const mitogen_router_options *options);
/* The router's broker thread has ended: what the options gave us is not used any more. */
void api_log_close(const struct api_router *api);
