/* SPDX-License-Identifier: BSD-3-Clause */
/* Context IDs: 32 bits, given to children in blocks, the first of which is the child's own. */
#pragma once

#include <stdint.h>

#include "core/verify.h"

struct router;

#define IDS_PER_CHILD 1000u

/* Takes a block for a new child from what this process has; the last ones may be smaller. Router
 * lock. 0, or MITOGEN_ERR_NO_IDS. */
int ids_take(struct router *router, struct id_block *ret);
