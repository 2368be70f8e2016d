/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which platforms targets were of: with that known, the image is sent before anybody has asked. Nothing
 * depends on it: a wrong memory costs one more image. Router lock.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct connect_method;
struct router;

/* What stands for whatever these options of the method lead to from the target via; 0: this process's own
 * machine. own: the method's public struct, or NULL. */
uint64_t platforms_target(uint64_t via, const struct connect_method *method, const void *own);
/* A name of module/platform.h; NULL: it is not known. */
const char *platforms_recall(const struct router *router, uint64_t target);
/* Does nothing if that is no name of a platform. */
void platforms_remember(struct router *router, uint64_t target, const char *name, size_t size);
void platforms_clear(struct router *router);
