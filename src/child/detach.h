/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Being let go by the parent. The answer to its request goes behind all that we have sent; it closes the
 * stream then, and that end of the stream ends nothing. Broker thread, router lock.
 */
#pragma once

#include <stdbool.h>

struct router;

/* The port for the request, which takes it from the parent alone. 0, or a code. */
int detach_open(struct router *router);
void detach_close(struct router *router);
/* Is the end of the parent's stream no end for us? */
bool detach_is_agreed(void);
