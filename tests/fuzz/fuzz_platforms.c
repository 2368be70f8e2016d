/* SPDX-License-Identifier: BSD-3-Clause */
/* The file that remembers platforms: whatever is in it, the table is bounded, and prints as it was read. */
#include <stdlib.h>
#include <string.h>

#include "parent/platforms_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct platforms first, second;
	char line[PLATFORMS_LINE_MAX];

	platforms_init(&first);
	platforms_init(&second);
	platforms_parse(&first, (const char *)data, size);
	REQUIRE(first.by_target.count <= PLATFORMS_MAX);
	LIST_FOR_EACH (node, &first.oldest_first) {
		const struct platforms_entry *entry =
			LIST_OWNER(node, struct platforms_entry, link);

		platforms_parse(&second, line, platforms_print(entry, line));
		REQUIRE(platforms_get(&second, entry->target) == entry->platform);
	}
	REQUIRE(second.by_target.count == first.by_target.count);
	platforms_drop(&first);
	platforms_drop(&second);
	return 0;
}
