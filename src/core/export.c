/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/export.h"

#include <pthread.h>
#include <string.h>

#define BUCKETS 64

enum {
	BY_NAME,
	BY_FUNCTION
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf */
static mitogen_export *buckets[2][BUCKETS];

static mitogen_export **bucket_of_name(const char *name, size_t size)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)name[i]) * 16777619u;
	return &buckets[BY_NAME][hash % BUCKETS];
}

static mitogen_export **bucket_of_function(mitogen_function *function)
{
	return &buckets[BY_FUNCTION][((uintptr_t)function >> 4) % BUCKETS];
}

static void add(mitogen_export **bucket, mitogen_export *entry, int table)
{
	entry->next[table] = *bucket;
	*bucket = entry;
}

void export_register(mitogen_export *entry)
{
	pthread_mutex_lock(&lock);
	add(bucket_of_name(entry->name, strlen(entry->name)), entry, BY_NAME);
	add(bucket_of_function(entry->function), entry, BY_FUNCTION);
	pthread_mutex_unlock(&lock);
}

const mitogen_export *export_find(const char *name, size_t size)
{
	mitogen_export *entry;

	pthread_mutex_lock(&lock);
	for (entry = *bucket_of_name(name, size); entry; entry = entry->next[BY_NAME])
		if (strlen(entry->name) == size && memcmp(entry->name, name, size) == 0)
			break;
	pthread_mutex_unlock(&lock);
	return entry;
}

const mitogen_export *export_of(mitogen_function *function)
{
	mitogen_export *entry;

	pthread_mutex_lock(&lock);
	for (entry = *bucket_of_function(function); entry; entry = entry->next[BY_FUNCTION])
		if (entry->function == function)
			break;
	pthread_mutex_unlock(&lock);
	return entry;
}

void export_before_fork(void)
{
	pthread_mutex_lock(&lock);
}

void export_after_fork(void)
{
	pthread_mutex_unlock(&lock);
}
