/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/store.h"

#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "base/sys.h"
#include "core/message.h"
#include "wire/big_endian.h"

struct entry {
	struct list link; /* in store->names */
	struct module_name name;
	struct blob *blob; /* a reference */
};

void store_init(struct store *store, size_t limit)
{
	*store = (struct store){.limit = limit};
	list_init(&store->names);
}

void blob_unref(struct blob *blob)
{
	if (!blob || --blob->references > 0)
		return;
	message_unref(blob->message);
	sys.free(blob);
}

static bool is_intact(const struct blob *blob)
{
	uint8_t hash[SHA256_SIZE];

	sha256(hash, blob->data, blob->size);
	return memcmp(hash, blob->hash, sizeof(hash)) == 0;
}

static void forget(struct store *store, struct entry *entry)
{
	struct blob *blob = entry->blob;

	list_remove(&entry->link);
	sys.free(entry);
	store->name_count--;
	if (--blob->names == 0) {
		map_remove(&store->blobs, &blob->by_hash);
		store->size -= blob->size;
	}
	blob_unref(blob);
}

void store_clear(struct store *store)
{
	while (!list_is_empty(&store->names))
		forget(store, LIST_OWNER(store->names.next, struct entry, link));
	map_clear(&store->blobs);
}

static struct blob *find_blob(const struct store *store, const uint8_t *hash)
{
	struct map_node *node = map_get(&store->blobs, big_endian_load32(hash));

	for (; node; node = map_same(node)) {
		struct blob *blob = MAP_OWNER(node, struct blob, by_hash);

		if (memcmp(blob->hash, hash, SHA256_SIZE) == 0)
			return blob;
	}
	return NULL;
}

/* Keeps it if there is room, or can be made. */
static void keep(struct store *store, const struct module_name *name, struct blob *blob)
{
	struct entry *entry = blob->size > store->limit ? NULL : sys.malloc(sizeof(*entry));

	if (!entry)
		return;
	if (blob->names == 0 &&
	    map_add(&store->blobs, &blob->by_hash, big_endian_load32(blob->hash)) < 0) {
		sys.free(entry);
		return;
	}
	if (blob->names++ == 0)
		store->size += blob->size;
	blob->references++;
	*entry = (struct entry){.name = *name, .blob = blob};
	list_append(&store->names, &entry->link);
	store->name_count++;
	while (store->size > store->limit || store->name_count > STORE_NAMES_MAX)
		forget(store, LIST_OWNER(store->names.next, struct entry, link));
}

/* Its hash is as it should be. NULL: no memory. */
static struct blob *make(const struct module_answer *answer, struct mitogen_message *m)
{
	struct blob *blob = sys.calloc(1, sizeof(*blob));

	if (!blob)
		return NULL;
	memcpy(blob->hash, answer->hash, SHA256_SIZE);
	blob->data = answer->content;
	blob->size = answer->size;
	blob->message = message_ref(m);
	return blob;
}

static struct entry *find_entry(const struct store *store, const struct module_name *name)
{
	LIST_FOR_EACH (node, &store->names) {
		struct entry *entry = LIST_OWNER(node, struct entry, link);

		if (module_name_is(&entry->name, name))
			return entry;
	}
	return NULL;
}

struct blob *store_add(struct store *store, const struct module_answer *answer,
		       struct mitogen_message *m, int *ret_code)
{
	struct entry *before = find_entry(store, &answer->name);
	uint8_t hash[SHA256_SIZE];
	struct blob *blob;

	sha256(hash, answer->content, answer->size);
	*ret_code = MITOGEN_ERR_TYPE;
	if (memcmp(hash, answer->hash, sizeof(hash)) != 0)
		return NULL;
	blob = find_blob(store, hash);
	if (!blob)
		blob = make(answer, m);
	*ret_code = MITOGEN_ERR_MEMORY;
	if (!blob)
		return NULL;
	blob->references++;
	if (before)
		forget(store, before);
	keep(store, &answer->name, blob);
	return blob;
}

struct blob *store_find(struct store *store, const struct module_name *name)
{
	struct entry *entry = find_entry(store, name);

	if (!entry)
		return NULL;
	if (!is_intact(entry->blob)) {
		log_write(LOG_ERROR, "%s %s has changed in memory: it is fetched again", name->kind,
			  name->name);
		forget(store, entry);
		return NULL;
	}
	list_remove(&entry->link);
	list_append(&store->names, &entry->link);
	entry->blob->references++;
	return entry->blob;
}
