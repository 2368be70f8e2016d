/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/verify.h"

#include <string.h>

#include "base/sys.h"

/* How many blocks begin at or below id. */
static size_t count_up_to(const struct id_blocks *blocks, uint32_t id)
{
	size_t low = 0, high = blocks->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (blocks->blocks[middle].first <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool touches(const struct id_block *before, uint32_t first)
{
	return (uint64_t)before->first + before->count == first;
}

static void remove_block(struct id_blocks *blocks, size_t at)
{
	blocks->count--;
	memmove(&blocks->blocks[at], &blocks->blocks[at + 1],
		(blocks->count - at) * sizeof(*blocks->blocks));
}

int id_blocks_add(struct id_blocks *blocks, uint32_t first, uint32_t count)
{
	size_t at = count_up_to(blocks, first);
	struct id_block *before = at > 0 ? &blocks->blocks[at - 1] : NULL;
	struct id_block *after = at < blocks->count ? &blocks->blocks[at] : NULL;
	struct id_block added = {first, count}, *grown;

	if (before && touches(before, first)) {
		before->count += count;
		if (after && touches(before, after->first)) {
			before->count += after->count;
			remove_block(blocks, at);
		}
		return 0;
	}
	if (after && touches(&added, after->first)) {
		after->first = first;
		after->count += count;
		return 0;
	}
	grown = sys.realloc(blocks->blocks, (blocks->count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	blocks->blocks = grown;
	memmove(&grown[at + 1], &grown[at], (blocks->count - at) * sizeof(*grown));
	grown[at] = added;
	blocks->count++;
	return 0;
}

bool id_blocks_contain(const struct id_blocks *blocks, uint32_t id)
{
	size_t at = count_up_to(blocks, id);

	return at > 0 && id - blocks->blocks[at - 1].first < blocks->blocks[at - 1].count;
}

uint32_t id_blocks_take(struct id_blocks *blocks, uint32_t count, struct id_block *ret)
{
	struct id_block *lowest = blocks->blocks;

	if (blocks->count == 0)
		return 0;
	if (count > lowest->count)
		count = lowest->count;
	*ret = (struct id_block){lowest->first, count};
	lowest->first += count;
	lowest->count -= count;
	if (lowest->count == 0)
		remove_block(blocks, 0);
	return count;
}

void id_blocks_clear(struct id_blocks *blocks)
{
	sys.free(blocks->blocks);
	*blocks = (struct id_blocks){0};
}

bool verify_header(const struct id_blocks *blocks, const struct frame_header *header)
{
	return id_blocks_contain(blocks, header->src_id) &&
	       (header->auth_id == header->src_id || id_blocks_contain(blocks, header->auth_id));
}

bool verify_joined(const struct id_blocks *blocks, uint32_t id, uint32_t ours,
		   struct frame_header *header)
{
	if (!verify_header(blocks, header))
		return false;
	if (header->src_id == id && header->auth_id == id)
		header->auth_id = ours;
	return true;
}
