/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/joiner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/unix_socket.h"
#include "core/context.h"
#include "core/dump.h"
#include "core/router.h"
#include "parent/child_config.h"
#include "parent/connection.h"
#include "parent/ids.h"
#include "parent/route_monitor.h"
#include "wire/bootstrap.h"
#include "wire/handles.h"
#include "wire/join.h"

enum state {
	ARRIVING, /* until it has said who it is */
	JOINED,
	LEAVING, /* the router is closed; what waits for it is written */
	ENDED,
};

static const char *const state_names[] = {"arriving", "joined", "leaving", "ended"};

struct joiner {
	enum state state;
	struct joiners *joiners;
	struct router *router;
	struct resident resident;
	struct timer timer; /* of the state */
	struct closing closing;
	char *path; /* "unix.4711" */
	pid_t pid;

	struct source source; /* while it arrives */
	uint8_t request[JOIN_REQUEST_MAX];
	size_t size;
	struct id_waiter waiter; /* when it has said who it is, and there was no ID for it */
	struct task try_again;

	struct neighbour neighbour; /* afterwards */
};

static const char *name_of(const struct joiner *joiner)
{
	return joiner->path ? joiner->path : "(not named yet)";
}

static void set_state(struct joiner *joiner, enum state state)
{
	log_write(LOG_DEBUG, "%s (process %d): %s -> %s", name_of(joiner), (int)joiner->pid,
		  state_names[joiner->state], state_names[state]);
	joiner->state = state;
}

static void set_timer(struct joiner *joiner, int timeout_ms)
{
	broker_set_timer(&joiner->router->broker, &joiner->timer, clock_deadline(timeout_ms));
}

/* ---- The end ---- */

static void destroy(struct closing *closing)
{
	struct joiner *joiner = LIST_OWNER(closing, struct joiner, closing);
	struct joiners *joiners = joiner->joiners;

	router_remove_resident(joiner->router, &joiner->resident);
	sys.free(joiner->path);
	sys.free(joiner);
	joiners->objects--;
	joiners->changed(joiners);
}

static void end(struct joiner *joiner)
{
	set_state(joiner, ENDED);
	timer_cancel(&joiner->timer);
	broker_close_later(&joiner->router->broker, &joiner->closing);
}

/* What comes is no longer for us: its socket, which is not closed. */
static int stop_arriving(struct joiner *joiner)
{
	broker_unwatch(&joiner->router->broker, &joiner->source);
	list_remove(&joiner->waiter.link);
	list_remove(&joiner->try_again.link);
	joiner->joiners->arriving--;
	return TAKE_FD(joiner->source.fd);
}

static void leave_early(struct joiner *joiner)
{
	fd_close(stop_arriving(joiner));
	joiner->joiners->changed(joiner->joiners);
	end(joiner);
}

/* Tells it why, as far as that works without waiting. */
static void refuse(struct joiner *joiner, const mitogen_error *why)
{
	struct mitogen_message *m = message_new_dead(why->code, why->text);

	log_write(why->code == MITOGEN_ERR_CLOSED ? LOG_INFO : LOG_WARNING,
		  "process %d may not join: %s", (int)joiner->pid, why->text);
	if (m) {
		m->header.handle = HANDLE_JOIN;
		m->header.length = (uint32_t)m->size;
		frame_encode(m->frame, &m->header);
		if (unix_socket_send(joiner->source.fd, m->frame, FRAME_HEADER_SIZE + m->size) < 0)
			log_write(LOG_DEBUG, "process %d: %s", (int)joiner->pid, strerror(errno));
	}
	message_unref(m);
	leave_early(joiner);
}

static void refuse_as(struct joiner *joiner, int code, const char *text)
{
	mitogen_error why;

	error_set(&why, code, "%s", text);
	refuse(joiner, &why);
}

/* The context can be reached no more. */
static void lose(struct joiner *joiner, const mitogen_error *why)
{
	mitogen_error placed = *why;

	if (joiner->state == ENDED)
		return;
	error_set_where(&placed, joiner->path, NULL);
	route_monitor_lose(joiner->router, &joiner->neighbour, &placed);
	neighbour_close(&joiner->neighbour);
	joiner->joiners->joined--;
	joiner->joiners->changed(joiner->joiners);
	end(joiner);
}

