/* SPDX-License-Identifier: BSD-3-Clause */
#include "child/join.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/unix_socket.h"
#include "core/forward_log.h"
#include "core/router.h"
#include "wire/cursor.h"
#include "wire/handles.h"
#include "wire/join.h"

/* ---- Asking ---- */

struct request { /* while it waits */
	const char *path;
	int fd;
	int64_t deadline;
};

static int fail_in_time(const struct request *request, mitogen_error *err)
{
	return error_set(err, MITOGEN_ERR_TIMEOUT,
			 "cannot join the router at %.1000s: it has not answered in time",
			 request->path);
}

static int fail_with_errno(const char *path, mitogen_error *err)
{
	const char *hint =
		errno == ENOENT || errno == ECONNREFUSED ? "no router listens there: " : "";

	error_set_errno(err, "cannot join the router at %.1000s: %s", path, hint);
	if (err)
		err->code = MITOGEN_ERR_CONNECT;
	return MITOGEN_ERR_CONNECT;
}

/* Until it can be read or written. 0, or a code with err set. */
static int wait_for(const struct request *request, short events, mitogen_error *err)
{
	struct pollfd fd = {.fd = request->fd, .events = events};
	int64_t left = request->deadline - clock_ms();
	int r;

	if (left <= 0)
		return fail_in_time(request, err);
	r = sys.poll(&fd, 1, left < INT32_MAX ? (int)left : INT32_MAX);
	if (r < 0 && errno != EINTR)
		return fail_with_errno(request->path, err);
	return 0;
}

