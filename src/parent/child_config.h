/* SPDX-License-Identifier: BSD-3-Clause */
/* The first message to a child: who it is. */
#pragma once

#include "core/verify.h"

struct connect_options;
struct router;

/* ids: its own ID first, then those that it may give away. Router lock. 0, or MITOGEN_ERR_MEMORY. */
int child_config_send(struct router *router, const struct id_block *ids, const char *path,
		      const struct connect_options *options);