static void stream_ended(struct neighbour *neighbour, const char *why)
{
	struct joiner *joiner = LIST_OWNER(neighbour, struct joiner, neighbour);
	mitogen_error error;

	if (why)
		log_write(LOG_ERROR, "%s: the stream is corrupt: %s", joiner->path, why);
	if (why)
		error_set(&error, MITOGEN_ERR_LOST,
			  "the context was lost: it broke the protocol: %s", why);
	else
		error_set(&error, MITOGEN_ERR_LOST,
			  "the context is gone: it has closed its connection, or its process %d "
			  "has ended",
			  (int)joiner->pid);
	lose(joiner, &error);
}

static void lose_as_closed(struct joiner *joiner)
{
	mitogen_error error;

	error_set(&error, MITOGEN_ERR_CLOSED, "the router that it had joined was closed");
	lose(joiner, &error);
}

/* All that was for it is written, and will be read although we are gone. */
static void drained(struct neighbour *neighbour)
{
	struct joiner *joiner = LIST_OWNER(neighbour, struct joiner, neighbour);

	if (joiner->state == LEAVING)
		lose_as_closed(joiner);
}

static const struct neighbour_events neighbour_events = {.ended = stream_ended, .drained = drained};

static void close_resident(struct resident *resident, bool urgent)
{
	struct joiner *joiner = LIST_OWNER(resident, struct joiner, resident);

	if (joiner->state == ENDED)
		return;
	if (joiner->state == ARRIVING) {
		refuse_as(joiner, MITOGEN_ERR_CLOSED, "the router is closed");
	} else if (urgent || router_send_shutdown(joiner->router, joiner->neighbour.id) < 0) {
		lose_as_closed(joiner);
	} else {
		set_state(joiner, LEAVING);
		set_timer(joiner, joiner->joiners->shutdown_ms);
	}
}

static void due(struct timer *timer)
{
	struct joiner *joiner = LIST_OWNER(timer, struct joiner, timer);

	if (joiner->state == ARRIVING)
		refuse_as(joiner, MITOGEN_ERR_TIMEOUT, "it has not said in time who it is");
	else
		lose_as_closed(joiner);
}

/* ---- Joining ---- */

/* Can it be what it asks to be? 0, or a code with err set. */
static int check(const struct joiner *joiner, const struct join_request *request,
		 mitogen_error *err)
{

	if (request->version != JOIN_VERSION)
		return error_set(err, MITOGEN_ERR_CONNECT,
				 "it speaks version %u, and the router that it would join version "
				 "%d",
				 request->version, JOIN_VERSION);
	if (joiner->router->ancestor_count >= DEPTH_MAX)
		return error_set(err, MITOGEN_ERR_USAGE, "contexts are nested %d deep at most",
				 DEPTH_MAX);
	return *request->name ? connection_check_name(request->name, err) : 0;
}

/* NULL: no memory. */
static char *make_path(const struct joiner *joiner, const struct join_request *request)
{
	const struct router *router = joiner->router;
	char name[JOIN_NAME_MAX + 1], *path;
	size_t size;

	if (*request->name)
		snprintf(name, sizeof(name), "%s", request->name);
	else
		snprintf(name, sizeof(name), "unix.%d", (int)joiner->pid);
	size = strlen(router->path) + strlen(name) + 2;
	path = sys.malloc(size);
	if (path)
		snprintf(path, size, "%s%s%s", router->path, *router->path ? "/" : "", name);
	return path;
}

/* What is to be known of it here, and the answer, which is its configuration. 0 or -1: no memory. */
static int add_context(struct joiner *joiner, const struct id_block *ids)
{
	const struct connect_options options = {.shutdown_ms = joiner->joiners->shutdown_ms};
	struct router *router = joiner->router;
	struct context *context = context_begin(router, ids->first, sys_strdup(joiner->path));

	neighbour_init(&joiner->neighbour, router, ids->first, &neighbour_events, joiner->path);
	joiner->neighbour.has_joined = true;
	if (!context || id_blocks_add(&joiner->neighbour.blocks, ids->first, ids->count) < 0 ||
	    routes_add(router, ids->first, &joiner->neighbour, NULL) < 0 ||
	    child_config_send(router, ids, joiner->path, &options) < 0)
		return -1;
	context->depth = 1;
	context_set_state(router, context, CONTEXT_READY, NULL);
	route_monitor_announce(router, context);
	return 0;
}

static void join(struct joiner *joiner, const struct id_block *ids)
{
	int fd = stop_arriving(joiner);
	mitogen_error error;

	timer_cancel(&joiner->timer);
	joiner->joiners->joined++;
	joiner->joiners->changed(joiner->joiners);
	set_state(joiner, JOINED);
	if (add_context(joiner, ids) == 0 && stream_open(&joiner->neighbour.stream, fd, fd) == 0)
		return;
	fd_close(fd);
	error_set_memory(&error);
	lose(joiner, &error);
}

