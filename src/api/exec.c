/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/exec.h"

#include <mitogen/mitogen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/chain.h"
#include "api/handle.h"
#include "api/receiver.h"
#include "api/value.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/list.h"
#include "base/sys.h"
#include "core/call.h"
#include "core/context.h"
#include "core/flow.h"
#include "core/latch.h"
#include "core/router.h"
#include "wire/cursor.h"
#include "wire/exec.h"

struct output {
	struct inflow flow;
	bool has_ended;
	struct process_object *process;
	mitogen_event event;
};

struct process_object {
	struct map_node by_ref;
	struct api_router *api;
	struct latch *latch; /* the receiver's */
	void *tag;
	char where[256]; /* context and program, for errors */
	uint32_t context_id;
	struct output out, err;
	struct outflow in;
	struct list early; /* input that was written before the program had started */
	size_t early_size;
	uint32_t control; /* the handle there, when it has started */
	bool is_started;
	uint64_t signals;     /* bits, to be sent when it has started */
	bool stdin_ends;      /* the user has closed it */
	bool stdin_is_closed; /* the program has, or there is none */
	bool wants_room;
	bool has_ended; /* what it wrote is on its way, or somebody else has its outputs */
	struct mitogen_message *exit;  /* arrived; goes to the latch behind all output */
	uint64_t out_total, err_total; /* when exit is set */
};

static struct process_object *find(const struct api_router *api, uint32_t ref)
{
	struct map_node *node = map_get(&api->processes, ref);

	return node ? MAP_OWNER(node, struct process_object, by_ref) : NULL;
}

/* ---- Events, on the broker thread ---- */

/* False: the receiver is closed, m was dropped. */
static bool put(struct process_object *process, struct mitogen_message *m, mitogen_event event)
{
	m->event = event;
	m->tag = process->tag;
	m->router_ref = process->api->ref;
	m->process_ref = process->by_ref.key;
	return latch_put(process->latch, m, &process->api->router->broker.wakes);
}

static void destroy(struct process_object *process)
{
	struct router *router = process->api->router;

	inflow_close(router, &process->out.flow);
	inflow_close(router, &process->err.flow);
	outflow_close(&process->in);
	message_unref_all(&process->early);
	map_remove(&process->api->processes, &process->by_ref);
	message_unref(process->exit);
	latch_unref(process->latch);
	sys.free(process);
}

/* Makes the exit a failure that says where it happened. */
static void fail_exit(struct process_object *process, mitogen_error *error)
{
	error_prefix(error, "%s: ", process->where);
	snprintf(error->where, sizeof(error->where), "%s", process->where);
	message_set_failure(process->exit, error);
}

/* Nothing comes behind this. */
static void put_exit(struct process_object *process)
{
	put(process, TAKE_PTR(process->exit), MITOGEN_EVENT_EXIT);
	destroy(process);
}

/* The answer may have overtaken the start and the output, which wait behind other bulk traffic. */
static void exit_if_complete(struct process_object *process)
{
	mitogen_error error;

	if (!process->exit || !process->is_started || !process->out.has_ended ||
	    !process->err.has_ended)
		return;
	if (process->out.flow.bytes != process->out_total ||
	    process->err.flow.bytes != process->err_total) {
		error_set(&error, MITOGEN_ERR_LOST, "a part of its output was lost");
		fail_exit(process, &error);
	}
	put_exit(process);
}

/* Of [status, bytes of stdout, of stderr, was it late]: the status alone as a message, for the user to
 * read. NULL with error set: the answer is another one. */
static struct mitogen_message *read_answer(struct process_object *process,
					   const struct mitogen_message *m, bool *ret_late,
					   mitogen_error *error)
{
	struct cursor c = {m->payload, m->payload + m->size}, status;
	struct mitogen_message *ret;
	uint64_t count;

	error_set(error, MITOGEN_ERR_TYPE, "exec: the context answered with something else");
	if (cursor_list(&c, &count) < 0 || count != 4)
		return NULL;
	status = c;
	if (cursor_skip(&c) < 0)
		return NULL;
	status.end = c.at;
	if (cursor_u64(&c, &process->out_total) < 0 || cursor_u64(&c, &process->err_total) < 0 ||
	    cursor_bool(&c, ret_late) < 0)
		return NULL;
	error_set_memory(error);
	ret = message_new((size_t)(status.end - status.at));
	if (!ret)
		return NULL;
	ret->header = m->header;
	memcpy(ret->payload, status.at, ret->size);
	return ret;
}

