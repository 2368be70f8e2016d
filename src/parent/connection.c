/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/connection.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/quote.h"
#include "base/sys.h"
#include "core/context.h"
#include "parent/child_config.h"
#include "parent/connection_state.h"
#include "parent/launch.h"
#include "parent/platforms.h"
#include "parent/route_monitor.h"
#include "wire/bootstrap.h"
#include "wire/utf8.h"

#define NAME_MAX_SIZE 200 /* of one part of a path */

static void come_up(struct connection *connection)
{
	const char *platform = connection_platform(connection);

	connection->neighbour.stream.greeting = false;
	if (!connection->is_asked_to_end)
		timer_cancel(&connection->timer);
	connection_set_state(connection, UP);
	connect_options_forget_secrets(connection->method, &connection->options);
	connect_options_drop_environment(&connection->options);
	output_forward(&connection->output, connection->context->id);
	keepalive_start(&connection->keepalive);
	if (platform)
		platforms_remember(connection->router, connection->context->target, platform,
				   strlen(platform));
	connection_answer_call(connection, NULL);
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
			connection_set_state(connection, BOOTING);
		return connection->state < LOSING; /* otherwise no image could be had */
	case LOGIN_COMPLETE:
		come_up(connection);
		return true;
	case LOGIN_FAILED:
		connection_fail_start(connection, &error);
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
	.ended = connection_stream_ended,
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

	if (r == 0 && connection->router->id != 0)
		fd_allow_more(); /* hundreds may be started here, and no program knows of it */
	if (r == 0)
		r = launch(&connection->router->launcher, &command, connection->options.environment,
			   ret, error);
	if (!connection->method->wants_terminal || connection->options.on_terminal)
		connect_options_drop_environment(&connection->options);
	if (r == 0)
		log_command(connection, &command, ret->pid);
	if (connection->login)
		connection->login->title = TAKE_PTR(command.title);
	launch_command_clear(&command);
	if (r == 0)
		process_watch(&connection->process, &connection->router->broker, ret->pid,
			      connection_process_ended);
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
					      connection_process_ended, &launched, &error);
	else
		r = run_command(connection, &launched, &error);
	if (r == 0)
		r = adopt(connection, &launched, &error);
	if (r < 0) {
		error_prefix(&error, "%s could not be started: ", connection->context->path);
		error.code = MITOGEN_ERR_CONNECT;
		connection_lose(connection, &error);
	} else if (connection->state == STARTING) {
		connection_set_state(connection, connection->login ? LOGGING_IN : BOOTING);
	}
}

static void login_failed(struct login *login, const mitogen_error *error)
{
	connection_fail_start(LIST_OWNER(login->stream, struct connection, neighbour.stream),
			      error);
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

void connection_start_on_terminal(struct connection *connection)
{
	log_write(LOG_INFO, "%s: %s wants a terminal, and gets one", connection->context->path,
		  connection->method->name);
	login_close(connection->login);
	output_clear(&connection->output);
	neighbour_disconnect(&connection->neighbour);
	connection->has_status = false;
	connection->stream_end[0] = '\0';
	connection->options.on_terminal = true;
	prepare_login(connection);
	connection_set_timer(connection, connection->options.connect_timeout_ms);
	connection_set_state(connection, STARTING);
	broker_defer(&connection->router->broker, &connection->start);
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
	connection_init_end(connection);
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
	connection->context->connect_ms = (uint32_t)options->connect_timeout_ms;
	return connection;
no_path:
	sys.free(path);
no_context:
	connection_free(connection);
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
	connection->start.run = start;
	router_add_resident(router, &connection->resident);
	if (id_blocks_add(&connection->neighbour.blocks, ids->first, ids->count) < 0 ||
	    routes_add(router, ids->first, &connection->neighbour, NULL) < 0 ||
	    child_config_send(router, ids, connection->context->path, &connection->options) < 0) {
		error_set_memory(&error);
		connection_lose(connection, &error);
		return error_set_memory(err);
	}
	route_monitor_announce(router, connection->context);
	connection_set_timer(connection, options->connect_timeout_ms);
	broker_defer(&router->broker, &connection->start);
	*ret = connection->context;
	return 0;
}
