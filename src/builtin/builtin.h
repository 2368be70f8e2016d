/* SPDX-License-Identifier: BSD-3-Clause */
/* What every image can do without functions of its own. docs/PROTOCOL.md has their arguments. */
#pragma once

#include "core/router.h"

/* Both end with a NULL name. The second one has those that look and answer at once: a master, which
 * runs no calls of others, runs these for itself. */
extern const struct builtin builtin_table[], builtin_query_table[];

void builtin_exec(struct router *router, struct mitogen_message *m);
void builtin_facts(struct router *router, struct mitogen_message *m);
void builtin_stats(struct router *router, struct mitogen_message *m);
void builtin_ping(struct router *router, struct mitogen_message *m);
