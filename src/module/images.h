/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Images for children of this router, by platform: its own program; in the master, files; elsewhere,
 * what the parent has. Broker thread, router lock held, unless it says otherwise.
 */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>

#include "module/requests.h"

/* As what a child asks its parent for them; the name is the platform's. */
#define IMAGES_KIND     "image"
#define IMAGES_KIND_RAW "raw image"

struct image;
struct router;

struct image_request {    /* sits in who asks; zeroed but for the first three */
	const char *file; /* that somebody named; NULL: whatever is for the platform */
	bool is_raw;      /* not compressed */
	/* A reference, or NULL and why. It may request again. */
	void (*done)(struct image_request *request, struct image *image,
		     const mitogen_error *error);
	const char *platform;
	struct module_request module;
};

/* Where the master has images of all platforms; sits in its owner. */
struct image_source {
	const char *program; /* that children of its own platform run; NULL: this one */
	/* From that file, or, if it is NULL, the one for the platform. NULL with err set. */
	struct image *(*load)(struct image_source *source, const char *file, const char *platform,
			      bool is_raw, mitogen_error *err);
	void (*close)(struct image_source *source);
};

/* source is taken over; NULL: the parent is asked. 0, or MITOGEN_ERR_MEMORY. Any thread. */
int images_open(struct router *router, struct image_source *source);
void images_close(struct router *router);

/* Calls done once, maybe at once. platform: one of module/platform.h. */
void images_request(struct router *router, const char *platform, struct image_request *request);
/* It is not wanted any more. Also after it was done, or if it is zeroed. */
void images_cancel(struct image_request *request);
/* This process is detached: what the parent was asked for does not come. */
void images_lose_above(struct router *router);
