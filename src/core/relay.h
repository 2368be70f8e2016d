/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What waits for a neighbour that came from others. It is bounded for each source, and for each child
 * that it came over, so that one who sends faster than the neighbour reads neither fills our memory nor
 * has us stop reading from anybody. Router lock.
 */
#pragma once

#include <stddef.h>

#include "base/map.h"

struct mitogen_message;
struct neighbour;

struct relay {              /* towards one neighbour; zeroed is valid and empty */
	struct map sources; /* by ID, those of which something waits */
	struct map senders; /* the neighbours over which they come, by ID */
};

enum relay_verdict {
	RELAY_PASS,   /* counted until relay_taken */
	RELAY_REFUSE, /* too much waits; the first frame of a message, of which more may come */
	RELAY_DROP,   /* that is more of it */
};

/* May m, which came over `from`, wait for `to`? Of a source so many bytes of normal frames may wait before
 * a request is refused, and as many again before other messages to programs are: so that there is room for
 * replies. Bulk has its own limits; but a child of which eight times as much waits is failed. */
enum relay_verdict relay_admit(struct neighbour *to, struct neighbour *from,
			       struct mitogen_message *m, size_t max);
/* What passed is going to be written. */
void relay_taken(struct neighbour *to, const struct mitogen_message *m);
/* `from` is gone: nothing more comes over it. */
void relay_forget(struct neighbour *to, const struct neighbour *from);
/* When nothing waits for it any more. */
void relay_clear(struct relay *relay);
