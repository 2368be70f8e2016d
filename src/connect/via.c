/* SPDX-License-Identifier: BSD-3-Clause */
#include "connect/via.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "connect/methods.h"
#include "core/call.h"
#include "core/context.h"
#include "core/dispatch.h"
#include "parent/ids.h"
#include "parent/method_options.h"
#include "parent/platforms.h"
#include "parent/route_monitor.h"
#include "wire/cursor.h"

#define ANSWER_GRACE_MS 1000 /* for the other context to report its own time-out first */
#define CONNECT_MS_MAX  (INT32_MAX - ANSWER_GRACE_MS - 1)
#define NAME_SIZE       256
#define PLATFORM_SIZE   32

/* ---- Asking ---- */

struct request { /* for a context that is being connected elsewhere */
	struct router *router;
	uint32_t id;
};

/* Asks its parent to do that with it; the answer goes to target, or to nobody. 0, or
 * MITOGEN_ERR_MEMORY. */
static int ask_parent(struct router *router, const struct context *context, const char *what,
		      const struct call_target *target)
{
	struct context *parent =
		context_of_id(router, context->connection ? router->id : context->via_id);
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	message_writer_init(&w);
	call_write_head(&w, false, "mitogen", what, 1);
	writer_uint(&w, context->id);
	call_write_tail(&w);
	m = message_from_writer(&w, &ignored);
	if (m && parent)
		return call_start(router, parent, m, what, target, false, NULL);
	message_unref(m);
	return MITOGEN_ERR_MEMORY;
}

static int ask_for_end(struct router *router, const struct context *context,
		       const struct call_target *target)
{
	int r = router_send_shutdown(router, context->id);

	return r < 0 ? r : ask_parent(router, context, "shutdown", target);
}

/* Of a context that is not connected. A line of such contexts has one reason, which comes unchanged from
 * the first of them. */
static void describe(const struct router *router, const struct context *context,
		     mitogen_error *error)
{
	const struct context *via = context_known(router, context->via_id);

	if (!via || via->state < CONTEXT_LOST) {
		error_prefix(error, "%s could not be started: ", context->path);
		return;
	}
	context_loss(via, error);
	if (via->was_ready)
		error_prefix(error, "the context was lost with %s, through which it was reached: ",
			     via->path);
}

/* What became of it elsewhere is not known, or not yet: nobody shall find it there. */
static void give_up(struct router *router, struct context *context, mitogen_error *error)
{
	describe(router, context, error);
	if (error->code == MITOGEN_ERR_CALL)
		error->code = MITOGEN_ERR_CONNECT;
	if (!router->closing) {
		ask_for_end(router, context, NULL);
		route_monitor_refuse(router, context->id, error);
	}
	context_lose(router, context, error);
}

/* The other context has said what the platform of the new one is, if it has learned that. */
static void remember_platform(struct router *router, const struct context *context,
			      const struct mitogen_message *m)
{
	struct cursor c = {m->payload, m->payload + m->size};
	const uint8_t *name;
	size_t size;

	if (m->header.kind == FRAME_CBOR && cursor_string(&c, CBOR_TEXT, &name, &size) == 0)
		platforms_remember(router, context->target, (const char *)name, size);
}

/* The other context says that it is connected, or why it is not. */
static void connected(void *owner, struct mitogen_message *m)
{
	struct request *request = owner;
	struct context *context = context_known(request->router, request->id);
	mitogen_error error;

	if (context && message_failure(m)) {
		error = *message_failure(m);
		if (context->state < CONTEXT_LOST)
			give_up(request->router, context, &error);
	} else if (context) {
		remember_platform(request->router, context, m);
		context_set_state(request->router, context, CONTEXT_READY, NULL);
	}
	message_unref(m);
	sys.free(request);
}

static void write_optional(struct mitogen_writer *w, const char *string)
{
	if (string)
		writer_bytes(w, string, strlen(string));
	else
		writer_nil(w);
}

static struct mitogen_message *make_connect(const struct connect_method *method, const char *name,
					    const struct connect_options *options,
					    const struct id_block *ids)
{
	struct mitogen_writer w;
	int ignored;

	message_writer_init(&w);
	call_write_head(&w, false, "mitogen", "connect", 9);
	writer_string(&w, method->name);
	writer_uint(&w, ids->first);
	writer_uint(&w, ids->count);
	writer_bytes(&w, name, strlen(name));
	writer_uint(&w, (uint64_t)options->connect_timeout_ms);
	writer_uint(&w, (uint64_t)options->shutdown_ms);
	writer_bool(&w, options->fork_server);
	write_optional(&w, options->platform);
	method_options_write(method->options, options->own, &w);
	call_write_tail(&w);
	return message_from_writer(&w, &ignored);
}

