/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/platforms_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "module/platform.h"

void platforms_init(struct platforms *platforms)
{
	*platforms = (struct platforms){.by_target = {0}};
	list_init(&platforms->oldest_first);
}

static void forget(struct platforms *platforms, struct platforms_entry *entry)
{
	list_remove(&entry->link);
	map_remove(&platforms->by_target, &entry->by_target);
	sys.free(entry);
}

void platforms_drop(struct platforms *platforms)
{
	while (!list_is_empty(&platforms->oldest_first))
		forget(platforms,
		       LIST_OWNER(platforms->oldest_first.next, struct platforms_entry, link));
	map_clear(&platforms->by_target);
}

static struct platforms_entry *find(const struct platforms *platforms, uint64_t target)
{
	struct map_node *node = map_get(&platforms->by_target, (uint32_t)target);

	for (; node; node = map_same(node)) {
		struct platforms_entry *entry = MAP_OWNER(node, struct platforms_entry, by_target);

		if (entry->target == target)
			return entry;
	}
	return NULL;
}

const char *platforms_get(const struct platforms *platforms, uint64_t target)
{
	const struct platforms_entry *entry = find(platforms, target);

	return entry ? entry->platform : NULL;
}

void platforms_set(struct platforms *platforms, uint64_t target, const char *platform, bool is_news)
{
	struct platforms_entry *entry = find(platforms, target);

	if (entry) {
		list_remove(&entry->link);
	} else {
		entry = sys.calloc(1, sizeof(*entry));
		if (!entry)
			return;
		entry->target = target;
		if (map_add(&platforms->by_target, &entry->by_target, (uint32_t)target) < 0) {
			sys.free(entry);
			return;
		}
	}
	entry->is_news |= is_news && entry->platform != platform;
	entry->platform = platform;
	list_append(&platforms->oldest_first, &entry->link);
	if (platforms->by_target.count > PLATFORMS_MAX)
		forget(platforms,
		       LIST_OWNER(platforms->oldest_first.next, struct platforms_entry, link));
}

size_t platforms_print(const struct platforms_entry *entry, char out[PLATFORMS_LINE_MAX])
{
	return (size_t)snprintf(out, PLATFORMS_LINE_MAX, "%016" PRIx64 " %s\n", entry->target,
				entry->platform);
}

#define DIGITS 16

static bool parse_target(const char *text, uint64_t *ret)
{
	*ret = 0;
	for (int i = 0; i < DIGITS; i++) {
		const char *digits = "0123456789abcdef", *digit = strchr(digits, text[i]);

		if (text[i] == '\0' || !digit)
			return false;
		*ret = *ret << 4 | (uint64_t)(digit - digits);
	}
	return true;
}

void platforms_parse(struct platforms *platforms, const char *text, size_t size)
{
	const char *end = text + size, *newline;

	while ((newline = memchr(text, '\n', (size_t)(end - text))) != NULL) {
		const char *platform = NULL;
		size_t length = (size_t)(newline - text);
		uint64_t target;

		if (length > DIGITS + 1 && text[DIGITS] == ' ')
			platform = platform_named(text + DIGITS + 1, length - DIGITS - 1);
		if (platform && parse_target(text, &target))
			platforms_set(platforms, target, platform, false);
		text = newline + 1;
	}
}
