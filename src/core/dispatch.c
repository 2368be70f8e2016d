/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/dispatch.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "core/export.h"
#include "core/latch.h"
#include "core/router.h"
#include "wire/cursor.h"
#include "wire/handles.h"

struct name { /* a text in a message */
	const uint8_t *data;
	size_t size;
};

static bool read_name(struct cursor *c, struct name *ret)
{
	if (cursor_type(c) == CBOR_NIL) {
		*ret = (struct name){0};
		return cursor_nil(c) == 0;
	}
	return cursor_string(c, CBOR_TEXT, &ret->data, &ret->size) == 0;
}

/* Reads [chain, module, class, function, args, kwargs] up to args. */
static bool read_head(struct mitogen_message *m, struct name *ret_module, struct name *ret_function)
{
	struct cursor c = {m->payload, m->payload + m->size};
	struct name class;
	uint64_t count;

	if (m->header.kind != FRAME_CBOR || cursor_list(&c, &count) < 0 || count != 6 ||
	    cursor_skip(&c) < 0 || !read_name(&c, ret_module) || !read_name(&c, &class) ||
	    !read_name(&c, ret_function) || cursor_type(&c) != CBOR_LIST)
		return false;
	m->arguments = (size_t)(c.at - m->payload);
	return true;
}

struct cursor dispatch_arguments(const struct mitogen_message *m)
{
	return (struct cursor){m->payload + m->arguments, m->payload + m->size};
}

/* ---- On the broker thread ---- */

static const struct builtin *find_builtin(const struct router *router, const struct name *name)
{
	const struct builtin *const *table = router->builtins;

	for (; table && *table && name->data; table++)
		for (const struct builtin *b = *table; b->name; b++)
			if (strlen(b->name) == name->size &&
			    memcmp(b->name, name->data, name->size) == 0)
				return b;
	return NULL;
}

static void refuse(struct router *router, struct mitogen_message *m, const mitogen_error *error)
{
	if (m->header.reply_to == 0)
		log_write(LOG_WARNING, "a call without reply failed: %s%s%s", error->where,
			  *error->where ? ": " : "", error->text);
	router_reply_error(router, m, error, latch_is_empty(router->calls));
}

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct name module, function;
	mitogen_error error;
	const struct builtin *builtin;

	(void)handle;
	if (!read_head(m, &module, &function)) {
		error_set(&error, MITOGEN_ERR_ARGUMENT, "this is not a call");
	} else if (router->closing) {
		error_set(&error, MITOGEN_ERR_CLOSED, "the context is shutting down");
	} else if (!router->parent) {
		error_set(&error, MITOGEN_ERR_REFUSED, "the master runs no calls");
	} else if (module.size == 0) {
		const mitogen_export *entry =
			export_find((const char *)function.data, function.size);

		if (entry) {
			m->function = entry;
			latch_put(router->calls, m, &router->broker.wakes);
			return;
		}
		error_set(&error, MITOGEN_ERR_UNKNOWN,
			  "no function \"%.*s\" is exported there; does a MITOGEN_EXPORT line "
			  "follow it, "
			  "and is the program the same?",
			  (int)function.size, (const char *)function.data);
	} else {
		builtin = find_builtin(router, &function);
		if (builtin) {
			builtin->start(router, m);
			return;
		}
		error_set(&error, MITOGEN_ERR_UNKNOWN, "no builtin function \"%.*s\"",
			  (int)function.size, (const char *)function.data);
	}
	refuse(router, m, &error);
	message_unref(m);
}

static const struct handle_ops call_ops = {.receive = receive, .policy = handles_allow_parents};

int dispatch_open(struct router *router)
{
	return handles_add_fixed(router, HANDLE_CALL_FUNCTION, &call_ops);
}

void dispatch_close(struct router *router)
{
	handles_remove_fixed(router, HANDLE_CALL_FUNCTION);
}

/* ---- On the main thread ---- */

static bool type_fits(enum cbor_type type, int allowed)
{
	int bit = 1 << (type - 1); /* both lists have the same order */

	if (allowed & bit)
		return true;
	/* what reading converts: in C, `a == b` is an int, and 2 is a fine double */
	return type == CBOR_INT && allowed & (MITOGEN_BOOL | MITOGEN_DOUBLE);
}