/* The call was answered, or failed. */
static void exited(void *owner, struct mitogen_message *m)
{
	struct process_object *process = owner;
	struct mitogen_message *status;
	mitogen_error error;
	bool late = false;

	process->exit = m;
	if (message_failure(m)) {
		put_exit(process);
		return;
	}
	status = read_answer(process, m, &late, &error);
	if (!status) {
		fail_exit(process, &error);
		put_exit(process);
		return;
	}
	process->exit = status;
	message_unref(m);
	if (late) {
		error_set(&error, MITOGEN_ERR_TIMEOUT, "the program was ended: its time was over");
		fail_exit(process, &error);
	}
	exit_if_complete(process);
}

static void send_control(struct process_object *process, int signal)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	message_writer_init(&w);
	writer_uint(&w, (uint64_t)signal);
	m = message_from_writer(&w, &ignored);
	if (!m)
		return;
	m->header.dst_id = process->context_id;
	m->header.handle = process->control;
	router_send(process->api->router, m, false);
}

static void offer_room(struct outflow *flow)
{
	struct process_object *process = LIST_OWNER(flow, struct process_object, in);
	struct mitogen_message *m;

	if (!process->wants_room)
		return;
	m = message_new(0);
	if (!m)
		return;
	process->wants_room = false;
	put(process, m, MITOGEN_EVENT_ROOM);
}

/* [STARTED, PID, stdin handle, control handle] */
static void started(struct process_object *process, struct cursor *c)
{
	struct router *router = process->api->router;
	struct cursor pid = *c;
	struct mitogen_message *m;
	uint32_t stdin_handle;

	if (process->is_started || cursor_skip(c) < 0 || cursor_u32(c, &stdin_handle) < 0 ||
	    cursor_u32(c, &process->control) < 0)
		return;
	process->is_started = true;
	m = message_new((size_t)(c->at - pid.at));
	if (m) {
		memcpy(m->payload, pid.at, m->size);
		pid = (struct cursor){m->payload, m->payload + m->size};
		cursor_skip(&pid);
		m->size = (size_t)(pid.at - m->payload);
		m->header.src_id = process->context_id;
		put(process, m, MITOGEN_EVENT_STARTED);
	}
	outflow_open(router, &process->in, process->context_id, stdin_handle, offer_room);
	for (struct list *node; (node = list_pop(&process->early)) != NULL;)
		outflow_send(router, &process->in, LIST_OWNER(node, struct mitogen_message, link),
			     false);
	if (process->stdin_ends && !process->stdin_is_closed)
		outflow_end(router, &process->in);
	for (int signal = 1; signal < 64; signal++)
		if (process->signals & UINT64_C(1) << signal)
			send_control(process, signal);
	offer_room(&process->in);
}

static void note(struct process_object *process, const struct mitogen_message *m)
{
	struct cursor c = {m->payload, m->payload + m->size};
	uint64_t count;
	uint32_t kind;

	if (cursor_list(&c, &count) < 0 || count == 0 || cursor_u32(&c, &kind) < 0)
		return;
	if (kind == EXEC_NOTE_STARTED && count == 4) {
		started(process, &c);
	} else if (kind == EXEC_NOTE_STDIN_CLOSED || kind == EXEC_NOTE_ENDED) {
		process->stdin_is_closed = true;
		process->has_ended |= kind == EXEC_NOTE_ENDED;
		offer_room(&process->in); /* the next write says so */
	}
}

/* The user has done with a piece of output: there is room for as much again. */
static void output_released(struct router *router, const struct mitogen_message *m)
{
	struct process_object *process = find(api_of(router), m->process_ref);

	if (process)
		inflow_consumed(router,
				m->event == MITOGEN_EVENT_STDOUT ? &process->out.flow
								 : &process->err.flow,
				m->size);
}

static void put_output(struct output *output, struct mitogen_message *m)
{
	struct process_object *process = output->process;
	size_t size = m->size;

	/* a program must not wait for a receiver that is closed */
	if (!put(process, m, output->event))
		inflow_consumed(process->api->router, &output->flow, size);
}

static void output_received(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct inflow *flow = LIST_OWNER(handle, struct inflow, handle);
	struct output *output = LIST_OWNER(flow, struct output, flow);
	struct process_object *process = output->process;

	if (!inflow_received(router, flow, m)) {
		message_unref(m);
		return;
	}
	if (m->header.kind == FRAME_RAW && m->size > 0) {
		m->released = output_released;
		put_output(output, m);
		return;
	}
	if (m->header.kind == FRAME_CBOR && output->event == MITOGEN_EVENT_STDOUT)
		note(process, m);
	output->has_ended |= m->header.kind == FRAME_DEAD;
	message_unref(m);
	exit_if_complete(process);
}

