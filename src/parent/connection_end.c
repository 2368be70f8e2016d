/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/context.h"
#include "core/dispatch.h"
#include "core/dump.h"
#include "parent/connection_state.h"
#include "parent/route_monitor.h"
#include "parent/start_failure.h"

#define STATUS_GRACE_MS 250  /* after the stream has ended, for the exit status */
#define KILL_GRACE_MS   1000 /* for what cannot be killed to notice that we hung up */

static const char *const state_names[] = {"starting", "logging in", "booting", "up",
					  "losing",   "ending",     "ended"};

void connection_set_state(struct connection *connection, enum connection_state state)
{
	log_write(LOG_DEBUG, "%s: connection %s -> %s", connection->context->path,
		  state_names[connection->state], state_names[state]);
	connection->state = state;
}

void connection_set_timer(struct connection *connection, int timeout_ms)
{
	broker_set_timer(&connection->router->broker, &connection->timer,
			 clock_deadline(timeout_ms));
}

/* Everything that was printed up to now. */
static void drain_output(struct connection *connection)
{
	if (connection->login)
		tool_drain(&connection->login->tool);
	output_drain(&connection->output);
}

static void answer_shutdown_calls(struct connection *connection)
{
	struct list *node;

	while ((node = list_pop(&connection->shutdown_calls)) != NULL) {
		struct mitogen_message *call = LIST_OWNER(node, struct mitogen_message, link);

		dispatch_answer_nil(connection->router, call);
		message_unref(call);
	}
}

void connection_free(struct connection *connection)
{
	if (!connection)
		return;
	connect_options_clear(connection->method, &connection->options);
	sys.free(connection->login);
	sys.free(connection);
}

static void destroy(struct closing *closing)
{
	struct connection *connection = LIST_OWNER(closing, struct connection, closing);
	struct router *router = connection->router;

	answer_shutdown_calls(connection);
	connection->context->connection = NULL;
	context_set_state(router, connection->context, CONTEXT_GONE, NULL);
	router_remove_resident(router, &connection->resident);
	connection_free(connection);
}

static void finish_if_over(struct connection *connection)
{
	if (connection->state != ENDING || process_is_alive(&connection->process))
		return;
	connection_set_state(connection, ENDED);
	timer_cancel(&connection->timer);
	list_remove(&connection->start.link);
	list_remove(&connection->shutdown.link);
	output_clear(&connection->output);
	broker_close_later(&connection->router->broker, &connection->closing);
}

const char *connection_platform(const struct connection *connection)
{
	return connection->login ? connection->login->bootstrap.platform : NULL;
}

static struct mitogen_message *new_answer(const char *platform)
{
	struct mitogen_writer w;
	int ignored;

	message_writer_init(&w);
	if (platform)
		writer_string(&w, platform);
	else
		writer_nil(&w);
	return message_from_writer(&w, &ignored);
}

void connection_answer_call(struct connection *connection, const mitogen_error *failure)
{
	struct mitogen_message *call = TAKE_PTR(connection->connect_call);

	if (call && failure)
		dispatch_answer_error(connection->router, call, failure);
	else if (call)
		dispatch_answer(connection->router, call,
				new_answer(connection_platform(connection)));
	message_unref(call);
}

void connection_lose(struct connection *connection, const mitogen_error *error)
{
	mitogen_error placed = *error;

	if (connection->state >= ENDING)
		return;
	keepalive_stop(&connection->keepalive);
	error_set_where(&placed, connection->context->path, NULL);
	route_monitor_lose(connection->router, &connection->neighbour, &placed);
	neighbour_close(&connection->neighbour);
	if (connection->login) /* who is not ours to kill hears that we hang up */
		login_close(connection->login);
	context_set_state(connection->router, connection->context, CONTEXT_LOST, &placed);
	connection_answer_call(connection, &placed);
	detach_answer(&connection->detach, connection->router, &placed);
	connection_set_state(connection, ENDING);
	if (process_is_alive(&connection->process))
		connection_set_timer(connection, connection->options.shutdown_ms);
	finish_if_over(connection);
}

static struct start_failure start_failure_of(const struct connection *connection)
{
	return (struct start_failure){
		.path = connection->context->path,
		.method = connection->method,
		.options = &connection->options,
		.output = &connection->output,
		.is_logging_in = connection->login && !connection->login->is_done,
		.is_let_in = connection->login && connection->login->tool.memory.is_let_in,
		.is_echoing = connection->login && tool_is_echoing(&connection->login->tool),
		.has_status = connection->has_status,
		.status = connection->status,
	};
}