_Static_assert(1 << (CBOR_NIL - 1) == MITOGEN_NIL && 1 << (CBOR_SECRET - 1) == MITOGEN_SECRET,
	       "the types of the wire and of the interface are in the same order");

/* Compares the arguments with the declaration. */
static int check_arguments(const struct mitogen_message *m, mitogen_error *error)
{
	struct cursor c = dispatch_arguments(m);
	const int *types = m->function->types;
	uint64_t count = 0, i = 0;

	cursor_list(&c, &count);
	for (; i < count; i++, types++) {
		if (*types & MITOGEN_REST)
			return 0;
		if (!*types)
			return error_set(error, MITOGEN_ERR_ARGUMENT,
					 "%llu arguments, but it is declared with %llu",
					 (unsigned long long)count, (unsigned long long)i);
		if (!type_fits(cursor_type(&c), *types))
			return error_set(error, MITOGEN_ERR_ARGUMENT,
					 "argument %llu is of another type than declared",
					 (unsigned long long)i + 1);
		cursor_skip(&c);
	}
	if (*types && !(*types & (MITOGEN_NIL | MITOGEN_REST)))
		return error_set(error, MITOGEN_ERR_ARGUMENT, "argument %llu is missing",
				 (unsigned long long)i + 1);
	return 0;
}

static void send_failure(struct router *router, struct mitogen_message *m, mitogen_error *error)
{
	broker_lock(&router->broker);
	refuse(router, m, error);
	broker_unlock(&router->broker);
}

int dispatch_reply(struct router *router, struct mitogen_message *m, struct mitogen_writer *w,
		   mitogen_error *err)
{
	struct mitogen_message *reply;
	int error;

	reply = message_from_writer(w, &error);
	if (!reply)
		return error_set(err,
				 error == CBOR_ERR_MEMORY ? MITOGEN_ERR_MEMORY : MITOGEN_ERR_TYPE,
				 "the result: %s", cbor_error_text(error));
	if (reply->size > router->max_message) {
		error_set(err, MITOGEN_ERR_TOO_BIG, "the result has %zu bytes, the limit is %zu",
			  reply->size, router->max_message);
		message_unref(reply);
		return MITOGEN_ERR_TOO_BIG;
	}
	m->replied = true;
	broker_lock(&router->broker);
	router_reply(router, m, reply, latch_is_empty(router->calls));
	broker_unlock(&router->broker);
	return 0;
}

/* Whatever went wrong inside a function, to its caller it is a failure of the function. */
static void describe(mitogen_error *error, int r)
{
	if (error->code == 0)
		error_set(error, r, "it failed and does not say why");
	if (!error->type[0] && error->code != MITOGEN_ERR_CALL)
		snprintf(error->type, sizeof(error->type), "%s", error_code_name(error->code));
	error->code = MITOGEN_ERR_CALL;
}

static void run(struct router *router, struct mitogen_message *m)
{
	mitogen_error error;
	int r;

	error.code = 0; /* the rest of it is written when there is an error */
	error.sys = 0;
	error.type[0] = error.where[0] = error.text[0] = '\0';
	r = check_arguments(m, &error);
	if (r == 0) {
		r = m->function->function(m, &error);
		if (r < 0)
			describe(&error, r);
	}
	if (r < 0 && m->replied) {
		log_write(LOG_WARNING, "%s failed after it had replied: %s", m->function->name,
			  error.text);
	} else if (r < 0) {
		error_set_where(&error, router->path, m->function->name);
		send_failure(router, m, &error);
	} else if (!m->replied) {
		struct mitogen_writer w;

		message_writer_init(&w);
		if (dispatch_reply(router, m, &w, &error) < 0)
			send_failure(router, m, &error);
	}
}

void dispatch_run(struct router *router)
{
	struct mitogen_message *m;

	while (latch_get(router->calls, CLOCK_NEVER, &m) == LATCH_MESSAGE) {
		run(router, m);
		message_unref(m);
	}
}
