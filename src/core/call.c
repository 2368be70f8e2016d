/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/call.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "core/context.h"
#include "core/dump.h"
#include "core/latch.h"
#include "core/router.h"
#include "wire/big_endian.h"
#include "wire/handles.h"

#define CHAIN_SIZE   8 /* bytes: the number of the chain, the position of the call in it */
#define CHAIN_OFFSET 2 /* in a request, behind the heads of the list and of the bytes */

struct call {
	struct handle handle;
	struct call_target target;
	struct timer timer;
	struct router *router;
	struct context *context;
	struct mitogen_message *spare; /* carries a failure, even without memory */
	bool is_in_chain;
	unsigned dumps; /* that had it */
	char function[];
};

void call_write_head(struct mitogen_writer *w, bool in_chain, const char *module,
		     const char *function, uint64_t count)
{
	static const uint8_t unknown_yet[CHAIN_SIZE];

	writer_list_head(w, 6);
	if (in_chain)
		writer_bytes(w, unknown_yet, sizeof(unknown_yet));
	else
		writer_nil(w);
	if (module)
		writer_string(w, module);
	else
		writer_nil(w);
	writer_nil(w); /* class */
	writer_string(w, function);
	writer_list_head(w, count);
}

void call_write_tail(struct mitogen_writer *w)
{
	writer_nil(w);
}

void call_write_channel_tail(struct mitogen_writer *w)
{
	writer_begin_map(w);
	writer_string(w, CALL_CHANNEL);
	writer_bool(w, true);
	writer_end(w);
}

static void free_call(struct call *call)
{
	call->router->stats.calls_pending--;
	timer_cancel(&call->timer);
	message_unref(call->spare);
	latch_unref(call->target.latch);
	sys.free(call);
}

/* Hands over m as the one answer; the call is no more. */
static void finish(struct call *call, struct mitogen_message *m)
{
	m->tag = call->target.tag;
	m->router_ref = call->router->api_ref;
	if (call->target.latch)
		latch_put(call->target.latch, m, &call->router->broker.wakes);
	else
		call->target.sink(call->target.sink_owner, m);
	free_call(call);
}

/* Fills in where a failure happened, and says so in its text too. */
static void fail(struct call *call, struct mitogen_message *m, const char *function,
		 mitogen_error *error)
{
	error_set_where(error, call->context->path, function);
	error_prefix(error, "%s: ", error->where);
	message_set_failure(m, error);
	finish(call, m);
}

static void fail_spare(struct call *call, mitogen_error *error)
{
	struct mitogen_message *m = call->spare;

	call->spare = NULL;
	m->header.src_id = call->context->id;
	fail(call, m, call->function, error);
}

/* A call that did not run because its chain had failed names the one that failed, without a path. */
static bool names_another(const struct call *call, const struct mitogen_message *m,
			  const mitogen_error *error)
{
	return call->is_in_chain && m->header.kind == FRAME_CBOR && *error->where &&
	       !strstr(error->where, ": ");
}

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct call *call = LIST_OWNER(handle, struct call, handle);
	char function[sizeof(((mitogen_error *)NULL)->where)];
	mitogen_error error;

	handles_remove(router, handle);
	if (m->header.kind == FRAME_CBOR && !message_is_call_error(m)) {
		finish(call, m);
		return;
	}
	message_decode_failure(m, &error);
	if (m->header.kind == FRAME_DEAD && error.code == MITOGEN_ERR_LOST &&
	    call->context->state >= CONTEXT_LOST)
		context_loss(call->context, &error);
	snprintf(function, sizeof(function), "%s",
		 names_another(call, m, &error) ? error.where : call->function);
	fail(call, m, function, &error);
}

static void lost(struct router *router, struct handle *handle, const mitogen_error *why)
{
	struct call *call = LIST_OWNER(handle, struct call, handle);
	mitogen_error error = *why;

	handles_remove(router, handle);
	fail_spare(call, &error);
}

static const struct handle_ops reply_ops = {.receive = receive, .lost = lost};

static void due(struct timer *timer)
{
	struct call *call = LIST_OWNER(timer, struct call, timer);
	mitogen_error error;

	handles_remove(call->router, &call->handle);
	error_set(&error, MITOGEN_ERR_TIMEOUT, "no answer in time");
	fail_spare(call, &error);
}

static struct call *new_call(struct router *router, struct context *context, const char *function,
			     const struct call_target *target)
{
	size_t size = strlen(function) + 1;
	struct call *call = sys.malloc(sizeof(*call) + size);

	if (!call)
		return NULL;
	*call = (struct call){.router = router, .context = context, .target = *target};
	memcpy(call->function, function, size);
	call->timer.due = due;
	call->spare = message_new(0);
	if (!call->spare || handles_add(router, &call->handle, 0, &reply_ops, context) < 0) {
		message_unref(call->spare);
		sys.free(call);
		return NULL;
	}
	router->stats.calls_pending++;
	if (target->latch)
		latch_ref(target->latch);
	if (target->deadline != CLOCK_NEVER)
		broker_set_timer(&router->broker, &call->timer, target->deadline);
	return call;
}

