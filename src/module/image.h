/* SPDX-License-Identifier: BSD-3-Clause */
/* A program for one platform, in memory, that can become a child. Immutable; router lock. */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "module/sha256.h"

#define IMAGE_SIZE_MAX (64u << 20)

struct blob;

struct image {
	struct list link; /* its owner's */
	unsigned references;
	const char *platform; /* of module/platform.h */
	char *file;           /* where it was read, or NULL */
	const uint8_t *data;
	size_t size;
	bool is_gzip;
	bool has_hash;
	uint8_t hash[SHA256_SIZE]; /* of the data, image_hash */
	/* Lets the data go; keeper is its own. */
	void (*release)(struct image *image);
	void *keeper;
};

/* The file, which is a program for this platform as far as can be seen, or what gzip made of one. NULL with
 * err set: why not. */
struct image *image_load(const char *path, const char *platform, mitogen_error *err);
/* The same, or PATH.gz if that is what gzip made of it, or if there is nothing else; unless is_raw. */
struct image *image_load_either(const char *path, const char *platform, bool is_raw,
				mitogen_error *err);
/* The program of this process itself. */
struct image *image_load_own(mitogen_error *err);
/* Of content that came from elsewhere, which was just checked; takes the reference over. NULL: no memory. */
struct image *image_of_blob(struct blob *blob, const char *platform);
/* Of the data: made at the first time, for what was not read into memory of our own. */
const uint8_t *image_hash(struct image *image);
/* It has not changed since it was hashed. */
bool image_is_intact(const struct image *image);
/* The first returns image. */
struct image *image_ref(struct image *image);
void image_unref(struct image *image); /* takes NULL */
