/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/connection.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/quote.h"
#include "base/sys.h"
#include "core/context.h"
#include "core/dispatch.h"
#include "core/dump.h"
#include "core/process.h"
#include "core/router.h"
#include "parent/child_config.h"
#include "parent/detach.h"
#include "parent/launch.h"
#include "parent/login.h"
#include "parent/output.h"
#include "parent/platforms.h"
#include "parent/route_monitor.h"
#include "parent/start_failure.h"
#include "wire/bootstrap.h"
#include "wire/utf8.h"

#define STATUS_GRACE_MS 250 /* after the stream has ended, for the exit status */
#define NAME_MAX_SIZE   200 /* of one part of a path */

enum state {
	STARTING,   /* the broker will spawn it */
	LOGGING_IN, /* until the first stage answers, if there is one */
	BOOTING,    /* until the image prints BOOTSTRAP_READY */
	UP,
	LOSING, /* the stream has ended, the reason is not known yet */
	ENDING, /* the context is lost; the process remains to be reaped */
	ENDED,
};

static const char *const state_names[] = {"starting", "logging in", "booting", "up",
					  "losing",   "ending",     "ended"};

struct connection {
	enum state state;
	struct resident resident;
	struct router *router;
	struct context *context;
	const struct connect_method *method;
	struct connect_options options; /* its strings are ours */
	struct id_block ids;

	struct task start, shutdown;
	struct neighbour neighbour;
	struct process process;
	struct output output; /* what it prints */
	struct login *login;  /* NULL: the image is run at once */
	struct timer timer;   /* of the state */
	struct closing closing;
	struct mitogen_message *connect_call; /* answered when it is up, or NULL */
	struct list shutdown_calls;           /* messages, answered at the end */
	struct detach detach;

	char stream_end[128]; /* why the stream ended; "" for a plain end of file */
	int status;           /* when the process has ended */
	bool has_status, is_asked_to_end, was_killed;
};

static void set_state(struct connection *connection, enum state state)
{
	log_write(LOG_DEBUG, "%s: connection %s -> %s", connection->context->path,
		  state_names[connection->state], state_names[state]);
	connection->state = state;
}

static struct broker *broker_of(struct connection *connection)
{
	return &connection->router->broker;
}

static void set_timer(struct connection *connection, int timeout_ms)
{
	broker_set_timer(broker_of(connection), &connection->timer, clock_deadline(timeout_ms));
}

/* ---- The end ---- */

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

static void free_connection(struct connection *connection)
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
	free_connection(connection);
}

static void finish_if_over(struct connection *connection)
{
	if (connection->state != ENDING || process_is_alive(&connection->process))
		return;
	set_state(connection, ENDED);
	timer_cancel(&connection->timer);
	list_remove(&connection->start.link);
	list_remove(&connection->shutdown.link);
	if (connection->login)
		login_close(connection->login);
	output_clear(&connection->output);
	broker_close_later(broker_of(connection), &connection->closing);
}

/* Of the target, as it has said; NULL: nobody has asked. */
static const char *platform_of(const struct connection *connection)
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

/* failure: NULL when it is up. */
static void answer_connect_call(struct connection *connection, const mitogen_error *failure)
{
	struct mitogen_message *call = TAKE_PTR(connection->connect_call);

	if (call && failure)
		dispatch_answer_error(connection->router, call, failure);
	else if (call)
		dispatch_answer(connection->router, call, new_answer(platform_of(connection)));
	message_unref(call);
}

/* The context can be reached no more, because of error. */
static void lose(struct connection *connection, const mitogen_error *error)
{
	mitogen_error placed = *error;

	if (connection->state >= ENDING)
		return;
	error_set_where(&placed, connection->context->path, NULL);
	route_monitor_lose(connection->router, &connection->neighbour, &placed);
	neighbour_close(&connection->neighbour);
	if (connection->login) /* who is not ours to kill hears that we hang up */
		login_close(connection->login);
	context_set_state(connection->router, connection->context, CONTEXT_LOST, &placed);
	answer_connect_call(connection, &placed);
	detach_answer(&connection->detach, connection->router, &placed);
	set_state(connection, ENDING);
	if (process_is_alive(&connection->process))
		set_timer(connection, connection->options.shutdown_ms);
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
		.has_status = connection->has_status,
		.status = connection->status,
	};
}