/* Of a context that was up. */
static void describe_loss(const struct connection *connection, const char *end, mitogen_error *ret)
{
	const struct connect_method *method = connection->method;

	if (method->is_link_failure && connection->has_status &&
	    method->is_link_failure(connection->status))
		error_set(ret, MITOGEN_ERR_LOST,
			  "the context was lost: the link, or the server there, failed (%s %s)",
			  method->name, end);
	else
		error_set(ret, MITOGEN_ERR_LOST, "the context was lost: its process %s", end);
}

/* Has its tool ended because it has no terminal, which can be helped? */
static bool wants_terminal(const struct connection *connection)
{
	const struct connect_method *method = connection->method;
	char quote[OUTPUT_LINE_MAX];

	return method->wants_terminal && !connection->login->is_done && connection->has_status &&
	       !connection->is_asked_to_end && !connection->options.on_terminal &&
	       method->wants_terminal(output_quote(&connection->output, quote, sizeof(quote)));
}

/* Both ends are known, or all that will be: says what happened. */
static void conclude(struct connection *connection)
{
	char end[128];
	struct start_failure failure;
	mitogen_error error;
	bool was_up = connection->context->state == CONTEXT_READY;

	drain_output(connection);
	if (wants_terminal(connection)) {
		connection_start_on_terminal(connection);
		return;
	}
	if (connection->has_status)
		process_describe(connection->status, end, sizeof(end));
	else if (connection->stream_end[0])
		snprintf(end, sizeof(end), "broke the protocol: %.100s", connection->stream_end);
	else
		snprintf(end, sizeof(end), "closed its connection");
	failure = start_failure_of(connection);
	if (!was_up)
		start_failure_end(&failure, end, &error);
	else if (connection->is_asked_to_end)
		error_set(&error, MITOGEN_ERR_CLOSED, "the context was shut down");
	else
		describe_loss(connection, end, &error);
	connection_lose(connection, &error);
}

/* What it has said last has no newline, or is no text. */
static void take_last_words(struct connection *connection)
{
	const struct stream *stream = &connection->neighbour.stream;

	if (!stream->greeting || !stream->partial)
		return;
	output_add(&connection->output, (const char *)stream->partial, stream->partial_size);
	output_add(&connection->output, "\n", 1);
}

void connection_stream_ended(struct neighbour *neighbour, const char *why)
{
	struct connection *connection = LIST_OWNER(neighbour, struct connection, neighbour);

	if (connection->state >= LOSING)
		return;
	take_last_words(connection);
	if (why) {
		snprintf(connection->stream_end, sizeof(connection->stream_end), "%s", why);
		log_write(LOG_ERROR, "%s: the stream is corrupt: %s", connection->context->path,
			  why);
		conclude(connection);
		return;
	}
	connection_set_state(connection, LOSING);
	if (connection->has_status)
		conclude(connection);
	else
		connection_set_timer(connection, STATUS_GRACE_MS);
}

void connection_process_ended(struct process *process, int status)
{
	struct connection *connection = LIST_OWNER(process, struct connection, process);

	connection->has_status = true;
	connection->status = status;
	if (connection->state < LOSING)
		stream_drain(&connection->neighbour.stream); /* may tell that the stream ended */
	drain_output(connection);
	if (connection->state < ENDING && connection->has_status) /* not if it is started again */
		conclude(connection);
	finish_if_over(connection);
}

/* It will not come up, as error says. */
static void abandon(struct connection *connection, const mitogen_error *error)
{
	process_signal(&connection->process, SIGKILL, true);
	connection_lose(connection, error);
}

static void give_up(struct connection *connection)
{
	struct start_failure failure;
	mitogen_error error;

	take_last_words(connection);
	drain_output(connection);
	failure = start_failure_of(connection);
	start_failure_time_out(&failure, &error);
	abandon(connection, &error);
}

void connection_fail_start(struct connection *connection, const mitogen_error *error)
{
	struct start_failure failure;
	mitogen_error whole = *error;

	if (connection->state >= LOSING)
		return;
	drain_output(connection);
	failure = start_failure_of(connection);
	start_failure_place(&failure, &whole);
	abandon(connection, &whole);
}

/* Without asking, or after it did not answer. What is up sees the end of its input. */
static void end_by_force(struct connection *connection)
{
	mitogen_error error;

	error_set(&error, MITOGEN_ERR_CLOSED, "the context was shut down");
	if (connection->state != UP)
		process_signal(&connection->process, SIGKILL, true);
	connection_lose(connection, &error);
}

/* Its time is over; who is not ours to be killed still hears that the stream and its terminal close. */
static void kill_process(struct connection *connection)
{
	process_signal(&connection->process, SIGKILL, true);
	connection->hung_up = process_is_foreign(&connection->process);
	if (connection->hung_up)
		connection_set_timer(connection, KILL_GRACE_MS);
}

