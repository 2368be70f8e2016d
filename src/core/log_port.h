/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where log records end, in the master: the FORWARD_LOG port. Checks that a child speaks of contexts of
 * its own, gives them the names that we have for them, and hands their lines to base/log; grants
 * credit for what was handed over. Broker thread, router lock, unless it says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct mitogen_message;
struct route;
struct router;

int log_port_open(struct router *router); /* 0 or a code */
void log_port_close(struct router *router);
/* This route is being removed, the only one to its context. The name is kept for a while: what the
 * context has printed may come later. */
void log_port_forget(struct router *router, const struct route *route);
/* Takes a record of our own over, about a child of ours. */
void log_port_add(struct router *router, struct mitogen_message *m);
/* Bytes of such records that are not handed over yet. */
size_t log_port_own_bytes(const struct router *router);
bool log_port_is_empty(const struct router *router);
/* Without the lock. Hands over what there is. False: something is left, as nobody takes it now. */
bool log_port_deliver(struct router *router);
