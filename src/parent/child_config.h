/* SPDX-License-Identifier: BSD-3-Clause */
/* The first message to a child: who it is. */
#pragma once

#include "core/verify.h"

struct connect_options;
struct router;

/* How long a child may take to end, in milliseconds: shutdown_ms, or what this process itself would
 * still have then. */
int child_config_end_ms(const struct router *router, int shutdown_ms);
/* ids: its own ID first, then those that it may give away. Router lock. 0, or MITOGEN_ERR_MEMORY. */
int child_config_send(struct router *router, const struct id_block *ids, const char *path,
		      const struct connect_options *options);
