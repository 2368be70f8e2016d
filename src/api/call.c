/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/call.h"

#include <mitogen/mitogen.h>
#include <string.h>

#include "api/chain.h"
#include "api/handle.h"
#include "api/receiver.h"
#include "api/value.h"
#include "base/clock.h"
#include "base/error.h"
#include "core/call.h"
#include "core/context.h"
#include "core/dispatch.h"
#include "core/export.h"
#include "core/latch.h"
#include "core/router.h"

#define BUILTIN_PREFIX "mitogen." /* no exported function's: their names are words of C */

const char *call_name(mitogen_function *function, const char *name, mitogen_error *err)
{
	const mitogen_export *entry;

	if (!function && name)
		return name;
	entry = function ? export_of(function) : NULL;
	if (entry)
		return entry->name;
	error_set(err, MITOGEN_ERR_UNKNOWN,
		  "this function is not exported; put a MITOGEN_EXPORT line behind it");
	return NULL;
}

static bool is_builtin(const char *name)
{
	return strncmp(name, BUILTIN_PREFIX, strlen(BUILTIN_PREFIX)) == 0;
}

struct mitogen_message *call_request(struct api_router *api, mitogen_context handle,
				     const char *name, bool with_channel,
				     const mitogen_value *values, size_t count, mitogen_error *err,
				     int *ret_code)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	if (is_builtin(name))
		call_write_head(&w, handle.chain > 0, "mitogen", name + strlen(BUILTIN_PREFIX),
				values_count(values, count));
	else
		call_write_head(&w, handle.chain > 0, NULL, name, values_count(values, count));
	values_write(&w, values, count);
	if (with_channel)
		call_write_channel_tail(&w);
	else
		call_write_tail(&w);
	m = message_from_writer(&w, &error);
	if (!m) {
		*ret_code = values_fail(error, name, err);
		return NULL;
	}
	if (m->size > api->router->max_message) {
		*ret_code = error_set(err, MITOGEN_ERR_TOO_BIG,
				      "%s: %zu bytes of arguments, the limit is %zu", name, m->size,
				      api->router->max_message);
		message_unref(m);
		return NULL;
	}
	m->chain = handle.chain;
	return m;
}

static int fail_no_context(mitogen_context handle, mitogen_error *err)
{
	return handle.ref ? error_set(err, MITOGEN_ERR_LOST, "the context is gone")
			  : api_fail_none(err, "context");
}

int call_send(struct api_router *api, mitogen_context handle, struct mitogen_message *m,
	      const char *name, struct call_target *target, bool waits, uint32_t *ret_reply,
	      mitogen_error *err)
{
	struct context *context;
	int r;

	broker_lock(&api->router->broker);
	context = context_find(api->router, handle.ref);
	if (!context) {
		r = fail_no_context(handle, err);
	} else if (api->router->closing) {
		r = error_set(err, MITOGEN_ERR_CLOSED, "the router is closed");
	} else if (waits && context->id == api->router->id && (!is_builtin(name) || m->chain)) {
		r = error_set(
			err, MITOGEN_ERR_DEADLOCK,
			"a call of this process to itself would wait for its own main thread");
	} else {
		r = call_start(api->router, context, m, name, target, waits, ret_reply);
		m = NULL;
		if (r < 0)
			chain_fail(r, err);
	}
	broker_unlock(&api->router->broker);
	message_unref(m);
	return r;
}

/* Encodes and sends. waits: the caller is about to wait for the answer. 0 or a code. */
static int start(struct api_router *api, mitogen_context handle, const char *name,
		 const mitogen_value *values, size_t count, struct call_target *target, bool waits,
		 uint32_t *ret_reply, mitogen_error *err)
{
	struct mitogen_message *m;
	int r = 0;

	m = call_request(api, handle, name, false, values, count, err, &r);
	return m ? call_send(api, handle, m, name, target, waits, ret_reply, err) : r;
}

static int64_t deadline_of(mitogen_context handle)
{
	return handle.within_ms ? clock_deadline(handle.within_ms) : CLOCK_NEVER;
}

static int fail_late(mitogen_context handle, const char *name, mitogen_error *err)
{
	char path[sizeof(err->where)];

	mitogen_context_name(handle, path, sizeof(path));
	error_set(err, MITOGEN_ERR_TIMEOUT, "%s: %s: no answer in time", path, name);
	error_set_where(err, path, name);
	return MITOGEN_ERR_TIMEOUT;
}

