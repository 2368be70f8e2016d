/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/dispatch.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "core/call.h"
#include "core/chains.h"
#include "core/export.h"
#include "core/latch.h"
#include "core/router.h"
#include "wire/big_endian.h"
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

struct head {                     /* of a call, up to its arguments */
	uint32_t chain, position; /* 0: in none */
	struct name module, function;
	size_t arguments; /* where they are in the payload */
};

static bool read_chain(struct cursor *c, struct head *ret)
{
	const uint8_t *data;
	size_t size;

	if (cursor_type(c) == CBOR_NIL)
		return cursor_nil(c) == 0;
	if (cursor_string(c, CBOR_BYTES, &data, &size) < 0 || size != 8)
		return false;
	ret->chain = big_endian_load32(data);
	ret->position = big_endian_load32(data + 4);
	return ret->chain > 0;
}

/* Reads [chain, module, class, function, args, kwargs] up to args. */
static bool read_head(const struct mitogen_message *m, struct head *ret)
{
	struct cursor c = {m->payload, m->payload + m->size};
	struct name class;
	uint64_t count;

	*ret = (struct head){0};
	if (m->header.kind != FRAME_CBOR || cursor_list(&c, &count) < 0 || count != 6 ||
	    !read_chain(&c, ret) || !read_name(&c, &ret->module) || !read_name(&c, &class) ||
	    !read_name(&c, &ret->function) || cursor_type(&c) != CBOR_LIST)
		return false;
	ret->arguments = (size_t)(c.at - m->payload);
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

static bool is_chain_end(const struct head *head)
{
	static const char name[] = "chain_end";

	return head->chain > 0 && head->module.size > 0 &&
	       head->function.size == sizeof(name) - 1 &&
	       memcmp(head->function.data, name, sizeof(name) - 1) == 0;
}

ERROR_PATH static void fail_chain(struct router *router, const struct mitogen_message *m,
				  const mitogen_error *error)
{
	mitogen_error named = *error;
	struct head head;

	read_head(m, &head);
	snprintf(named.where, sizeof(named.where), "%.*s", (int)head.function.size,
		 (const char *)head.function.data);
	chains_leave(router, m, &named);
}

/* The call is over. error: its failure, or NULL. */
static void leave_chain(struct router *router, const struct mitogen_message *m,
			const mitogen_error *error)
{
	if (m->chain > 0 && error)
		fail_chain(router, m, error);
	else if (m->chain > 0)
		chains_leave(router, m, NULL);
}

/* Because of an earlier call of its chain: nothing is logged again. */
static bool refuse_with_chain(struct router *router, struct mitogen_message *m)
{
	struct mitogen_message *answer = NULL;

	if (m->chain == 0 || !chains_has_failed(router, m, &answer))
		return false;
	if (answer)
		router_reply(router, m, answer, latch_is_empty(router->calls));
	else
		router_reply_dead(router, m, MITOGEN_ERR_MEMORY, "out of memory");
	leave_chain(router, m, NULL);
	return true;
}

ERROR_PATH static void set_unknown(struct mitogen_message *m, const struct head *head)
{
	const struct name *name = &head->function;
	mitogen_error error;

	if (head->module.size > 0)
		error_set(&error, MITOGEN_ERR_UNKNOWN, "no builtin function \"%.*s\"",
			  (int)name->size, (const char *)name->data);
	else
		error_set(&error, MITOGEN_ERR_UNKNOWN,
			  "no function \"%.*s\" is exported there; does a MITOGEN_EXPORT line "
			  "follow it, and is the program the same?",
			  (int)name->size, (const char *)name->data);
	message_set_failure(m, &error);
}

/* What cannot run. */
static void find_function(struct router *router, struct mitogen_message *m, const struct head *head)
{
	const struct name *name = &head->function;

	if (head->module.size > 0 && find_builtin(router, name))
		return;
	if (head->module.size == 0)
		m->function = export_find((const char *)name->data, name->size);
	if (!m->function)
		set_unknown(m, head);
}

ERROR_PATH static void answer_without_memory(struct router *router, const struct mitogen_message *m)
{
	mitogen_error error;

	error_set_memory(&error);
	router_reply_dead(router, m, error.code, error.text);
	leave_chain(router, m, &error);
}

void dispatch_answer(struct router *router, const struct mitogen_message *m,
		     struct mitogen_message *answer)
{
	if (!answer) {
		answer_without_memory(router, m);
		return;
	}
	router_reply(router, m, answer, false);
	leave_chain(router, m, NULL);
}

void dispatch_answer_nil(struct router *router, const struct mitogen_message *m)
{
	struct mitogen_writer w;
	int ignored;

	message_writer_init(&w);
	dispatch_answer(router, m, message_from_writer(&w, &ignored));
}

void dispatch_answer_error(struct router *router, const struct mitogen_message *m,
			   const mitogen_error *error)
{
	if (m->header.reply_to == 0)
		log_write(LOG_WARNING, "a call without reply failed: %s: %s", error->where,
			  error->text);
	router->stats.calls_failed++;
	router_reply_error(router, m, error, latch_is_empty(router->calls));
	leave_chain(router, m, error);
}

ERROR_PATH static void refuse(struct router *router, const struct mitogen_message *m,
			      const struct head *head, const mitogen_error *why)
{
	mitogen_error error = *why;
	char function[sizeof(error.where)];

	snprintf(function, sizeof(function), "%.*s", (int)head->function.size,
		 (const char *)head->function.data);
	error_set_where(&error, router->path, function);
	dispatch_answer_error(router, m, &error);
}

ERROR_PATH static void refuse_as(struct router *router, const struct mitogen_message *m,
				 const struct head *head, int code, const char *text)
{
	mitogen_error error;

	error_set(&error, code, "%s", text);
	refuse(router, m, head, &error);
}

/* Do the named arguments ask for it? */
static bool wants_channel(const struct mitogen_message *m)
{
	struct cursor c = dispatch_arguments(m);
	const uint8_t *name;
	uint64_t pairs;
	size_t size;
	bool wanted = false;

	cursor_skip(&c);
	if (cursor_map(&c, &pairs) < 0)
		return false;
	for (; pairs > 0; pairs--) {
		cursor_string(&c, CBOR_TEXT, &name, &size);
		if (size == strlen(CALL_CHANNEL) && memcmp(name, CALL_CHANNEL, size) == 0)
			return cursor_bool(&c, &wanted) == 0 && wanted;
		cursor_skip(&c);
	}
	return false;
}

/* Before anything that its caller sends there can come. */
ERROR_PATH static void open_channel(struct router *router, struct mitogen_message *m)
{
	mitogen_error error;

	m->has_channel = router->channels->open(router, m, &error) == 0;
	if (!m->has_channel)
		message_set_failure(m, &error);
}

static void close_channel(struct router *router, struct mitogen_message *m)
{
	if (m->has_channel)
		router->channels->close(router, m);
	m->has_channel = false;
}

void dispatch_begin(struct router *router, struct mitogen_message *m)
{
	struct head head;

	read_head(m, &head);
	if (router->closing) {
		refuse_as(router, m, &head, MITOGEN_ERR_CLOSED, "the context is shutting down");
	} else if (refuse_with_chain(router, m)) {
		/* done */
	} else if (m->failure) {
		refuse(router, m, &head, m->failure);
	} else if (m->function) {
		router->stats.functions_queued++;
		latch_put(router->calls, m, &router->broker.wakes);
		return;
	} else {
		find_builtin(router, &head.function)->start(router, m);
		return;
	}
	close_channel(router, m);
	message_unref(m);
}

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct head head;

	(void)handle;
	router->stats.calls_received++;
	if (!read_head(m, &head)) {
		refuse_as(router, m, &head, MITOGEN_ERR_ARGUMENT, "this is not a call");
	} else if ((!router->parent || router->join) && head.module.size == 0) {
		refuse_as(router, m, &head, MITOGEN_ERR_REFUSED,
			  router->join ? "a process that has joined a router runs no calls"
				       : "the master runs no calls");
	} else if (is_chain_end(&head)) {
		chains_end(router, m->header.src_id, head.chain);
	} else {
		find_function(router, m, &head);
		m->arguments = head.arguments;
		m->chain = head.chain;
		if (m->function && router->channels && wants_channel(m))
			open_channel(router, m);
		if (m->chain == 0 || chains_enter(router, m, head.position))
			dispatch_begin(router, m);
		return;
	}
	message_unref(m);
}

