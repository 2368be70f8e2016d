/* SPDX-License-Identifier: BSD-3-Clause */
/* Being a parent: every process can be one, so every router has these ports. Router lock. */
#pragma once

struct router;

/* 0, or MITOGEN_ERR_MEMORY; then none is open. */
int parent_open(struct router *router);
void parent_close(struct router *router);
/* This process is detached: those above it, and all who are reached through its parent, are lost to it
 * and to what is below it. Broker thread. */
void parent_lose_above(struct router *router);
