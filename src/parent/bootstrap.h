/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a first stage on the other side to a running image: says the script and the image to it, and
 * understands what it answers. Broker thread, router lock held.
 */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/stream.h"
#include "module/images.h"

struct router;

enum bootstrap_result {
	BOOTSTRAP_NOISE, /* the line is not the first stage's */
	BOOTSTRAP_RUNS,  /* the first stage runs; it was not known before */
	BOOTSTRAP_GOES_ON,
	BOOTSTRAP_COMPLETE, /* the image runs */
	BOOTSTRAP_FAILED,   /* err is set */
};

struct bootstrap {
	struct router *router;
	struct stream *stream;
	const char *title;    /* of the process there; lent */
	const char *sent;     /* the platform of the image that was asked for last, or NULL */
	const char *platform; /* that the target says it is, or NULL: it has not yet */
	struct image_request request;
	bool has_begun;   /* the script was said */
	bool is_fetching; /* an image was asked for, and has not come */
	unsigned images;  /* that were said */
	/* No image can be had. */
	void (*failed)(struct bootstrap *bootstrap, const mitogen_error *error);
};

/* Nothing is said yet. file: the image that somebody asked for, or NULL; both are lent. */
void bootstrap_init(struct bootstrap *bootstrap, struct router *router, struct stream *stream,
		    const char *title, const char *file,
		    void (*failed)(struct bootstrap *bootstrap, const mitogen_error *error));
/* For a target of this platform, as far as is known: says all that it will need, before it asks. */
void bootstrap_begin(struct bootstrap *bootstrap, const char *platform);
/* A line, without its newline, that came from there. */
enum bootstrap_result bootstrap_take(struct bootstrap *bootstrap, const char *line, size_t size,
				     mitogen_error *err);
/* failed is not called any more. */
void bootstrap_stop(struct bootstrap *bootstrap);
