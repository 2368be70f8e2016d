/* SPDX-License-Identifier: BSD-3-Clause */
/* A hash map from uint32_t to nodes that sit in their owners. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct map_node {
	struct map_node *next;
	uint32_t key;
};

struct map { /* zeroed is valid and empty */
	struct map_node **buckets;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	size_t first; /* no bucket before this one is used */
};

#define MAP_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void map_clear(struct map *map); /* frees the buckets, not the nodes */
/* Buckets for a start: after it map_add does not fail. 0, or -1: no memory. */
int map_reserve(struct map *map);
struct map_node *map_get(const struct map *map, uint32_t key);
/* Another node with the same key, or NULL. */
struct map_node *map_same(const struct map_node *node);
/* Other nodes may have the same key, if map_same is used. 0, or -1: no memory. */
int map_add(struct map *map, struct map_node *node, uint32_t key);
void map_remove(struct map *map, struct map_node *node);
/* Any node, NULL: it is empty. To remove all, always the one that this returns, takes linear time. */
struct map_node *map_first(struct map *map);
/* Iteration in no order: the node behind node, NULL at the end; starts with NULL. */
struct map_node *map_next(const struct map *map, const struct map_node *node);
