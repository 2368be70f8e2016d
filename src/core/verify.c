/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/verify.h"

#include "base/sys.h"

int id_blocks_add(struct id_blocks *blocks, uint32_t first, uint32_t count)
{
	struct id_block *grown;

	grown = sys.realloc(blocks->blocks, (blocks->count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	blocks->blocks = grown;
	grown[blocks->count++] = (struct id_block){first, count};
	return 0;
}

bool id_blocks_contain(const struct id_blocks *blocks, uint32_t id)
{
	for (size_t i = 0; i < blocks->count; i++)
		if (id - blocks->blocks[i].first < blocks->blocks[i].count)
			return true;
	return false;
}

void id_blocks_clear(struct id_blocks *blocks)
{
	sys.free(blocks->blocks);
	*blocks = (struct id_blocks){0};
}

bool verify_header(const struct id_blocks *blocks, const struct frame_header *header)
{
	return id_blocks_contain(blocks, header->src_id) &&
	       id_blocks_contain(blocks, header->auth_id);
}