/* ---- Chains ---- */

struct call_chain {
	struct map_node by_number;
	struct list of_context;
	uint32_t sent; /* calls, with those that could not be sent */
};

static struct call_chain *find_chain(const struct router *router, uint32_t number)
{
	struct map_node *node = map_get(&router->call_chains, number);

	return node ? MAP_OWNER(node, struct call_chain, by_number) : NULL;
}

uint32_t call_chain_new(struct router *router, struct context *context)
{
	struct call_chain *chain = sys.calloc(1, sizeof(*chain));

	do
		router->last_chain++;
	while (router->last_chain == 0 || find_chain(router, router->last_chain));
	if (!chain || map_add(&router->call_chains, &chain->by_number, router->last_chain) < 0) {
		sys.free(chain);
		return 0;
	}
	list_append(&context->chains, &chain->of_context);
	return router->last_chain;
}

void call_chain_skip(struct router *router, uint32_t number)
{
	struct call_chain *chain = find_chain(router, number);

	if (chain)
		chain->sent++;
}

static void destroy_chain(struct router *router, struct call_chain *chain)
{
	map_remove(&router->call_chains, &chain->by_number);
	list_remove(&chain->of_context);
	sys.free(chain);
}

void call_drop_chains(struct router *router, struct context *context)
{
	while (!list_is_empty(&context->chains))
		destroy_chain(router,
			      LIST_OWNER(context->chains.next, struct call_chain, of_context));
}

/* Fills in what call_write_head left free: now, since the order of calls is known under the lock. */
static void number_call(struct call_chain *chain, struct mitogen_message *request)
{
	big_endian_store32(request->payload + CHAIN_OFFSET, chain->by_number.key);
	big_endian_store32(request->payload + CHAIN_OFFSET + 4, ++chain->sent);
}

static void send_end(struct router *router, struct context *context, const struct call_chain *chain)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	message_writer_init(&w);
	call_write_head(&w, true, "mitogen", "chain_end", 0);
	call_write_tail(&w);
	m = message_from_writer(&w, &ignored);
	if (!m)
		return; /* then it is forgotten when there are many others */
	m->chain = chain->by_number.key;
	call_start(router, context, m, "", NULL, false, NULL);
}

void call_chain_end(struct router *router, struct context *context, uint32_t number)
{
	struct call_chain *chain = find_chain(router, number);

	if (!chain)
		return;
	if (chain->sent > 0)
		send_end(router, context, chain);
	destroy_chain(router, chain);
}

/* ---- Starting and ending ---- */

int call_start(struct router *router, struct context *context, struct mitogen_message *request,
	       const char *function, const struct call_target *target, bool now,
	       uint32_t *ret_handle)
{
	struct call_chain *chain = request->chain ? find_chain(router, request->chain) : NULL;
	struct call *call = NULL;
	mitogen_error error;

	if (request->chain && !chain) {
		message_unref(request);
		return MITOGEN_ERR_USAGE;
	}
	if (target) {
		call = new_call(router, context, function, target);
		if (!call) {
			message_unref(request);
			return MITOGEN_ERR_MEMORY;
		}
		call->is_in_chain = chain != NULL;
		request->header.reply_to = call->handle.by_number.key;
		if (ret_handle)
			*ret_handle = request->header.reply_to;
	}
	if (context->state >= CONTEXT_LOST) {
		message_unref(request);
		context_loss(context, &error);
		if (call)
			lost(router, &call->handle, &error);
		return 0;
	}
	if (chain)
		number_call(chain, request);
	router->stats.calls_sent++;
	request->header.dst_id = context->id;
	request->header.handle = request->is_secret ? HANDLE_CALL_SECRET : HANDLE_CALL_FUNCTION;
	router_send(router, request, now);
	return 0;
}

void call_cancel(struct router *router, uint32_t number)
{
	struct handle *handle = handles_find(router, number);

	if (!handle || handle->ops != &reply_ops)
		return;
	handles_remove(router, handle);
	free_call(LIST_OWNER(handle, struct call, handle));
}

void call_dump(struct handle *handle, FILE *out)
{
	struct call *call;

	if (handle->ops != &reply_ops)
		return;
	call = LIST_OWNER(handle, struct call, handle);
	fputs(" call to ", out);
	dump_text(out, call->context->path);
	fputs(": ", out);
	dump_text(out, call->function);
	if (call->timer.timers)
		fprintf(out, ", %lld ms left", (long long)(call->timer.deadline - clock_ms()));
	if (call->dumps > 0)
		fprintf(out, ", seen in %u dumps before", call->dumps);
	fputs("\n", out);
	call->dumps++;
}
