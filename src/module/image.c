/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/self.h"
#include "module/gzip.h"
#include "module/platform.h"
#include "module/store.h"

struct image *image_ref(struct image *image)
{
	image->references++;
	return image;
}

void image_unref(struct image *image)
{
	if (!image || --image->references > 0)
		return;
	list_remove(&image->link);
	if (image->release)
		image->release(image);
	sys.free(image->file);
	sys.free(image);
}

const uint8_t *image_hash(struct image *image)
{
	if (!image->has_hash)
		sha256(image->hash, image->data, image->size);
	image->has_hash = true;
	return image->hash;
}

bool image_is_intact(const struct image *image)
{
	uint8_t hash[SHA256_SIZE];

	if (!image->has_hash)
		return true;
	sha256(hash, image->data, image->size);
	return memcmp(hash, image->hash, sizeof(hash)) == 0;
}

static void release_memory(struct image *image)
{
	sys.free(image->keeper);
}

static void release_mapping(struct image *image)
{
	munmap(image->keeper, image->size);
}

/* A descriptor of a file of a size that an image may have, or -1. It may be anything: opening it does not
 * wait. */
static int open_file(const char *path, size_t *ret_size, mitogen_error *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		error_set_errno(err, "cannot read the image %s", path);
	} else if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > IMAGE_SIZE_MAX) {
		error_set(err, MITOGEN_ERR_CONNECT, "the image %s is no file of 1 byte to %u MiB",
			  path, IMAGE_SIZE_MAX >> 20);
	} else {
		*ret_size = (size_t)st.st_size;
		return TAKE_FD(fd);
	}
	return -1;
}

/* Up to size bytes, or -1. */
static ssize_t read_all(int fd, uint8_t *data, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = sys.read(fd, data + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* What a person can do about it, they are told. */
static int check_content(const struct image *image, const char *path, mitogen_error *err)
{
	const char *platform = platform_of_program(image->data, image->size);

	if (image->is_gzip || (platform && strcmp(platform, image->platform) == 0))
		return 0;
	if (platform)
		return error_set(err, MITOGEN_ERR_CONNECT,
				 "the image %s is a program for %s, not %s", path, platform,
				 image->platform);
	return error_set(err, MITOGEN_ERR_CONNECT, "the image %s is not a program for %s", path,
			 image->platform);
}

/* But for its hash. */
static struct image *make(const char *platform, const uint8_t *data, size_t size,
			  void (*release)(struct image *image), void *keeper)
{
	struct image *image = sys.malloc(sizeof(*image));

	if (image)
		*image = (struct image){
			.references = 1,
			.platform = platform,
			.data = data,
			.size = size,
			.is_gzip = gzip_is(data, size),
			.release = release,
			.keeper = keeper,
		};
	return image;
}

static void release_blob(struct image *image)
{
	blob_unref(image->keeper);
}

struct image *image_of_blob(struct blob *blob, const char *platform)
{
	struct image *image = make(platform, blob->data, blob->size, release_blob, blob);

	if (!image) {
		blob_unref(blob);
		return NULL;
	}
	memcpy(image->hash, blob->hash, sizeof(image->hash));
	image->has_hash = true;
	return image;
}

/* But for its hash. */
static struct image *load(const char *path, const char *platform, mitogen_error *err)
{
	size_t size;
	CLEANUP_FD int fd = open_file(path, &size, err);
	CLEANUP_FREE uint8_t *data = NULL;
	struct image *image;
	ssize_t got;

	if (fd < 0)
		return NULL;
	data = sys.malloc(size);
	got = data ? read_all(fd, data, size) : 0;
	if (!data)
		error_set_memory(err);
	else if (got < 0)
		error_set_errno(err, "cannot read the image %s", path);
	else if ((size_t)got < size)
		error_set(err, MITOGEN_ERR_CONNECT, "the image %s was cut while it was read", path);
	if (!data || got < 0 || (size_t)got < size)
		return NULL;
	image = make(platform, data, size, release_memory, data);
	if (image) {
		data = NULL;
		image->file = sys_strdup(path);
	}
	if (!image || !image->file)
		error_set_memory(err);
	else if (check_content(image, path, err) == 0)
		return image;
	image_unref(image);
	return NULL;
}

static struct image *add_hash(struct image *image)
{
	if (image)
		image_hash(image);
	return image;
}

struct image *image_load(const char *path, const char *platform, mitogen_error *err)
{
	return add_hash(load(path, platform, err));
}

struct image *image_load_either(const char *path, const char *platform, bool is_raw,
				mitogen_error *err)
{
	CLEANUP_FREE char *beside = is_raw ? NULL : sys.malloc(strlen(path) + sizeof(".gz"));
	mitogen_error why = {.sys = 0};
	struct image *plain = load(path, platform, &why), *compressed = NULL;

	if (!plain && err)
		*err = why;
	if (!plain && why.sys != ENOENT)
		return NULL;
	if (beside) {
		stpcpy(stpcpy(beside, path), ".gz");
		compressed = load(beside, platform, NULL);
	}
	if (compressed && plain &&
	    !gzip_is_of(compressed->data, compressed->size, plain->data, plain->size)) {
		image_unref(compressed); /* of an older one */
		compressed = NULL;
	}
	if (!compressed)
		return add_hash(plain);
	image_unref(plain);
	return add_hash(compressed);
}

struct image *image_load_own(mitogen_error *err)
{
	size_t size;
	CLEANUP_FD int fd = open_file(self_path(), &size, err);
	struct image *image;
	void *data;

	if (fd < 0)
		return NULL;
	/* its pages are there already, and nobody can write to what runs */
	data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED) {
		error_set_errno(err, "cannot read this process's own program");
		return NULL;
	}
	image = make(platform_own(), data, size, release_mapping, data);
	if (!image) {
		munmap(data, size);
		error_set_memory(err);
	}
	return image;
}
