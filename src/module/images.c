/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/images.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/router.h"
#include "module/image.h"
#include "module/platform.h"
#include "module/requests.h"
#include "module/responder.h"

struct images {
	struct list known; /* struct image: those that were loaded here and that somebody uses */
	struct image_source *source; /* in the master, otherwise NULL */
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
	if (images->source)
		images->source->close(images->source);
	sys.free(images);
}

int images_open(struct router *router, struct image_source *source)
{
	struct images *images = sys.calloc(1, sizeof(*images));

	if (!images) {
		if (source)
			source->close(source);
		return MITOGEN_ERR_MEMORY;
	}
	list_init(&images->known);
	images->source = source;
	if (open_ports(router, images) < 0) {
		free_images(images);
		return MITOGEN_ERR_MEMORY;
	}
	router->images = images;
	return 0;
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
	const char *program = images->source ? images->source->program : NULL;

	return program && request->file && strcmp(request->file, program) == 0 ? NULL
									       : request->file;
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

static struct image *load(const struct images *images, const char *file,
			  const struct image_request *request, mitogen_error *err)
{
	struct image_source *source = images->source;

	if (source)
		return source->load(source, file, request->platform, request->is_raw, err);
	return file ? image_load(file, request->platform, err) : image_load_own(err);
}

/* False: there is none here, but the parent may have one. */
ERROR_PATH static bool look_here(struct images *images, struct image_request *request,
				 bool has_parent)
{
	const char *file = file_of(images, request);
	struct image *image = file ? NULL : find(images, request);
	mitogen_error error;

	if (!image) {
		image = load(images, file, request, &error);
		if (image && !file)
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
	if ((!images->source && platform != platform_own() && !request->file) ||
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
