/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/message.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "core/context.h"
#include "core/router.h"

mitogen_message *mitogen_message_ref(mitogen_message *m)
{
	return message_ref(m);
}

void mitogen_message_unref(mitogen_message *m)
{
	struct api_router *api = m && m->released ? api_lock(m->router_ref, NULL, NULL) : NULL;

	if (!api) {
		message_unref(m);
		return;
	}
	message_release(api->router, m);
	api_unlock(api);
}

mitogen_router mitogen_message_router(const mitogen_message *m)
{
	return (mitogen_router){m ? m->router_ref : 0};
}

mitogen_context mitogen_message_from(const mitogen_message *m)
{
	struct api_router *api = m ? api_lock(m->router_ref, NULL, NULL) : NULL;
	mitogen_context from = {0};

	if (!api)
		return from;
	from = api_context_handle(api->router, context_of_id(api->router, m->header.src_id));
	api_unlock(api);
	return from;
}

mitogen_receiver mitogen_message_receiver(const mitogen_message *m)
{
	if (!m || m->receiver_ref == 0)
		return (mitogen_receiver){0};
	return (mitogen_receiver){.router = m->router_ref, .ref = m->receiver_ref};
}

void *mitogen_message_tag(const mitogen_message *m)
{
	return m ? m->tag : NULL;
}

mitogen_event mitogen_message_event(const mitogen_message *m)
{
	return m ? m->event : MITOGEN_EVENT_NONE;
}
