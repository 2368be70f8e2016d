/* SPDX-License-Identifier: BSD-3-Clause */
#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "api/value.h"
#include "base/clock.h"
#include "base/error.h"
#include "core/context.h"
#include "core/latch.h"
#include "core/message.h"
#include "core/outbox.h"
#include "core/router.h"

mitogen_sender mitogen_sender_within(mitogen_sender sender, int timeout_ms)
{
	/* as in mitogen_within */
	sender.within_ms = timeout_ms == MITOGEN_FOREVER ? 0 : timeout_ms > 0 ? timeout_ms : -1;
	return sender;
}

mitogen_sender mitogen_sender_to(mitogen_context context, uint32_t port)
{
	struct context *target;
	struct api_router *api = api_lock_context(context, &target, NULL, NULL);
	mitogen_sender sender = {0};

	if (!api)
		return sender;
	sender = (mitogen_sender){.router = api->ref,
				  .context = target->id,
				  .handle = port,
				  .within_ms = context.within_ms};
	api_unlock(api);
	return sender;
}

/* NULL with err set and *ret_code; otherwise pinned. */
static struct api_router *pin(mitogen_sender sender, mitogen_error *err, int *ret_code)
{
	if (sender.handle != 0)
		return api_pin(sender.router, err, ret_code);
	*ret_code = api_fail_none(err, "sender");
	return NULL;
}

/* The values as a message; NULL with err set and *ret_code. */
static struct mitogen_message *make_message(const struct api_router *api,
					    const mitogen_value *values, size_t count,
					    mitogen_error *err, int *ret_code)
{
	size_t items = values_count(values, count);
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	if (items > 1)
		writer_list_head(&w, items);
	values_write(&w, values, count);
	m = message_from_writer(&w, &error);
	if (!m) {
		*ret_code = values_fail(error, "the value to send", err);
	} else if (m->size > api->router->max_message) {
		*ret_code = error_set(err, MITOGEN_ERR_TOO_BIG,
				      "the value to send has %zu bytes, the limit is %zu", m->size,
				      api->router->max_message);
		message_unref(m);
		return NULL;
	}
	return m;
}

/* The router lock is dropped meanwhile. 0: it is worth another try; or a code. */
static int wait_for_room(struct api_router *api, struct outbox *outbox, int64_t deadline,
			 mitogen_error *err)
{
	struct outbox_waiter waiter;
	struct mitogen_message *none;
	enum latch_result result;

	if (api_check_wait(api, err) < 0)
		return MITOGEN_ERR_DEADLOCK;
	if (outbox_wait(outbox, &waiter) < 0)
		return error_set_memory(err);
	broker_unlock(&api->router->broker);
	result = latch_get(waiter.latch, deadline, &none);
	broker_lock(&api->router->broker);
	outbox_leave(&waiter);
	if (waiter.is_closed)
		return error_set(err, MITOGEN_ERR_CLOSED, "the sender was closed meanwhile");
	if (result == LATCH_TIMEOUT)
		return error_set(err, MITOGEN_ERR_TIMEOUT,
				 "the receiver has not read in time what was sent before");
	return 0;
}

/* Sends m, taken over, as soon as there is room. Router lock. */
static int send_in_time(struct api_router *api, mitogen_sender to, struct mitogen_message *m,
			int64_t deadline, mitogen_error *err)
{
	int r = 0;

	while (r == 0) {
		struct outbox *outbox = outbox_to(api->router, to.context, to.handle);

		if (!outbox)
			r = error_set_memory(err);
		else if (api->router->closing)
			r = error_set(err, MITOGEN_ERR_CLOSED, "the router is closed");
		else
			r = outbox_check(outbox, err);
		if (r == 0 && outbox_has_room(outbox)) {
			outbox_send(outbox, m);
			return 0;
		}
		if (r == 0)
			r = wait_for_room(api, outbox, deadline, err);
	}
	message_unref(m);
	return r;
}

int mitogen_send_with(mitogen_sender to, mitogen_error *err, const mitogen_value *values,
		      size_t count)
{
	int64_t deadline = to.within_ms ? clock_deadline(to.within_ms) : CLOCK_NEVER;
	int r = 0;
	struct api_router *api = pin(to, err, &r);
	struct mitogen_message *m;

	if (!api)
		return r;
	m = make_message(api, values, count, err, &r);
	if (m) {
		broker_lock(&api->router->broker);
		r = send_in_time(api, to, m, deadline, err);
		broker_unlock(&api->router->broker);
	}
	api_unpin(api);
	return r;
}

void mitogen_sender_close(mitogen_sender to)
{
	struct api_router *api = pin(to, NULL, &(int){0});

	if (!api)
		return;
	broker_lock(&api->router->broker);
	outbox_close(api->router, to.context, to.handle, false);
	api_unlock(api);
}
