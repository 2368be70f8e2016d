/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/responder.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/router.h"
#include "module/exchange.h"
#include "module/image.h"
#include "module/images.h"
#include "module/platform.h"
#include "wire/handles.h"

struct pending { /* a child's request */
	struct list link;
	struct router *router;
	uint32_t child_id;
	struct module_name name;
	struct image_request request;
};

/* ---- Answering ---- */

static void send_to(struct neighbour *child, struct mitogen_message *m)
{
	if (!m) {
		neighbour_fail(child, "out of memory");
		return;
	}
	m->header.dst_id = child->id;
	router_send(child->router, m, false);
}

ERROR_PATH static void refuse(struct neighbour *child, const struct module_name *name,
			      const mitogen_error *why)
{
	send_to(child, exchange_make_failure(name, why->code, why->text));
}

ERROR_PATH static void refuse_with(struct neighbour *child, const struct module_name *name,
				   int code, const char *text)
{
	mitogen_error why;

	error_set(&why, code, "%s %s: %s", name->kind, name->name, text);
	refuse(child, name, &why);
}

static void give(struct neighbour *child, const struct module_name *name, struct image *image)
{
	struct router *router = child->router;
	size_t waiting = stream_waiting(&child->stream, router->id, child->id, HANDLE_LOAD_MODULE);

	if (image->size + EXCHANGE_ANSWER_OVERHEAD > router->max_message)
		refuse_with(child, name, MITOGEN_ERR_TOO_BIG, "it is longer than a message may be");
	else if (waiting >= router->max_message)
		refuse_with(child, name, MITOGEN_ERR_TOO_BIG,
			    "too much waits that was asked for before");
	else
		send_to(child,
			exchange_make_answer(name, image_hash(image), image->data, image->size));
}

/* The child itself, or NULL: it is gone. */
static struct neighbour *child_of(const struct router *router, uint32_t id)
{
	struct neighbour *neighbour = routes_neighbour(router, id);

	return neighbour && neighbour->id == id && !neighbour->is_parent ? neighbour : NULL;
}

static void found(struct image_request *request, struct image *image, const mitogen_error *error)
{
	struct pending *pending = LIST_OWNER(request, struct pending, request);
	struct neighbour *child = child_of(pending->router, pending->child_id);

	list_remove(&pending->link);
	if (child && image)
		give(child, &pending->name, image);
	else if (child)
		refuse(child, &pending->name, error);
	image_unref(image);
	sys.free(pending);
}

/* ---- Being asked ---- */

static bool is_pending(const struct responder *responder, uint32_t child_id,
		       const struct module_name *name)
{
	LIST_FOR_EACH (node, &responder->pending) {
		const struct pending *pending = LIST_OWNER(node, struct pending, link);

		if (pending->child_id == child_id && module_name_is(&pending->name, name))
			return true;
	}
	return false;
}

ERROR_PATH static void refuse_unknown(struct neighbour *child, const struct module_name *name)
{
	char platforms[PLATFORM_LIST_SIZE];
	mitogen_error why;

	error_set(&why, MITOGEN_ERR_UNKNOWN, "there is no %s %s; there are images for %s",
		  name->kind, name->name, platform_list(platforms, sizeof(platforms)));
	refuse(child, name, &why);
}

static void look_up(struct responder *responder, struct neighbour *child,
		    const struct module_name *name)
{
	const char *platform = platform_named(name->name, strlen(name->name));
	bool is_raw = strcmp(name->kind, IMAGES_KIND_RAW) == 0;
	struct pending *pending;

	if (!platform || (!is_raw && strcmp(name->kind, IMAGES_KIND) != 0)) {
		refuse_unknown(child, name);
		return;
	}
	pending = sys.calloc(1, sizeof(*pending));
	if (!pending) {
		refuse_with(child, name, MITOGEN_ERR_MEMORY, "out of memory");
		return;
	}
	pending->router = child->router;
	pending->child_id = child->id;
	pending->name = *name;
	pending->request.is_raw = is_raw;
	pending->request.done = found;
	list_append(&responder->pending, &pending->link);
	images_request(child->router, platform, &pending->request);
}

static void asked(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct responder *responder = LIST_OWNER(handle, struct responder, get);
	struct neighbour *child = child_of(router, m->header.src_id);
	struct module_name name;

	if (!child || m->header.kind != FRAME_CBOR ||
	    !exchange_read_request(m->payload, m->size, &name))
		log_write(LOG_WARNING, "context %u sent something else to GET_MODULE",
			  m->header.src_id);
	else if (!neighbour_may_answer(child) || is_pending(responder, child->id, &name))
		; /* it is being ended, or one answer serves */
	else if (!quota_take(&child->module_quota, 1, clock_ms()))
		refuse_with(child, &name, MITOGEN_ERR_TOO_BIG, "it is asked for too often");
	else
		look_up(responder, child, &name);
	message_unref(m);
}

static const struct handle_ops ops = {
	.receive = asked,
	.is_one_frame = true,
	.policy = handles_allow_children,
};

int responder_open(struct responder *responder, struct router *router)
{
	list_init(&responder->pending);
	return handles_add(router, &responder->get, HANDLE_GET_MODULE, &ops, NULL);
}

void responder_close(struct responder *responder, struct router *router)
{
	for (struct list *node; (node = list_pop(&responder->pending)) != NULL;) {
		struct pending *pending = LIST_OWNER(node, struct pending, link);

		images_cancel(&pending->request);
		sys.free(pending);
	}
	handles_remove(router, &responder->get);
}