/* Waits for the answer, as long as the handle allows. 0 and *ret, or a code. */
static int await(struct api_router *api, mitogen_context handle, struct latch *latch,
		 uint32_t reply, struct mitogen_message **ret, const char *name, mitogen_error *err)
{
	enum latch_result result = latch_get(latch, deadline_of(handle), ret);

	if (result == LATCH_TIMEOUT) {
		broker_lock(&api->router->broker);
		call_cancel(api->router, reply);
		broker_unlock(&api->router->broker);
		result = latch_get(latch, clock_deadline(0), ret); /* it may have come just now */
	}
	if (result == LATCH_MESSAGE)
		return 0;
	return fail_late(handle, name, err);
}

static int take_result(struct mitogen_message *m, mitogen_out ret, mitogen_error *err)
{
	int r = 0;

	if (message_failure(m)) {
		r = message_failure(m)->code;
		if (err)
			*err = *message_failure(m);
	} else if (ret.to && ret.type == MITOGEN_OUT_MESSAGE) {
		mitogen_message **to = ret.to;

		mitogen_message_unref(*to);
		*to = m;
		return 0;
	} else if (ret.to) {
		r = mitogen_read_with(m, err, &ret, 1);
	}
	message_unref(m);
	return r;
}

int mitogen_call_with(mitogen_context handle, mitogen_function *function, const char *name,
		      mitogen_out ret, mitogen_error *err, const mitogen_value *values,
		      size_t count)
{
	int r = 0;
	struct api_router *api = api_pin(handle.router, err, &r);
	struct call_target target = {.deadline = CLOCK_NEVER};
	struct mitogen_message *m = NULL;
	uint32_t reply = 0;

	if (!api)
		return r;
	name = call_name(function, name, err);
	r = name ? api_check_wait(api, err) : MITOGEN_ERR_UNKNOWN;
	target.latch = r == 0 ? latch_new() : NULL;
	if (target.latch)
		r = start(api, handle, name, values, count, &target, true, &reply, err);
	else if (r == 0)
		r = error_set_memory(err);
	if (r < 0) {
		chain_skip(api, handle);
	} else {
		r = await(api, handle, target.latch, reply, &m, name, err);
		if (r == 0)
			r = take_result(m, ret, err);
	}
	latch_unref(target.latch);
	api_unpin(api);
	return r;
}

int mitogen_call_async_with(mitogen_context handle, mitogen_function *function, const char *name,
			    mitogen_receiver receiver, void *tag, mitogen_error *err,
			    const mitogen_value *values, size_t count)
{
	int r = 0;
	struct api_router *api = api_pin(handle.router, err, &r);
	struct call_target target = {.tag = tag, .deadline = deadline_of(handle)};

	if (!api)
		return r;
	name = call_name(function, name, err);
	target.latch = name ? receiver_latch(api, receiver, err, &r) : NULL;
	if (target.latch)
		r = start(api, handle, name, values, count, &target, false, NULL, err);
	else if (!name)
		r = MITOGEN_ERR_UNKNOWN;
	if (r < 0)
		chain_skip(api, handle);
	latch_unref(target.latch);
	api_unpin(api);
	return r;
}

int mitogen_call_no_reply_with(mitogen_context handle, mitogen_function *function, const char *name,
			       mitogen_error *err, const mitogen_value *values, size_t count)
{
	int r = 0;
	struct api_router *api = api_pin(handle.router, err, &r);

	if (!api)
		return r;
	name = call_name(function, name, err);
	r = name ? start(api, handle, name, values, count, NULL, false, NULL, err)
		 : MITOGEN_ERR_UNKNOWN;
	if (r < 0)
		chain_skip(api, handle);
	api_unpin(api);
	return r;
}

int mitogen_reply_with(mitogen_message *m, mitogen_error *err, const mitogen_value *values,
		       size_t count)
{
	size_t items = values_count(values, count);
	struct api_router *api;
	struct mitogen_writer w;
	int r = 0;

	if (!m)
		return api_fail_none(err, "message");
	if (!m->function || m->replied)
		return error_set(err, MITOGEN_ERR_USAGE, "%s",
				 m->function ? "the call was answered already"
					     : "this message is no call to this process");
	api = api_pin(m->router_ref, err, &r);
	if (!api)
		return r;
	message_writer_init(&w);
	if (items > 1)
		writer_list_head(&w, items);
	values_write(&w, values, count);
	r = dispatch_reply(api->router, m, &w, err);
	api_unpin(api);
	return r;
}
