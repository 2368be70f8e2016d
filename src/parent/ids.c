/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/ids.h"

#include <mitogen/types.h>

#include "core/router.h"

int ids_take(struct router *router, struct id_block *ret)
{
	uint32_t left = router->end_id - router->next_id;
	/* below the master blocks do not split again: a child's child gets one ID, for itself */
	uint32_t count = router->id == 0 ? IDS_PER_CHILD : 1;

	if (left == 0)
		return MITOGEN_ERR_NO_IDS;
	if (count > left)
		count = left;
	*ret = (struct id_block){router->next_id, count};
	router->next_id += count;
	return 0;
}
