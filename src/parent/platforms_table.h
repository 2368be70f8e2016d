/* SPDX-License-Identifier: BSD-3-Clause */
/* The table behind parent/platforms.h, bounded: targets and their platforms, in the order in which they
 * were set. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"

#define PLATFORMS_MAX 4096

struct platforms_entry {
	struct list link;
	struct map_node by_target;
	uint64_t target;
	const char *platform; /* of module/platform.h */
	bool is_news;         /* not from the file */
};

struct platforms {
	struct map by_target;
	struct list oldest_first;
};

void platforms_init(struct platforms *platforms);
void platforms_drop(struct platforms *platforms);                              /* all of them */
const char *platforms_get(const struct platforms *platforms, uint64_t target); /* or NULL */
/* It becomes the newest one. Without memory, nothing happens. */
void platforms_set(struct platforms *platforms, uint64_t target, const char *platform,
		   bool is_news);

#define PLATFORMS_LINE_MAX 64 /* bytes, its newline and a NUL included */

/* As a line of a file, with its newline; returns its length. */
size_t platforms_print(const struct platforms_entry *entry, char out[PLATFORMS_LINE_MAX]);
/* Sets what the text, whatever it is, has lines for; others are passed over. */
void platforms_parse(struct platforms *platforms, const char *text, size_t size);