/* It is somebody else's, and does not heed that we hung up, as when it is stopped. */
static void leave_process(struct connection *connection)
{
	log_write(LOG_WARNING, "%s: process %d cannot be ended by this account, and is left",
		  connection->context->path, (int)connection->process.pid);
	detach_process(connection->router, &connection->process);
	if (connection->state == UP)
		end_by_force(connection);
	else
		finish_if_over(connection);
}

static void due(struct timer *timer)
{
	struct connection *connection = LIST_OWNER(timer, struct connection, timer);

	switch (connection->state) {
	case STARTING:
	case LOGGING_IN:
	case BOOTING:
		if (connection->is_asked_to_end)
			end_by_force(connection);
		else
			give_up(connection);
		break;
	case LOSING:
		conclude(connection);
		break;
	case UP: /* was asked to end */
	case ENDING:
		if (connection->hung_up)
			leave_process(connection);
		else
			kill_process(connection);
		break;
	case ENDED:
		break;
	}
}

/* It ends by itself, or has to. */
static void expect_end(struct connection *connection)
{
	connection->is_asked_to_end = true;
	connection_set_timer(connection, connection->options.shutdown_ms);
}

static void shut_down(struct connection *connection, bool urgent)
{
	if (connection->state >= LOSING) {
		if (urgent)
			process_signal(&connection->process, SIGKILL, true);
		return;
	}
	if (connection->is_asked_to_end && !urgent)
		return;
	expect_end(connection);
	/* behind all that is queued for it, connected or not */
	if (urgent || router_send_shutdown(connection->router, connection->context->id) < 0)
		end_by_force(connection); /* there is no time */
}

static void close_resident(struct resident *resident, bool urgent)
{
	shut_down(LIST_OWNER(resident, struct connection, resident), urgent);
}

static void dump_resident(struct resident *resident, FILE *out)
{
	const struct connection *connection = LIST_OWNER(resident, struct connection, resident);

	fputs(" child ", out);
	dump_text(out, connection->context->path);
	fprintf(out, " (%s): %s, process %d%s%s\n", connection->method->name,
		state_names[connection->state], (int)connection->process.pid,
		connection->has_status ? ", has ended" : "",
		connection->is_asked_to_end ? ", was asked to end" : "");
}

/* Has nobody answered yet: who would do what is queued for it, or could be asked to end? */
static bool is_unanswered(const struct connection *connection)
{
	return connection->login && connection->state < BOOTING;
}

static void shutdown_task(struct task *task)
{
	struct connection *connection = LIST_OWNER(task, struct connection, shutdown);

	if (is_unanswered(connection))
		end_by_force(connection);
	else
		shut_down(connection, false);
}

void connection_shutdown(struct router *router, struct context *context)
{
	struct connection *connection = context->connection;

	if (connection)
		broker_defer(&router->broker, &connection->shutdown);
}

void connection_answer_when_up(struct context *context, struct mitogen_message *m)
{
	struct connection *connection = context->connection;

	connection->connect_call = m;
}

void connection_shutdown_for(struct context *context, struct mitogen_message *m)
{
	struct connection *connection = context->connection;

	list_append(&connection->shutdown_calls, &m->link);
	if (is_unanswered(connection))
		end_by_force(connection);
	else if (connection->state < LOSING && !connection->is_asked_to_end)
		expect_end(connection);
}

static void has_let_go(struct detach *detach)
{
	struct connection *connection = LIST_OWNER(detach, struct connection, detach);
	mitogen_error error;

	if (connection->is_asked_to_end)
		return; /* which it does all the same */
	drain_output(connection);
	detach_process(connection->router, &connection->process);
	detach_answer(detach, connection->router, NULL);
	error_set(&error, MITOGEN_ERR_CLOSED, "the context was detached");
	connection_lose(connection, &error);
}

void connection_detach_for(struct context *context, struct mitogen_message *m)
{
	struct connection *connection = context->connection;
	mitogen_error error;

	list_append(&connection->detach.calls, &m->link);
	if (connection->state >= ENDING) {
		context_loss(context, &error);
	} else if (connection->state == LOSING || connection->is_asked_to_end ||
		   detach_ask(&connection->detach, connection->router, &connection->neighbour,
			      context) == 0) {
		return;
	} else {
		error_set_memory(&error);
	}
	detach_answer(&connection->detach, connection->router, &error);
}

void connection_init_end(struct connection *connection)
{
	connection->process.pidfd.fd = -1;
	connection->shutdown.run = shutdown_task;
	connection->timer.due = due;
	keepalive_init(&connection->keepalive);
	connection->closing.destroy = destroy;
	connection->resident.close = close_resident;
	connection->resident.dump = dump_resident;
	list_init(&connection->shutdown_calls);
	detach_init(&connection->detach, has_let_go);
}