/* Both ends are known, or all that will be: says what happened. */
static void conclude(struct connection *connection)
{
	char end[128];
	struct start_failure failure;
	mitogen_error error;
	bool was_up = connection->context->state == CONTEXT_READY;

	drain_output(connection);
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
		error_set(&error, MITOGEN_ERR_LOST, "the context was lost: its process %s", end);
	lose(connection, &error);
}

static void stream_ended(struct neighbour *neighbour, const char *why)
{
	struct connection *connection = LIST_OWNER(neighbour, struct connection, neighbour);
	const struct stream *stream = &neighbour->stream;

	if (connection->state >= LOSING)
		return;
	if (stream->greeting && stream->partial) { /* the last words, without a newline */
		output_add(&connection->output, (const char *)stream->partial,
			   stream->partial_size);
		output_add(&connection->output, "\n", 1);
	}
	if (why) {
		snprintf(connection->stream_end, sizeof(connection->stream_end), "%s", why);
		log_write(LOG_ERROR, "%s: the stream is corrupt: %s", connection->context->path,
			  why);
		conclude(connection);
		return;
	}
	set_state(connection, LOSING);
	if (connection->has_status)
		conclude(connection);
	else
		set_timer(connection, STATUS_GRACE_MS);
}

static void process_ended(struct process *process, int status)
{
	struct connection *connection = LIST_OWNER(process, struct connection, process);

	connection->has_status = true;
	connection->status = status;
	if (connection->state < LOSING)
		stream_drain(&connection->neighbour.stream); /* may tell that the stream ended */
	drain_output(connection);
	if (connection->state < ENDING)
		conclude(connection);
	finish_if_over(connection);
}

/* It will not come up, as error says. */
static void abandon(struct connection *connection, const mitogen_error *error)
{
	process_signal(&connection->process, SIGKILL, true);
	lose(connection, error);
}

static void give_up(struct connection *connection)
{
	struct start_failure failure;
	mitogen_error error;

	drain_output(connection);
	failure = start_failure_of(connection);
	start_failure_time_out(&failure, &error);
	abandon(connection, &error);
}

/* error holds the reason. */
static void fail_start(struct connection *connection, const mitogen_error *error)
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
	lose(connection, &error);
}