static const struct handle_ops call_ops = {.receive = receive, .policy = handles_allow_parents};

int dispatch_open(struct router *router)
{
	int r = handles_add_fixed(router, HANDLE_CALL_FUNCTION, &call_ops);

	return r < 0 ? r : handles_add_fixed(router, HANDLE_CALL_SECRET, &call_ops);
}

void dispatch_close(struct router *router)
{
	handles_remove_fixed(router, HANDLE_CALL_FUNCTION);
	handles_remove_fixed(router, HANDLE_CALL_SECRET);
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

/* Runs it up to its end. 0, or a negative code with error set. */
static int run_function(struct router *router, struct mitogen_message *m, mitogen_error *error)
{
	struct mitogen_writer w;
	int r;

	error->code = 0; /* the rest of it is written when there is an error */
	error->sys = 0;
	error->type[0] = error->where[0] = error->text[0] = '\0';
	r = check_arguments(m, error);
	if (r == 0) {
		__atomic_store_n(&router->running, m->function->name, __ATOMIC_RELAXED);
		r = m->function->function(m, error);
		__atomic_store_n(&router->running, NULL, __ATOMIC_RELAXED);
		if (r < 0)
			describe(error, r);
	}
	if (r < 0 || m->replied)
		return r < 0 ? r : 0;
	message_writer_init(&w);
	return dispatch_reply(router, m, &w, error);
}

/* Of a function: what its chain needs. */
static bool may_run(struct router *router, struct mitogen_message *m)
{
	bool refused;

	if (m->chain == 0)
		return true;
	broker_lock(&router->broker);
	refused = refuse_with_chain(router, m);
	if (refused)
		close_channel(router, m);
	broker_unlock(&router->broker);
	return !refused;
}

static void run(struct router *router, struct mitogen_message *m)
{
	mitogen_error error;
	int r;

	if (!may_run(router, m))
		return;
	r = run_function(router, m, &error);
	if (r == 0 && m->chain == 0 && !m->has_channel)
		return;
	if (r < 0)
		error_set_where(&error, router->path, m->function->name);
	if (r < 0 && m->replied)
		log_write(LOG_WARNING, "%s failed after it had replied: %s", m->function->name,
			  error.text);
	broker_lock(&router->broker);
	if (r < 0 && !m->replied)
		dispatch_answer_error(router, m, &error);
	else
		leave_chain(router, m, r < 0 ? &error : NULL);
	close_channel(router, m);
	broker_unlock(&router->broker);
}

void dispatch_run(struct router *router)
{
	struct mitogen_message *m;

	while (latch_get(router->calls, CLOCK_NEVER, &m) == LATCH_MESSAGE) {
		__atomic_store_n(&router->stats.functions_begun, router->stats.functions_begun + 1,
				 __ATOMIC_RELAXED);
		run(router, m);
		message_unref(m);
	}
}
