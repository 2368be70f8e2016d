/* SPDX-License-Identifier: BSD-3-Clause */
#include "connect/refusal.h"

#include <string.h>

const struct refusal *refusal_find(const struct refusal *table, const char *output)
{
	for (; table->words; table++)
		if (strstr(output, table->words))
			return table;
	return NULL;
}
