/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/router.h"
#include "module/image.h"
#include "module/image_files.h"
#include "module/platform.h"
#include "module/requests.h"
#include "module/responder.h"

struct images {
	struct list known; /* struct image: those that were loaded here and that somebody uses */
	char *image;       /* of our own platform, a file; NULL: this program */
	char *directories; /* in the master, otherwise NULL */
	struct requests requests;
	struct responder responder;
};

static int open_ports(struct router *router, struct images *images)
{
	int r = requests_open(&images->requests, router);

	if (r < 0)
		return r;
	r = responder_open(&images->responder, router);
	if (r < 0)
		requests_close(&images->requests);
	return r;
}

static void free_images(struct images *images)
{
	sys.free(images->image);
	sys.free(images->directories);
	sys.free(images);
}

int images_open(struct router *router, const char *image, const char *path)
{
	struct images *images = sys.calloc(1, sizeof(*images));
	bool is_complete = images != NULL;

	if (is_complete && !router->parent) {
		path = path ? path : getenv("MITOGEN_IMAGE_PATH");
		images->image = image ? sys_strdup(image) : NULL;
		images->directories = image_files_path(path ? path : "", image);
		is_complete = images->directories && (images->image || !image);
	}
	if (is_complete && open_ports(router, images) == 0) {
		list_init(&images->known);
		router->images = images;
		return 0;
	}
	if (images)
		free_images(images);
	return MITOGEN_ERR_MEMORY;
}

void images_close(struct router *router)
{
	struct images *images = router->images;

	if (!images)
		return;
	responder_close(&images->responder, router);
	requests_close(&images->requests);
	/* those that are still in use are nobody's */
	LIST_FOR_EACH_SAFE (node, &images->known)
		list_remove(node);
	free_images(images);
	router->images = NULL;
}

/* ---- Here ---- */

/* The file that a request is for; NULL: what is for the platform. */
static const char *file_of(const struct images *images, const struct image_request *request)
{
	bool is_own = request->file && images->image && strcmp(request->file, images->image) == 0;

	return is_own ? NULL : request->file;
}

/* One that somebody uses. */
static struct image *find(const struct images *images, const struct image_request *request)
{
	LIST_FOR_EACH_SAFE (node, &images->known) {
		struct image *image = LIST_OWNER(node, struct image, link);

		if (image->platform != request->platform || (request->is_raw && image->is_gzip))
			continue;
		if (image_is_intact(image))
			return image_ref(image);
		log_write(LOG_ERROR, "the image for %s has changed in memory: it is read again",
			  image->platform);
		list_remove(node);
	}
	return NULL;
}

/* What is for the platform. */
static struct image *load(const struct images *images, const struct image_request *request,
			  mitogen_error *err)
{
	if (request->platform != platform_own())
		return image_files_load(images->directories, request->platform, request->is_raw,
					err);
	if (images->image)
		return image_load_either(images->image, request->platform, request->is_raw, err);
	return image_load_own(err);
}

/* False: there is none here, but the parent may have one. */
ERROR_PATH static bool look_here(struct images *images, struct image_request *request,
				 bool has_parent)
{
	const char *file = file_of(images, request);
	struct image *image = file ? NULL : find(images, request);
	mitogen_error error;

	if (!image && file) {
		image = image_load_either(file, request->platform, request->is_raw, &error);
	} else if (!image) {
		image = load(images, request, &error);
		if (image)
			list_append(&images->known, &image->link);
	}
	if (!image && !file && has_parent)
		return false; /* without /proc a program does not find itself */
	request->done(request, image, &error);
	return true;
}

/* ---- From the parent ---- */

static void received(struct module_request *module, struct blob *blob, const mitogen_error *error)
{
	struct image_request *request = LIST_OWNER(module, struct image_request, module);
	struct image *image = blob ? image_of_blob(blob, request->platform) : NULL;
	mitogen_error memory;

	if (blob && !image) {
		error_set_memory(&memory);
		error = &memory;
	}
	request->done(request, image, error);
}

static void ask_parent(struct images *images, struct image_request *request)
{
	struct module_name name;

	snprintf(name.kind, sizeof(name.kind), "%s",
		 request->is_raw ? IMAGES_KIND_RAW : IMAGES_KIND);
	snprintf(name.name, sizeof(name.name), "%s", request->platform);
	request->module.done = received;
	requests_get(&images->requests, &name, &request->module);
}

void images_request(struct router *router, const char *platform, struct image_request *request)
{
	struct images *images = router->images;

	request->platform = platform;
	request->module.link = (struct list){0};
	if ((!images->directories && platform != platform_own() && !request->file) ||
	    !look_here(images, request, router->parent != NULL))
		ask_parent(images, request);
}

void images_cancel(struct image_request *request)
{
	requests_cancel(&request->module);
}

void images_lose_above(struct router *router)
{
	mitogen_error error;

	if (!router->images)
		return;
	error_set(&error, MITOGEN_ERR_LOST, "%s was detached: there is nobody to ask for images",
		  router->path);
	requests_fail_all(&router->images->requests, &error);
}