/* Its time is over; who is not ours to be killed still hears that the stream and its terminal close. */
static void kill_process(struct connection *connection)
{
	process_signal(&connection->process, SIGKILL, true);
	connection->was_killed = true;
	set_timer(connection, connection->options.shutdown_ms);
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
		if (connection->was_killed)
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
	set_timer(connection, connection->options.shutdown_ms);
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

static void shutdown_task(struct task *task)
{
	shut_down(LIST_OWNER(task, struct connection, shutdown), false);
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
	if (connection->state < LOSING && !connection->is_asked_to_end)
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
	lose(connection, &error);
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

/* ---- The beginning ---- */

static void come_up(struct connection *connection)
{
	const char *platform = platform_of(connection);

	connection->neighbour.stream.greeting = false;
	if (!connection->is_asked_to_end)
		timer_cancel(&connection->timer);
	set_state(connection, UP);
	output_forward(&connection->output, connection->context->id);
	if (platform)
		platforms_remember(connection->router, connection->context->target, platform,
				   strlen(platform));
	answer_connect_call(connection, NULL);
	context_set_state(connection->router, connection->context, CONTEXT_READY, NULL);
}

/* A whole line, with its newline. False: stop. */
static bool follow_login(struct connection *connection, const char *line, size_t size)
{
	struct login *login = connection->login;
	mitogen_error error;

	switch (login_take_line(login, line, size, &error)) {
	case LOGIN_GOES_ON:
		if (login->is_done && connection->state == LOGGING_IN)
			set_state(connection, BOOTING);
		return connection->state < LOSING; /* otherwise no image could be had */
	case LOGIN_COMPLETE:
		come_up(connection);
		return true;
	case LOGIN_FAILED:
		fail_start(connection, &error);
		break;
	}
	return false;
}

static bool take_line(struct connection *connection, const char *line, size_t size)
{
	if (connection->login)
		return follow_login(connection, line, size);
	if (size == sizeof(BOOTSTRAP_READY) && memcmp(line, BOOTSTRAP_READY, size - 1) == 0)
		come_up(connection);
	else
		output_add(&connection->output, line, size);
	return true;
}

static ptrdiff_t greeting(struct neighbour *neighbour, const uint8_t *data, size_t size)
{
	struct connection *connection = LIST_OWNER(neighbour, struct connection, neighbour);
	const uint8_t *newline = memchr(data, '\n', size);
	size_t length = newline ? (size_t)(newline - data) + 1 : size;

	if (newline)
		return take_line(connection, (const char *)data, length) ? (ptrdiff_t)length : -1;
	if (size < OUTPUT_LINE_MAX)
		return 0;
	output_add(&connection->output, (const char *)data, size);
	return (ptrdiff_t)size;
}

/* The line that says it runs was written before anything that it printed since. */
static void look_for_ready(struct output *output)
{
	stream_drain(&LIST_OWNER(output, struct connection, output)->neighbour.stream);
}

static const struct neighbour_events neighbour_events = {
	.greeting = greeting,
	.ended = stream_ended,
};

static void log_command(const struct connection *connection, const struct launch_command *command,
			pid_t pid)
{
	char text[LOG_LINE_MAX - 512];

	if (log_get_level() >= LOG_DEBUG)
		log_write(LOG_DEBUG, "%.400s: process %d runs %s", connection->context->path,
			  (int)pid,
			  quote_command(text, sizeof(text), command->path, command->argv + 1));
}

/* Runs the command of the method, and watches its process. */
static int run_command(struct connection *connection, struct launched *ret, mitogen_error *error)
{
	struct launch_command command = {0};
	int r = connection->method->command(&connection->options, connection->context->path,
					    &command, error);

	if (r == 0)
		r = launch(&connection->router->launcher, &command, connection->options.environment,
			   ret, error);
	connect_options_drop_environment(&connection->options);
	if (r == 0)
		log_command(connection, &command, ret->pid);
	launch_command_clear(&command);
	if (r == 0)
		process_watch(&connection->process, broker_of(connection), ret->pid, process_ended);
	return r;
}

/* Watches the descriptors of what was started. */
static int adopt(struct connection *connection, struct launched *launched, mitogen_error *error)
{
	const int *fds = launched->fds;

	if (stream_open(&connection->neighbour.stream, fds[1], fds[0]) < 0) {
		error_set_errno(error, "cannot watch the child");
		launch_close(fds);
	} else if (output_open(&connection->output, fds[2]) < 0) {
		error_set_errno(error, "cannot watch what the child prints");
	} else if (connection->login && login_begin(connection->login, &launched->terminal) < 0) {
		error_set_errno(error, "cannot watch the terminal of %s", connection->method->name);
	} else {
		return 0;
	}
	pty_close(&launched->terminal);
	process_signal(&connection->process, SIGKILL, true);
	return error->code;
}

static void start(struct task *task)
{
	struct connection *connection = LIST_OWNER(task, struct connection, start);
	struct launched launched = {.terminal = PTY_NONE};
	mitogen_error error;
	int r;

	if (connection->state != STARTING)
		return;
	if (connection->method->start)
		r = connection->method->start(connection->router, &connection->process,
					      process_ended, &launched, &error);
	else
		r = run_command(connection, &launched, &error);
	if (r == 0)
		r = adopt(connection, &launched, &error);
	if (r < 0) {
		error_prefix(&error, "%s could not be started: ", connection->context->path);
		error.code = MITOGEN_ERR_CONNECT;
		lose(connection, &error);
	} else if (connection->state == STARTING) {
		set_state(connection, connection->login ? LOGGING_IN : BOOTING);
	}
}

static void login_failed(struct login *login, const mitogen_error *error)
{
	fail_start(LIST_OWNER(login->stream, struct connection, neighbour.stream), error);
}

static void heard(struct output *output, const char *data, size_t size)
{
	tool_hear(&LIST_OWNER(output, struct connection, output)->login->tool, data, size);
}

static bool take_detail(struct output *output, const char *line, size_t size)
{
	const struct connection *connection = LIST_OWNER(output, struct connection, output);
	const struct connect_method *method = connection->method;
	char text[OUTPUT_LINE_MAX / 2];

	if (!method->is_detail || !method->is_detail(&connection->options, line, size))
		return false;
	if (log_get_level() >= LOG_DEBUG)
		log_write(LOG_DEBUG, "%.400s: %s: %s", connection->context->path, method->name,
			  escape_text(text, sizeof(text), line, size));
	return true;
}

static void prepare_login(struct connection *connection)
{
	*connection->login = (struct login){
		.router = connection->router,
		.method = connection->method,
		.options = &connection->options,
		.path = connection->context->path,
		.stream = &connection->neighbour.stream,
		.output = &connection->output,
		.failed = login_failed,
	};
	login_init(connection->login);
	connection->output.heard = heard;
	connection->output.take = take_detail;
}

/* "local.3", or the name that was asked for, behind our own path. NULL: no memory. */
static char *make_path(struct router *router, const struct connect_method *method, const char *name)
{
	char made[64], *path;
	size_t size;

	if (!name) {
		snprintf(made, sizeof(made), "%s.%u", method->name, ++router->children);
		name = made;
	}
	size = strlen(router->path) + strlen(name) + 2;
	path = sys.malloc(size);
	if (path)
		snprintf(path, size, "%s%s%s", router->path, *router->path ? "/" : "", name);
	return path;
}

static struct connection *new_connection(struct router *router, const struct connect_method *method,
					 const struct connect_options *options,
					 const struct id_block *ids)
{
	struct connection *connection = sys.calloc(1, sizeof(*connection));
	char *path = make_path(router, method, options->name);

	if (!connection)
		goto no_path;
	connection->method = method;
	if (!path)
		goto no_path;
	connection->router = router;
	connection->ids = *ids;
	list_init(&connection->shutdown_calls);
	detach_init(&connection->detach, has_let_go);
	if (method->has_first_stage)
		connection->login = sys.calloc(1, sizeof(*connection->login));
	if (connect_options_copy(method, options, &connection->options) < 0 ||
	    (method->has_first_stage && !connection->login))
		goto no_path;
	connection->options.shutdown_ms = child_config_end_ms(router, options->shutdown_ms);
	connection->context = context_begin(router, ids->first, path);
	if (!connection->context)
		goto no_context;
	connection->context->connection = connection;
	connection->context->depth = 1;
	return connection;
no_path:
	sys.free(path);
no_context:
	free_connection(connection);
	return NULL;
}

int connection_check_name(const char *name, mitogen_error *err)
{
	if (!name || (*name && strlen(name) <= NAME_MAX_SIZE && !strchr(name, '/') &&
		      utf8_valid(name, strlen(name))))
		return 0;
	return error_set(err, MITOGEN_ERR_USAGE,
			 "a context's name has 1 to %d bytes of UTF-8 and no \"/\"", NAME_MAX_SIZE);
}

int connection_start(struct router *router, const struct connect_method *method,
		     const struct connect_options *options, const struct id_block *ids,
		     struct context **ret, mitogen_error *err)
{
	const struct context *known = context_known(router, ids->first);
	struct connection *connection;
	mitogen_error error;
	int r = connection_check_name(options->name, err);

	if (r < 0)
		return r;
	if (router->closing)
		return error_set(err, MITOGEN_ERR_CLOSED, "the router is closed");
	if (known && known->connection)
		return error_set(err, MITOGEN_ERR_USAGE, "context %u was started before",
				 ids->first);
	if (method->check && (r = method->check(router, err)) < 0)
		return r;
	if (router->ancestor_count >= DEPTH_MAX)
		return error_set(err, MITOGEN_ERR_USAGE, "contexts are nested %d deep at most",
				 DEPTH_MAX);
	connection = new_connection(router, method, options, ids);
	if (!connection)
		return error_set_memory(err);
	neighbour_init(&connection->neighbour, router, ids->first, &neighbour_events,
		       connection->context->path);
	connection->neighbour.stream.greeting = true;
	output_init(&connection->output, router);
	connection->output.before_read = look_for_ready;
	if (connection->login)
		prepare_login(connection);
	connection->process.pidfd.fd = -1;
	connection->start.run = start;
	connection->shutdown.run = shutdown_task;
	connection->timer.due = due;
	connection->closing.destroy = destroy;
	connection->resident.close = close_resident;
	connection->resident.dump = dump_resident;
	router_add_resident(router, &connection->resident);
	if (id_blocks_add(&connection->neighbour.blocks, ids->first, ids->count) < 0 ||
	    routes_add(router, ids->first, &connection->neighbour, NULL) < 0 ||
	    child_config_send(router, ids, connection->context->path, &connection->options) < 0) {
		error_set_memory(&error);
		lose(connection, &error);
		return error_set_memory(err);
	}
	route_monitor_announce(router, connection->context);
	set_timer(connection, options->connect_timeout_ms);
	broker_defer(&router->broker, &connection->start);
	*ret = connection->context;
	return 0;
}
