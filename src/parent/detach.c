/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/detach.h"

#include "base/list.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/dispatch.h"
#include "core/process.h"
#include "core/router.h"
#include "wire/handles.h"

/* ---- Asking ---- */

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct detach *detach = LIST_OWNER(handle, struct detach, reply);
	mitogen_error error;

	handles_remove(router, handle);
	handle->ops = NULL;
	message_decode_failure(m, &error);
	if (m->header.kind == FRAME_CBOR)
		detach->done(detach);
	else
		detach_answer(detach, router, &error);
	message_unref(m);
}

/* The end of the connection has its own way to tell those who wait. */
static void lost(struct router *router, struct handle *handle, const mitogen_error *why)
{
	(void)why;
	handles_remove(router, handle);
	handle->ops = NULL;
}

static const struct handle_ops reply_ops = {.receive = receive, .lost = lost, .is_one_frame = true};

void detach_init(struct detach *detach, void (*done)(struct detach *detach))
{
	*detach = (struct detach){.done = done};
	list_init(&detach->calls);
}

int detach_ask(struct detach *detach, struct router *router, struct neighbour *child,
	       struct context *context)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	if (detach->reply.ops)
		return 0;
	message_writer_init(&w);
	writer_nil(&w);
	m = message_from_writer(&w, &ignored);
	if (!m || handles_add(router, &detach->reply, 0, &reply_ops, context) < 0) {
		message_unref(m);
		detach->reply.ops = NULL;
		return MITOGEN_ERR_MEMORY;
	}
	m->header.handle = HANDLE_DETACHING;
	m->header.reply_to = detach->reply.by_number.key;
	router_send_behind(router, child, m, NULL);
	return 0;
}

void detach_answer(struct detach *detach, struct router *router, const mitogen_error *failure)
{
	struct list *node;

	if (detach->reply.ops)
		handles_remove(router, &detach->reply);
	detach->reply.ops = NULL;
	while ((node = list_pop(&detach->calls)) != NULL) {
		struct mitogen_message *call = LIST_OWNER(node, struct mitogen_message, link);

		if (failure)
			dispatch_answer_error(router, call, failure);
		else
			dispatch_answer_nil(router, call);
		message_unref(call);
	}
}

/* ---- The process ---- */

struct detached {
	struct router *router;
	struct resident resident;
	struct process process;
	struct closing closing;
};

static void destroy(struct closing *closing)
{
	struct detached *detached = LIST_OWNER(closing, struct detached, closing);

	router_remove_resident(detached->router, &detached->resident);
	sys.free(detached);
}

static void process_ended(struct process *process, int status)
{
	struct detached *detached = LIST_OWNER(process, struct detached, process);

	(void)status;
	broker_close_later(&detached->router->broker, &detached->closing);
}

/* It goes on without us. */
static void close_resident(struct resident *resident, bool urgent)
{
	struct detached *detached = LIST_OWNER(resident, struct detached, resident);

	(void)urgent;
	if (process_release(&detached->process) > 0)
		broker_close_later(&detached->router->broker, &detached->closing);
}

void detach_process(struct router *router, struct process *process)
{
	pid_t pid = process_release(process);
	struct detached *detached;

	if (pid <= 0 || router->closing) /* which would wait for it */
		return;
	detached = sys.calloc(1, sizeof(*detached));
	if (!detached) {
		log_write(LOG_WARNING, "out of memory: process %d will not be reaped", (int)pid);
		return;
	}
	detached->router = router;
	detached->closing.destroy = destroy;
	detached->resident.close = close_resident;
	router_add_resident(router, &detached->resident);
	process_watch(&detached->process, &router->broker, pid, process_ended);
}
