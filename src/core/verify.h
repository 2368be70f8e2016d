/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of context IDs, and who a neighbour may speak for: each child's stream has the IDs that were
 * given to it, and nothing else counts as a source or authority there. Never looks at routes. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

struct id_block {
	uint32_t first, count;
};

struct id_blocks {               /* zeroed is valid and empty */
	struct id_block *blocks; /* ascending; neighbours in number are one */
	size_t count;
};

/* IDs that the set has not yet. 0, or -1: no memory, nothing was added. */
int id_blocks_add(struct id_blocks *blocks, uint32_t first, uint32_t count);
bool id_blocks_contain(const struct id_blocks *blocks, uint32_t id);
/* Takes the lowest ones out: count of them, or fewer if they do not follow one another. 0: none are
 * left. */
uint32_t id_blocks_take(struct id_blocks *blocks, uint32_t count, struct id_block *ret);
void id_blocks_clear(struct id_blocks *blocks);
/* May what came over the child's stream with these blocks claim this source and authority? */
bool verify_header(const struct id_blocks *blocks, const struct frame_header *header);
/* The same for the stream of a process that joined us and has this ID: what it sends in its own name it
 * asks on our authority, which is filled in, since no stream may claim it. What is behind it has its
 * own, as with a child. */
bool verify_joined(const struct id_blocks *blocks, uint32_t id, uint32_t ours,
		   struct frame_header *header);
