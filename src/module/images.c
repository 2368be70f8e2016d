/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/images.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sys.h"
#include "core/router.h"
#include "module/image.h"
#include "module/image_files.h"
#include "module/platform.h"

struct images {
	struct list known; /* struct image: those that somebody uses */
	char *image;       /* of our own platform, a file; NULL: this program */
	char *directories; /* in the master, otherwise NULL */
};

int images_open(struct router *router, const char *image, const char *path)
{
	struct images *images = sys.calloc(1, sizeof(*images));

	if (!images)
		return MITOGEN_ERR_MEMORY;
	list_init(&images->known);
	router->images = images;
	if (router->parent)
		return 0;
	if (!path)
		path = getenv("MITOGEN_IMAGE_PATH");
	images->image = image ? sys_strdup(image) : NULL;
	images->directories = image_files_path(path ? path : "", image);
	if (images->directories && (images->image || !image))
		return 0;
	images_close(router);
	return MITOGEN_ERR_MEMORY;
}

void images_close(struct router *router)
{
	struct images *images = router->images;

	if (!images)
		return;
	/* those that are still in use are nobody's */
	LIST_FOR_EACH_SAFE (node, &images->known)
		list_remove(node);
	sys.free(images->image);
	sys.free(images->directories);
	sys.free(images);
	router->images = NULL;
}

/* The file that a request is for; NULL: what is for the platform. */
static const char *file_of(const struct images *images, const struct image_request *request)
{
	bool is_own = request->file && images->image && strcmp(request->file, images->image) == 0;

	return is_own ? NULL : request->file;
}

static struct image *find(const struct images *images, const char *platform,
			  const struct image_request *request)
{
	LIST_FOR_EACH (node, &images->known) {
		struct image *image = LIST_OWNER(node, struct image, link);

		if (image->platform == platform && !(request->is_raw && image->is_gzip))
			return image;
	}
	return NULL;
}

/* What is for the platform, here. */
static struct image *load(const struct images *images, const char *platform, bool is_raw,
			  mitogen_error *err)
{
	if (platform != platform_own())
		return image_files_load(images->directories ? images->directories : "", platform,
					is_raw, err);
	if (images->image)
		return image_load_either(images->image, platform, is_raw, err);
	return image_load_own(err);
}

void images_request(struct router *router, const char *platform, struct image_request *request)
{
	struct images *images = router->images;
	const char *file = file_of(images, request);
	struct image *image = file ? NULL : find(images, platform, request);
	mitogen_error error;

	list_init(&request->link);
	if (image) {
		request->done(request, image_ref(image), NULL);
		return;
	}
	if (file)
		image = image_load_either(file, platform, request->is_raw, &error);
	else
		image = load(images, platform, request->is_raw, &error);
	if (image && !file)
		list_append(&images->known, &image->link);
	request->done(request, image, &error);
}

void images_cancel(struct image_request *request)
{
	list_remove(&request->link);
}
