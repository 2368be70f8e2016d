/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/map.h"

#include "base/sys.h"

static size_t bucket_of(const struct map *map, uint32_t key)
{
	return (key * 2654435761u >> 7) & (map->capacity - 1); /* Knuth's multiplicative hash */
}

static int grow(struct map *map)
{
	struct map bigger = {.capacity = map->capacity ? map->capacity * 2 : 16};

	bigger.buckets = sys.calloc(bigger.capacity, sizeof(*bigger.buckets));
	if (!bigger.buckets)
		return map->capacity ? 0 : -1; /* full is slow, not wrong */
	for (size_t i = 0; i < map->capacity; i++) {
		struct map_node *node = map->buckets[i];

		while (node) {
			struct map_node *next = node->next;
			struct map_node **head = &bigger.buckets[bucket_of(&bigger, node->key)];

			node->next = *head;
			*head = node;
			node = next;
		}
	}
	bigger.count = map->count;
	sys.free(map->buckets);
	*map = bigger;
	return 0;
}

void map_clear(struct map *map)
{
	sys.free(map->buckets);
	*map = (struct map){0};
}

int map_reserve(struct map *map)
{
	return map->capacity ? 0 : grow(map);
}

struct map_node *map_get(const struct map *map, uint32_t key)
{
	if (!map->capacity)
		return NULL;
	for (struct map_node *node = map->buckets[bucket_of(map, key)]; node; node = node->next)
		if (node->key == key)
			return node;
	return NULL;
}

struct map_node *map_same(const struct map_node *node)
{
	struct map_node *other = node->next;

	while (other && other->key != node->key)
		other = other->next;
	return other;
}

int map_add(struct map *map, struct map_node *node, uint32_t key)
{
	struct map_node **head;
	size_t bucket;

	if (map->count >= map->capacity && grow(map) < 0)
		return -1;
	bucket = bucket_of(map, key);
	if (bucket < map->first)
		map->first = bucket;
	head = &map->buckets[bucket];
	node->key = key;
	node->next = *head;
	*head = node;
	map->count++;
	return 0;
}

void map_remove(struct map *map, struct map_node *node)
{
	struct map_node **link = &map->buckets[bucket_of(map, node->key)];

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	map->count--;
}

struct map_node *map_first(struct map *map)
{
	while (map->first < map->capacity && !map->buckets[map->first])
		map->first++;
	return map->first < map->capacity ? map->buckets[map->first] : NULL;
}

struct map_node *map_next(const struct map *map, const struct map_node *node)
{
	size_t i = map->first;

	if (node) {
		if (node->next)
			return node->next;
		i = bucket_of(map, node->key) + 1;
	}
	for (; i < map->capacity; i++)
		if (map->buckets[i])
			return map->buckets[i];
	return NULL;
}