/* Nothing more can come. If the call is not answered yet, its failure is the exit. */
static void output_lost(struct router *router, struct handle *handle, const mitogen_error *why)
{
	struct inflow *flow = LIST_OWNER(handle, struct inflow, handle);
	struct process_object *process = LIST_OWNER(flow, struct output, flow)->process;
	mitogen_error error = *why;

	(void)router;
	if (!process->exit)
		return;
	fail_exit(process, &error);
	put_exit(process);
}

static const struct handle_ops output_ops = {
	.receive = output_received, .lost = output_lost, .is_one_frame = true};

/* ---- The interface ---- */

void processes_clear(struct api_router *api)
{
	struct map_node *node;

	while ((node = map_first(&api->processes)) != NULL)
		destroy(MAP_OWNER(node, struct process_object, by_ref));
	map_clear(&api->processes);
}

static void write_strings(struct mitogen_writer *w, const char *const *strings)
{
	writer_begin_list(w);
	for (; strings && *strings; strings++)
		writer_bytes(w, *strings, strlen(*strings));
	writer_end(w);
}

static struct mitogen_message *make_request(const struct process_object *process,
					    const char *const *argv,
					    const mitogen_exec_options *options, uint32_t own_id,
					    uint32_t chain, mitogen_error *err)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	call_write_head(&w, chain > 0, "mitogen", "exec", 7);
	write_strings(&w, argv);
	write_strings(&w, options->env);
	if (options->cwd)
		writer_bytes(&w, options->cwd, strlen(options->cwd));
	else
		writer_nil(&w);
	writer_uint(&w, options->no_stdin ? EXEC_NO_STDIN : 0);
	writer_uint(&w, options->timeout_ms > 0 ? (uint64_t)options->timeout_ms : 0);
	writer_sender(&w, own_id, process->out.flow.handle.by_number.key);
	writer_sender(&w, own_id, process->err.flow.handle.by_number.key);
	call_write_tail(&w);
	m = message_from_writer(&w, &error);
	if (m)
		m->chain = chain;
	else
		values_fail(error, argv[0], err);
	return m;
}

/* With its ports open; NULL: no memory. */
static struct process_object *new_process(struct api_router *api, struct context *context,
					  struct latch *latch, void *tag)
{
	struct process_object *process = sys.calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	process->api = api;
	process->context_id = context->id;
	process->tag = tag;
	process->out.process = process->err.process = process;
	process->out.event = MITOGEN_EVENT_STDOUT;
	process->err.event = MITOGEN_EVENT_STDERR;
	list_init(&process->early);
	if (map_add(&api->processes, &process->by_ref, ++api->last_ref) < 0)
		goto no_ref;
	if (inflow_open(api->router, &process->out.flow, &output_ops, context) < 0)
		goto no_out;
	if (inflow_open(api->router, &process->err.flow, &output_ops, context) < 0)
		goto no_err;
	process->latch = latch_ref(latch);
	return process;
no_err:
	inflow_close(api->router, &process->out.flow);
no_out:
	map_remove(&api->processes, &process->by_ref);
no_ref:
	sys.free(process);
	return NULL;
}

static mitogen_process start(struct api_router *api, struct context *context, uint32_t chain,
			     const char *const *argv, struct latch *latch, void *tag,
			     const mitogen_exec_options *options, mitogen_error *err)
{
	struct process_object *process = new_process(api, context, latch, tag);
	struct call_target target = {
		.sink = exited, .sink_owner = process, .deadline = CLOCK_NEVER};
	mitogen_process handle = {0};
	struct mitogen_message *m;
	char program[128]; /* for errors */
	int r;

	if (!process) {
		error_set_memory(err);
		return handle;
	}
	process->stdin_is_closed = options->no_stdin;
	handle = (mitogen_process){.router = api->ref, .ref = process->by_ref.key};
	if (*argv[0])
		escape_text(program, sizeof(program), argv[0], strlen(argv[0]));
	else
		snprintf(program, sizeof(program), "''");
	snprintf(process->where, sizeof(process->where), "%s: %s", context->path, program);
	m = make_request(process, argv, options, api->router->id, chain, err);
	if (m) {
		r = call_start(api->router, context, m, program, &target, false, NULL);
		if (r == 0)
			return handle;
		chain_fail(r, err);
	}
	destroy(process);
	return (mitogen_process){0};
}