/* The context here, as it will be called there. NULL: no memory. */
static struct context *new_context(struct router *router, struct context *via, uint32_t id,
				   const char *name)
{
	size_t size = strlen(via->path) + strlen(name) + 2;
	char *path = sys.malloc(size);
	struct context *context;

	if (!path)
		return NULL;
	snprintf(path, size, "%s/%s", via->path, name);
	context = context_begin(router, id, path);
	if (context) {
		context->via_id = via->id;
		context->depth = via->depth + 1;
	}
	return context;
}

/* Each hop on the way that is still connecting has its own time first. */
static uint32_t time_to_connect(const struct context *via, int timeout_ms)
{
	uint64_t before = via->connect_ms;

	if (via->state == CONTEXT_READY)
		before = 0;
	else if (before == 0)
		before = (uint64_t)timeout_ms * via->depth;
	before += (uint64_t)timeout_ms;
	return before < CONNECT_MS_MAX ? (uint32_t)before : CONNECT_MS_MAX;
}

/* Sends the request, which is taken over. 0 or a code. */
static int ask(struct router *router, struct context *via, const struct context *context,
	       const struct id_block *ids, struct mitogen_message *m)
{
	struct request *request = sys.malloc(sizeof(*request));
	struct call_target target = {.sink = connected, .sink_owner = request};
	int r;

	if (!request || ids_grant_below(router, via, ids) < 0) {
		sys.free(request);
		message_unref(m);
		return MITOGEN_ERR_MEMORY;
	}
	*request = (struct request){router, context->id};
	target.deadline = clock_deadline((int)context->connect_ms + ANSWER_GRACE_MS);
	r = call_start(router, via, m, "connect", &target, false, NULL);
	if (r < 0)
		sys.free(request);
	return r;
}

int via_start(struct router *router, struct context *via, const struct connect_method *method,
	      const struct connect_options *options, const struct id_block *ids,
	      struct context **ret, mitogen_error *err)
{
	struct mitogen_message *m;
	struct context *context;
	mitogen_error error;
	char name[NAME_SIZE];
	int r = connection_check_name(options->name, err);

	if (r < 0)
		return r;
	if (router->closing)
		return error_set(err, MITOGEN_ERR_CLOSED, "the router is closed");
	if (via->state >= CONTEXT_LOST)
		return context_loss(via, err);
	via->children++;
	if (options->name)
		snprintf(name, sizeof(name), "%s", options->name);
	else
		snprintf(name, sizeof(name), "%s.%u", method->name, via->children);
	m = make_connect(method, name, options, ids);
	context = m ? new_context(router, via, ids->first, name) : NULL;
	if (!context) {
		message_unref(m);
		return error_set_memory(err);
	}
	context->connect_ms = time_to_connect(via, options->connect_timeout_ms);
	if (ask(router, via, context, ids, m) < 0) {
		r = error_set_memory(err);
		error_set_memory(&error);
		context_lose(router, context, &error);
		return r;
	}
	route_monitor_announce(router, context);
	*ret = context;
	return 0;
}

int via_shutdown(struct router *router, const struct context *context,
		 const struct call_target *target, mitogen_error *err)
{
	return ask_for_end(router, context, target) < 0 ? error_set_memory(err) : 0;
}

int via_detach(struct router *router, const struct context *context,
	       const struct call_target *target, mitogen_error *err)
{
	return ask_parent(router, context, "detach", target) < 0 ? error_set_memory(err) : 0;
}

/* ---- Being asked ---- */

struct connect_arguments {
	const struct connect_method *method;
	struct id_block ids;
	uint32_t timeout_ms, shutdown_ms;
	bool fork_server;
	char name[NAME_SIZE], platform[PLATFORM_SIZE]; /* "": not known */
	void *own;
};

/* Bytes without a NUL, or nil: "". */
static bool read_optional(struct cursor *c, char *out, size_t size)
{
	const uint8_t *data;
	size_t length;

	out[0] = '\0';
	if (cursor_nil(c) == 0)
		return true;
	if (cursor_string(c, CBOR_BYTES, &data, &length) < 0 || length >= size ||
	    memchr(data, '\0', length))
		return false;
	memcpy(out, data, length);
	out[length] = '\0';
	return true;
}