static int send_all(const struct request *request, const uint8_t *data, size_t size,
		    mitogen_error *err)
{
	while (size > 0) {
		ssize_t n = unix_socket_send(request->fd, data, size);
		int r = 0;

		if (n < 0 && errno == EPIPE)
			return 0; /* what it said before it closed is read next */
		if (n < 0 && errno == EAGAIN)
			r = wait_for(request, POLLOUT, err);
		else if (n < 0 && errno != EINTR)
			r = fail_with_errno(request->path, err);
		if (r < 0)
			return r;
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int receive_all(const struct request *request, uint8_t *data, size_t size,
		       mitogen_error *err)
{
	while (size > 0) {
		ssize_t n = sys.recv(request->fd, data, size, MSG_DONTWAIT);
		int r = 0;

		if (n < 0 && errno == EAGAIN)
			r = wait_for(request, POLLIN, err);
		else if (n == 0 || (n < 0 && errno == ECONNRESET))
			r = error_set(err, MITOGEN_ERR_CONNECT,
				      "cannot join the router at %.1000s: it has closed the "
				      "connection",
				      request->path);
		else if (n < 0 && errno != EINTR)
			r = fail_with_errno(request->path, err);
		if (r < 0)
			return r;
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Nobody but ourselves may tell us what to do. */
static int check_user(const struct request *request, mitogen_error *err)
{
	uid_t uid;
	pid_t pid;

	if (unix_socket_peer(request->fd, &uid, &pid) < 0)
		return fail_with_errno(request->path, err);
	if (uid == geteuid())
		return 0;
	return error_set(err, MITOGEN_ERR_REFUSED,
			 "cannot join the router at %.1000s: it is of user %d, and this process of "
			 "user %d",
			 request->path, (int)uid, (int)geteuid());
}

static int receive_answer(const struct request *request, struct mitogen_message **ret,
			  mitogen_error *err)
{
	uint8_t bytes[FRAME_HEADER_SIZE];
	struct frame_header header;
	struct mitogen_message *m;
	int r = receive_all(request, bytes, sizeof(bytes), err);

	if (r < 0)
		return r;
	if (frame_decode(bytes, sizeof(bytes), &header) != FRAME_OK ||
	    header.length > CONFIG_SIZE_MAX || header.flags != 0)
		return error_set(err, MITOGEN_ERR_CONNECT,
				 "cannot join at %.1000s: what listens there is no router",
				 request->path);
	m = message_new(header.length);
	if (!m)
		return error_set_memory(err);
	m->header = header;
	r = receive_all(request, m->payload, m->size, err);
	if (r < 0)
		message_unref(m);
	else
		*ret = m;
	return r;
}

/* Who we are, or why not. */
static int read_answer(const struct request *request, const struct mitogen_message *m,
		       struct config *ret, mitogen_error *err)
{
	mitogen_error why;

	if (m->header.kind == FRAME_DEAD && m->header.handle == HANDLE_JOIN &&
	    cbor_check(m->payload, m->size) == 0) {
		message_decode_failure(m, &why);
		return error_set(err, why.code, "cannot join the router at %.1000s: %.600s",
				 request->path, why.text);
	}
	if (m->header.kind == FRAME_CBOR && m->header.handle == HANDLE_CONFIG &&
	    config_parse(m->payload, m->size, ret) == 0)
		return 0;
	return error_set(err, MITOGEN_ERR_CONNECT,
			 "cannot join the router at %.1000s: its answer is not understood",
			 request->path);
}

static int talk(const struct request *request, const uint8_t *question, size_t size,
		struct config *ret, mitogen_error *err)
{
	struct mitogen_message *m = NULL;
	int r = check_user(request, err);

	if (r == 0)
		r = send_all(request, question, size, err);
	if (r == 0)
		r = receive_answer(request, &m, err);
	if (r == 0 && m)
		r = read_answer(request, m, ret, err);
	message_unref(m);
	return r;
}

int join_ask(const char *path, const char *name, int timeout_ms, struct join_answer *ret,
	     mitogen_error *err)
{
	struct request request = {.path = path, .deadline = clock_deadline(timeout_ms)};
	uint8_t question[JOIN_REQUEST_MAX];
	size_t size = join_write_request(question, name);
	struct config config;
	int r;

	if (size == 0)
		return error_set(err, MITOGEN_ERR_USAGE,
				 "a context's name has at most %d bytes of UTF-8, and needs memory",
				 JOIN_NAME_MAX);
	request.fd = unix_socket_connect(path, timeout_ms);
	if (request.fd < 0)
		return errno == EAGAIN ? fail_in_time(&request, err) : fail_with_errno(path, err);
	r = talk(&request, question, size, &config, err);
	if (r < 0)
		fd_close(request.fd);
	else
		*ret = (struct join_answer){request.fd, config};
	return r;
}

void join_answer_clear(struct join_answer *answer)
{
	fd_close(TAKE_FD(answer->fd));
	sys.free(TAKE_PTR(answer->config.path));
}

/* ---- Being joined ---- */

struct join {
	struct neighbour parent;
	struct handle shutdown;
	struct timer patience; /* with what is still to be sent */
	int leave_ms;
	bool is_leaving; /* nothing is below us any more */
	void (*lose_above)(struct router *router, const mitogen_error *why);
};

static void lose_parent(struct router *router, int code, const char *text)
{
	struct join *join = router->join;
	mitogen_error why;

	if (!router->parent)
		return;
	error_set(&why, code, "%s", text);
	forward_log_drop(router);
	join->lose_above(router, &why);
	neighbour_close(&join->parent);
	router->parent = NULL;
	router->ancestor_count = 0;
}

static void parent_ended(struct neighbour *neighbour, const char *why)
{
	if (why)
		log_write(LOG_ERROR, "the stream from the router that was joined is corrupt: %s",
			  why);
	lose_parent(neighbour->router, MITOGEN_ERR_LOST,
		    "the router that this process had joined has gone");
}

static const struct neighbour_events parent_events = {.ended = parent_ended};

static void shutdown_received(struct router *router, struct handle *handle,
			      struct mitogen_message *m)
{
	(void)handle;
	message_unref(m);
	lose_parent(router, MITOGEN_ERR_CLOSED,
		    "the router that this process had joined was closed, or had it leave");
}

static const struct handle_ops shutdown_ops = {
	.receive = shutdown_received,
	.is_one_frame = true,
	.policy = handles_allow_parents,
};

/* ---- Leaving ---- */

static void out_of_patience(struct timer *timer)
{
	struct join *join = LIST_OWNER(timer, struct join, patience);

	lose_parent(join->parent.router, MITOGEN_ERR_CLOSED, "the router is closed");
}

static void closed(struct router *router)
{
	struct join *join = router->join;

	join->is_leaving = true;
	broker_set_timer(&router->broker, &join->patience, clock_deadline(join->leave_ms));
}

/* Has all gone out that we had to say? */
static int idle(struct broker *broker)
{
	struct router *router = LIST_OWNER(broker, struct router, broker);
	struct join *join = router->join;
	int again_ms = forward_log_idle(broker);

	if (!join->is_leaving) /* only this thread sets it */
		return again_ms;
	broker_lock(broker);
	if (router->parent && forward_log_is_empty(router) && stream_is_idle(&join->parent.stream))
		lose_parent(router, MITOGEN_ERR_CLOSED, "the router is closed");
	if (!router->parent) {
		timer_cancel(&join->patience);
		broker_stop(broker);
	}
	broker_unlock(broker);
	return again_ms;
}

/* ---- The beginning ---- */

int join_open(struct router *router, struct join_answer *answer, int leave_ms,
	      void (*lose_above)(struct router *router, const mitogen_error *why))
{
	struct join *join = sys.calloc(1, sizeof(*join));
	int fd = answer->fd;

	if (!join)
		return MITOGEN_ERR_MEMORY;
	router->join = join;
	join->leave_ms = leave_ms;
	join->lose_above = lose_above;
	join->patience.due = out_of_patience;
	neighbour_init(&join->parent, router, answer->config.parents[0], &parent_events,
		       "the router that was joined");
	join->parent.is_parent = true;
	router->parent = &join->parent;
	router->is_unidirectional = answer->config.is_unidirectional != 0;
	router->max_message = answer->config.max_message;
	router->patience_ms = INT32_MAX; /* nobody but ourselves wants us to end */
	router->on_closed = closed;
	if (handles_add(router, &join->shutdown, HANDLE_SHUTDOWN, &shutdown_ops, NULL) < 0 ||
	    forward_log_open(router) < 0 || stream_open(&join->parent.stream, fd, fd) < 0)
		return MITOGEN_ERR_MEMORY;
	answer->fd = -1;
	router->broker.idle = idle;
	return 0;
}

void join_close(struct router *router)
{
	struct join *join = TAKE_PTR(router->join);

	if (!join)
		return;
	if (join->shutdown.ops)
		handles_remove(router, &join->shutdown);
	if (router->parent)
		neighbour_close(&join->parent);
	router->parent = NULL;
	sys.free(join);
}