mitogen_process mitogen_exec_with(mitogen_context handle, const char *const *argv,
				  mitogen_receiver receiver, void *tag,
				  const mitogen_exec_options *options, mitogen_error *err)
{
	static const mitogen_exec_options defaults = {.size = sizeof(defaults)};
	mitogen_process process = {0};
	struct api_router *pin = api_pin(handle.router, err, NULL), *api;
	struct context *context;
	struct latch *latch = NULL;
	int ignored;

	if (!pin)
		return process;
	if (!options)
		options = &defaults;
	if (options->size != sizeof(*options) || !argv || !argv[0]) {
		error_set(err, MITOGEN_ERR_USAGE, "%s",
			  argv && argv[0] ? "the options are of another version of the library"
					  : "argv is empty");
		goto out;
	}
	latch = receiver_latch(pin, receiver, err, &ignored);
	api = latch ? api_lock_context(handle, &context, err, NULL) : NULL;
	if (api) {
		process = start(api, context, handle.chain, argv, latch, tag, options, err);
		api_unlock(api);
	}
out:
	if (process.ref == 0)
		chain_skip(pin, handle);
	latch_unref(latch);
	api_unpin(pin);
	return process;
}

/* NULL with err set and *ret_code; otherwise locked. */
static struct process_object *lock_process(mitogen_process handle, mitogen_error *err,
					   int *ret_code)
{
	struct api_router *api = api_lock(handle.router, err, ret_code);
	struct process_object *process;

	if (!api)
		return NULL;
	process = find(api, handle.ref);
	if (process)
		return process;
	api_unlock(api);
	*ret_code = handle.ref ? error_set(err, MITOGEN_ERR_CLOSED, "the program has ended")
			       : api_fail_none(err, "process");
	return NULL;
}

static size_t input_room(struct process_object *process)
{
	return process->is_started ? outflow_room(&process->in)
				   : FLOW_PRODUCED - process->early_size;
}

static bool send_input(struct process_object *process, const uint8_t *data, size_t size)
{
	struct mitogen_message *m = message_new(size);

	if (!m)
		return false;
	memcpy(m->payload, data, size);
	if (process->is_started) {
		outflow_send(process->api->router, &process->in, m, false);
	} else {
		list_append(&process->early, &m->link);
		process->early_size += size;
	}
	return true;
}

/* As far as there is room, frame by frame. Returns how many bytes, or a code: nothing was sent. */
static ptrdiff_t write_input(struct process_object *process, const uint8_t *data, size_t size,
			     mitogen_error *err)
{
	size_t sent = 0, room;

	while (sent < size && (room = input_room(process)) > 0) {
		size_t length = size - sent < room ? size - sent : room;

		if (length > FRAME_PAYLOAD_MAX)
			length = FRAME_PAYLOAD_MAX;
		if (!send_input(process, data + sent, length)) {
			if (sent == 0)
				return error_set_memory(err);
			process->wants_room = true;
			offer_room(&process->in); /* or nobody would try again */
			return (ptrdiff_t)sent;
		}
		sent += length;
	}
	process->wants_room = sent < size;
	return (ptrdiff_t)sent;
}

ptrdiff_t mitogen_process_write(mitogen_process handle, const void *data, size_t size,
				mitogen_error *err)
{
	int r = 0;
	struct process_object *process = lock_process(handle, err, &r);
	ptrdiff_t sent;

	if (!process)
		return r;
	if (process->stdin_ends || process->stdin_is_closed)
		sent = error_set(err, MITOGEN_ERR_CLOSED, "the program's stdin is closed");
	else
		sent = write_input(process, data, size, err);
	api_unlock(process->api);
	return sent;
}

int mitogen_process_close_stdin(mitogen_process handle, mitogen_error *err)
{
	int r = 0;
	struct process_object *process = lock_process(handle, err, &r);

	if (!process)
		return r;
	if (!process->stdin_ends && !process->stdin_is_closed && process->is_started)
		outflow_end(process->api->router, &process->in);
	process->stdin_ends = true;
	api_unlock(process->api);
	return 0;
}

int mitogen_process_signal(mitogen_process handle, int signal, mitogen_error *err)
{
	int r = 0;
	struct process_object *process = lock_process(handle, err, &r);

	if (!process)
		return r;
	if (signal < 0 || signal > 63)
		r = error_set(err, MITOGEN_ERR_USAGE, "%d is no signal", signal);
	else if (process->has_ended)
		r = error_set(err, MITOGEN_ERR_CLOSED, "the program has ended");
	else if (process->is_started && signal)
		send_control(process, signal);
	else if (signal)
		process->signals |= UINT64_C(1) << signal;
	api_unlock(process->api);
	return r;
}