/* Only below a master: that has all IDs there are. */
static void wait_for_ids(struct joiner *joiner)
{
	mitogen_error error;
	int r = ids_request(joiner->router);

	if (r == 0) {
		list_append(&joiner->router->id_waiters, &joiner->waiter.link);
		return;
	}
	error_set(&error, r, "no context IDs are left for it");
	refuse(joiner, &error);
}

/* One: many come and go, and what it starts gets its IDs on demand. */
static void give_id(struct joiner *joiner, bool may_wait)
{
	const struct joiners *joiners = joiner->joiners;
	struct id_block ids;
	mitogen_error error;

	if (joiners->joined >= joiners->joined_max) {
		error_set(&error, MITOGEN_ERR_REFUSED,
			  "%zu processes have joined already, as many as may", joiners->joined);
		refuse(joiner, &error);
	} else if (id_blocks_take(&joiner->router->supply, 1, &ids) > 0) {
		join(joiner, &ids);
	} else if (may_wait) {
		wait_for_ids(joiner);
	} else {
		refuse_as(joiner, MITOGEN_ERR_NO_IDS, "no context IDs are left for it");
	}
}

/* The master has answered; others may have been quicker to take what came. */
static void try_again(struct task *task)
{
	give_id(LIST_OWNER(task, struct joiner, try_again), false);
}

static void handle_request(struct joiner *joiner, const struct join_request *request)
{
	mitogen_error error;

	if (check(joiner, request, &error) < 0) {
		refuse(joiner, &error);
		return;
	}
	joiner->path = make_path(joiner, request);
	if (joiner->path)
		give_id(joiner, true);
	else
		refuse_as(joiner, MITOGEN_ERR_MEMORY, "out of memory");
}

static void readable(struct source *source, unsigned events)
{
	struct joiner *joiner = LIST_OWNER(source, struct joiner, source);
	struct join_request request;
	ssize_t n;
	int r;

	(void)events;
	n = sys.recv(source->fd, joiner->request + joiner->size,
		     sizeof(joiner->request) - joiner->size, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* it has thought better of it, or died */
		leave_early(joiner);
		return;
	}
	joiner->size += (size_t)n;
	r = join_read_request(joiner->request, joiner->size, &request);
	if (r > 0)
		handle_request(joiner, &request);
	else if (r < 0)
		refuse_as(joiner, MITOGEN_ERR_CONNECT, "this is no request to join a router");
}

/* ---- The beginning ---- */

static void dump_resident(struct resident *resident, FILE *out)
{
	const struct joiner *joiner = LIST_OWNER(resident, struct joiner, resident);

	fputs(" joined ", out);
	dump_text(out, name_of(joiner));
	fprintf(out, ": %s, process %d\n", state_names[joiner->state], (int)joiner->pid);
}

static int begin(struct joiner *joiner)
{
	joiner->source.ready = readable;
	if (broker_watch(&joiner->router->broker, &joiner->source, POLLER_READ) < 0)
		return -1;
	joiner->timer.due = due;
	joiner->waiter.task = &joiner->try_again;
	joiner->try_again.run = try_again;
	joiner->closing.destroy = destroy;
	joiner->resident.close = close_resident;
	joiner->resident.dump = dump_resident;
	joiner->joiners->arriving++;
	joiner->joiners->objects++;
	router_add_resident(joiner->router, &joiner->resident);
	set_timer(joiner, joiner->joiners->timeout_ms);
	return 0;
}

void joiner_start(struct joiners *joiners, int fd)
{
	struct joiner *joiner = sys.calloc(1, sizeof(*joiner));
	uid_t uid;

	if (joiner) {
		joiner->joiners = joiners;
		joiner->router = joiners->router;
		joiner->source.fd = fd;
	}
	if (!joiner || unix_socket_peer(fd, &uid, &joiner->pid) < 0 || begin(joiner) < 0) {
		log_write(LOG_WARNING, "a process that would join is turned away: %s",
			  strerror(errno));
		fd_close(fd);
		sys.free(joiner);
		return;
	}
	if (uid != geteuid()) {
		mitogen_error error;

		error_set(&error, MITOGEN_ERR_REFUSED,
			  "it is of user %d, and the router of user %d", (int)uid, (int)geteuid());
		refuse(joiner, &error);
	}
}
