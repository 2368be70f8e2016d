/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/bootstrap.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/sys.h"
#include "module/image.h"
#include "module/platform.h"
#include "parent/first_stage.h"

#define IMAGES_MAX 16 /* one for each place where the first stage may try it, and more */

/* What is said, until it is written. */
struct saying {
	struct stream_text text;
	char *script;        /* the text, or NULL */
	struct image *image; /* whose bytes are the text, or NULL */
	char header[FIRST_STAGE_HEADER_SIZE];
};

static void release(struct stream_text *text)
{
	struct saying *saying = LIST_OWNER(text, struct saying, text);

	sys.free(saying->script);
	image_unref(saying->image);
	sys.free(saying);
}

static struct saying *new_saying(const void *data, size_t size)
{
	struct saying *saying = sys.calloc(1, sizeof(*saying));

	if (!saying)
		return NULL;
	saying->text.data = data;
	saying->text.size = size;
	saying->text.release = release;
	return saying;
}

static void fail(struct bootstrap *bootstrap)
{
	mitogen_error error;

	error_set_memory(&error);
	bootstrap->failed(bootstrap, &error);
}

/* 0, or MITOGEN_ERR_MEMORY. */
static int say_script(struct bootstrap *bootstrap)
{
	struct saying *saying;
	char *script;
	size_t size;

	if (bootstrap->has_begun)
		return 0;
	if (first_stage_script(bootstrap->title, &script, &size) < 0)
		return MITOGEN_ERR_MEMORY;
	saying = new_saying(script, size);
	if (!saying) {
		sys.free(script);
		return MITOGEN_ERR_MEMORY;
	}
	saying->script = script;
	bootstrap->has_begun = true;
	stream_say(bootstrap->stream, &saying->text);
	return 0;
}

/* Takes the reference to the image over. 0, or MITOGEN_ERR_MEMORY. */
static int say_image(struct bootstrap *bootstrap, struct image *image)
{
	struct saying *head = new_saying(NULL, 0), *body = new_saying(image->data, image->size);

	if (!head || !body) {
		sys.free(head);
		sys.free(body);
		image_unref(image);
		return MITOGEN_ERR_MEMORY;
	}
	head->text.data = (const uint8_t *)head->header;
	head->text.size = (size_t)first_stage_header(head->header, sizeof(head->header),
						     image->size, image->is_gzip, bootstrap->sent);
	body->image = image;
	bootstrap->images++;
	stream_say(bootstrap->stream, &head->text);
	stream_say(bootstrap->stream, &body->text);
	return 0;
}

static void have_image(struct image_request *request, struct image *image,
		       const mitogen_error *error)
{
	struct bootstrap *bootstrap = LIST_OWNER(request, struct bootstrap, request);

	bootstrap->is_fetching = false;
	if (!image)
		bootstrap->failed(bootstrap, error);
	else if (say_image(bootstrap, image) < 0)
		fail(bootstrap);
}

static void fetch(struct bootstrap *bootstrap, const char *platform)
{
	bootstrap->sent = platform;
	bootstrap->is_fetching = true;
	images_request(bootstrap->router, platform, &bootstrap->request);
}

void bootstrap_init(struct bootstrap *bootstrap, struct router *router, struct stream *stream,
		    const char *title, const char *file,
		    void (*failed)(struct bootstrap *bootstrap, const mitogen_error *error))
{
	*bootstrap = (struct bootstrap){
		.router = router, .stream = stream, .title = title, .failed = failed};
	bootstrap->request = (struct image_request){.file = file, .done = have_image};
}

void bootstrap_begin(struct bootstrap *bootstrap, const char *platform)
{
	if (say_script(bootstrap) < 0)
		fail(bootstrap);
	else
		fetch(bootstrap, platform);
}

void bootstrap_stop(struct bootstrap *bootstrap)
{
	images_cancel(&bootstrap->request);
}

/* The first stage runs, on that machine. */
static enum bootstrap_result take_hello(struct bootstrap *bootstrap,
					const struct first_stage_line *line, mitogen_error *err)
{
	char list[PLATFORM_LIST_SIZE];

	if (bootstrap->platform)
		return BOOTSTRAP_GOES_ON; /* it has said so before */
	bootstrap->platform = platform_find(line->system, line->machine);
	if (!bootstrap->platform) {
		error_set(err, MITOGEN_ERR_CONNECT,
			  "there is no image for %s on %s, which it is; there are images for %s",
			  line->system, line->machine, platform_list(list, sizeof(list)));
		return BOOTSTRAP_FAILED;
	}
	if (say_script(bootstrap) < 0) {
		error_set_memory(err);
		return BOOTSTRAP_FAILED;
	}
	if (!bootstrap->sent)
		fetch(bootstrap, bootstrap->platform);
	return BOOTSTRAP_RUNS;
}

/* It has not taken the last image, for this reason, and can try another one. */
static enum bootstrap_result take_refusal(struct bootstrap *bootstrap,
					  const struct first_stage_line *line, mitogen_error *err)
{
	if (bootstrap->is_fetching) { /* a request cannot wait twice */
		error_set(err, MITOGEN_ERR_CONNECT,
			  "the first stage has refused an image before there was one: %s",
			  line->reason);
		return BOOTSTRAP_FAILED;
	}
	if (!bootstrap->platform || bootstrap->images >= IMAGES_MAX) {
		error_set(err, MITOGEN_ERR_CONNECT, "the image cannot run there: %s", line->reason);
		return BOOTSTRAP_FAILED;
	}
	bootstrap->request.is_raw |= line->wants_raw;
	fetch(bootstrap, bootstrap->platform);
	return BOOTSTRAP_GOES_ON;
}

enum bootstrap_result bootstrap_take(struct bootstrap *bootstrap, const char *text, size_t size,
				     mitogen_error *err)
{
	struct first_stage_line line;

	first_stage_parse(text, size, &line);
	switch (line.kind) {
	case FIRST_STAGE_HELLO:
		return take_hello(bootstrap, &line, err);
	case FIRST_STAGE_NEXT:
		return take_refusal(bootstrap, &line, err);
	case FIRST_STAGE_FAILED:
		error_set(err, MITOGEN_ERR_CONNECT, "the image cannot run there: %s", line.reason);
		return BOOTSTRAP_FAILED;
	case FIRST_STAGE_READY:
		return BOOTSTRAP_COMPLETE;
	case FIRST_STAGE_OTHER:
		break;
	}
	return BOOTSTRAP_NOISE;
}
