/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Content that came from the parent and may be asked for again: in memory only, once for each hash,
 * bounded. It is hashed whenever it is used, and what has changed is not given out. Router lock.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "module/exchange.h"
#include "module/sha256.h"

#define STORE_NAMES_MAX 1024

struct mitogen_message;

struct blob {                    /* immutable */
	struct map_node by_hash; /* in the store, while the store has it */
	unsigned references, names;
	uint8_t hash[SHA256_SIZE];
	const uint8_t *data;
	size_t size;
	struct mitogen_message *message; /* that has the data */
};

struct store { /* zeroed but for the list is valid and empty */
	struct map blobs;
	struct list names; /* least recently used first */
	unsigned name_count;
	size_t size; /* of all blobs in it, at most: */
	size_t limit;
};

void store_init(struct store *store, size_t limit);
void store_clear(struct store *store);
/* A reference to the answer's content, which is kept under its name if there is room; m has it. NULL with
 * *ret_code: MITOGEN_ERR_MEMORY, or MITOGEN_ERR_TYPE: its hash is another one. */
struct blob *store_add(struct store *store, const struct module_answer *answer,
		       struct mitogen_message *m, int *ret_code);
/* A reference to what is kept under the name; NULL: nothing is, or not any more. */
struct blob *store_find(struct store *store, const struct module_name *name);
void blob_unref(struct blob *blob); /* takes NULL */
