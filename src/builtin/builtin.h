/* SPDX-License-Identifier: BSD-3-Clause */
/* What every image can do without functions of its own. docs/PROTOCOL.md has their arguments. */
#pragma once

#include "core/router.h"

extern const struct builtin builtin_table[]; /* ends with a NULL name */

void builtin_exec(struct router *router, struct mitogen_message *m);
