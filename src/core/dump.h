/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a router waits for, in lines for a person: docs/hangs.md explains them.
 */
#pragma once

#include <stdio.h>

struct router;

/* Router lock. */
void dump_router(const struct router *router, FILE *out);
/* For those who know more of what they have: prints text that came from elsewhere, escaped. */
void dump_text(FILE *out, const char *text);