/* The options of the method's own, which stand last. */
static bool parse_own(struct cursor *c, const uint8_t *method, size_t size,
		      struct connect_arguments *ret, mitogen_error *error)
{
	ret->method = connect_find((const char *)method, size);
	if (!ret->method) {
		error_set(error, MITOGEN_ERR_UNKNOWN,
			  "the image there knows no connection method \"%.*s\"",
			  size < NAME_SIZE ? (int)size : NAME_SIZE, (const char *)method);
		return false;
	}
	ret->own = method_options_new(ret->method->options_size);
	if (!ret->own) {
		error_set_memory(error);
		return false;
	}
	return method_options_read(ret->method->options, ret->method->name, ret->own, c, error) ==
		       0 &&
	       method_options_check(ret->method->options, ret->method->name, ret->own, error) == 0;
}

/* False, with error set. */
static bool parse(const struct mitogen_message *m, struct connect_arguments *ret,
		  mitogen_error *error)
{
	struct cursor c = dispatch_arguments(m);
	const uint8_t *method;
	uint64_t count;
	size_t size;

	if (cursor_list(&c, &count) < 0 || count != 9 ||
	    cursor_string(&c, CBOR_TEXT, &method, &size) < 0 ||
	    cursor_u32(&c, &ret->ids.first) < 0 || cursor_u32(&c, &ret->ids.count) < 0 ||
	    ret->ids.count == 0 || !read_optional(&c, ret->name, sizeof(ret->name)) ||
	    cursor_u32(&c, &ret->timeout_ms) < 0 || ret->timeout_ms > INT32_MAX ||
	    cursor_u32(&c, &ret->shutdown_ms) < 0 || ret->shutdown_ms > INT32_MAX ||
	    cursor_bool(&c, &ret->fork_server) < 0 ||
	    !read_optional(&c, ret->platform, sizeof(ret->platform))) {
		error_set(error, MITOGEN_ERR_ARGUMENT, "connect: wrong arguments");
		return false;
	}
	return parse_own(&c, method, size, ret, error);
}

static int start_asked(struct router *router, const struct connect_arguments *arguments,
		       struct context **ret, mitogen_error *error)
{
	const struct connect_method *method = arguments->method;
	const struct connect_options options = {
		.name = arguments->name,
		.image = method_options_text(method->options, arguments->own, "image"),
		.environment = router->environment, /* the main thread may change ours */
		.connect_timeout_ms = (int)arguments->timeout_ms,
		.shutdown_ms = (int)arguments->shutdown_ms,
		.fork_server = arguments->fork_server,
		.platform = arguments->platform[0] ? arguments->platform : NULL,
		.own = arguments->own,
	};

	router->children++; /* as who asked has counted */
	return connection_start(router, method, &options, &arguments->ids, ret, error);
}

static void connect_builtin(struct router *router, struct mitogen_message *m)
{
	struct connect_arguments arguments = {.ids = {0, 0}};
	struct context *context;
	mitogen_error error;
	bool has_begun = parse(m, &arguments, &error) &&
			 start_asked(router, &arguments, &context, &error) == 0;

	if (arguments.own)
		method_options_free(arguments.method->options, arguments.own);
	if (has_begun) {
		connection_answer_when_up(context, m);
		return;
	}
	error_prefix(&error, "the context could not be started: ");
	if (arguments.ids.count > 0)
		route_monitor_refuse(router, arguments.ids.first, &error);
	dispatch_answer_error(router, m, &error);
	message_unref(m);
}

/* The child of ours that the request names, or NULL: it is gone already. */
static struct context *read_child(struct router *router, const struct mitogen_message *m)
{
	struct cursor c = dispatch_arguments(m);
	struct context *context = NULL;
	uint64_t count;
	uint32_t id;

	if (cursor_list(&c, &count) == 0 && count == 1 && cursor_u32(&c, &id) == 0)
		context = context_known(router, id);
	return context && context->connection ? context : NULL;
}

static void shutdown_builtin(struct router *router, struct mitogen_message *m)
{
	struct context *context = read_child(router, m);

	if (context) {
		connection_shutdown_for(context, m);
		return;
	}
	dispatch_answer_nil(router, m);
	message_unref(m);
}

static void detach_builtin(struct router *router, struct mitogen_message *m)
{
	struct context *context = read_child(router, m);
	mitogen_error error;

	if (context) {
		connection_detach_for(context, m);
		return;
	}
	error_set(&error, MITOGEN_ERR_LOST, "the context is gone");
	dispatch_answer_error(router, m, &error);
	message_unref(m);
}

const struct builtin via_builtins[] = {
	{"connect", connect_builtin},
	{"shutdown", shutdown_builtin},
	{"detach", detach_builtin},
	{NULL, NULL},
};
