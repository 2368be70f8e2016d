/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/forks.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/process.h"
#include "core/router.h"
#include "parent/launch.h"

#define MORE_PATIENCE_MS 1000 /* for the server, after its children should have ended */

struct request {
	struct list link; /* in forks->requests */
	struct fork_packet packet;
	int fds[LAUNCH_PIPES]; /* to be passed on; -1: none */
};

struct forked {
	struct forks *forks;
	struct map_node by_number;
	struct process *process;
	struct request start, last; /* last: a signal, or that it is released */
};

struct forks {
	struct router *router;
	struct resident resident;
	struct task open;
	struct process process; /* the server's */
	struct source socket;   /* .fd is ours; -1: it takes and tells nothing more */
	struct list requests;
	struct map children;
	uint32_t last_number;
	struct fork_packet out, in; /* partly sent, partly received */
	size_t left_out, received;
	struct timer patience;
	int patience_ms;
	bool is_closing;
	char end[128]; /* "was killed by SIGKILL": how it ended before it should */
	struct closing closing;
};

/* ---- The end ---- */

static void destroy(struct closing *closing)
{
	struct forks *forks = LIST_OWNER(closing, struct forks, closing);

	forks->router->forks = NULL;
	map_clear(&forks->children);
	router_remove_resident(forks->router, &forks->resident);
	sys.free(forks);
}

static void drop_request(struct request *request)
{
	list_remove(&request->link);
	for (int i = 0; i < LAUNCH_PIPES; i++)
		fd_close(TAKE_FD(request->fds[i]));
	if (request->packet.kind == FORK_RELEASE) /* the last that is to be done for it */
		sys.free(LIST_OWNER(request, struct forked, last));
}

static void close_socket(struct forks *forks)
{
	if (forks->socket.fd < 0)
		return;
	if (forks->socket.ready)
		broker_unwatch(&forks->router->broker, &forks->socket);
	fd_close(TAKE_FD(forks->socket.fd));
	while (!list_is_empty(&forks->requests))
		drop_request(LIST_OWNER(forks->requests.next, struct request, link));
}

static void end_child(struct forks *forks, struct forked *forked, int status)
{
	struct process *process = forked->process;

	drop_request(&forked->start);
	drop_request(&forked->last);
	map_remove(&forks->children, &forked->by_number);
	sys.free(forked);
	process_end(process, status);
}

/* Its last child has ended, or it has itself. */
static void finish_if_over(struct forks *forks)
{
	if (!forks->is_closing || forks->children.count > 0)
		return;
	if (forks->socket.fd >= 0 && (forks->left_out > 0 || !list_is_empty(&forks->requests)))
		return;      /* it is yet to be told whom it need not wait for */
	close_socket(forks); /* which ends it */
	if (process_is_alive(&forks->process))
		return;
	timer_cancel(&forks->patience);
	list_remove(&forks->open.link);
	broker_close_later(&forks->router->broker, &forks->closing);
}

static void close_resident(struct resident *resident, bool urgent)
{
	struct forks *forks = LIST_OWNER(resident, struct forks, resident);

	(void)urgent; /* it ends when the children have */
	if (forks->is_closing)
		return;
	forks->is_closing = true;
	broker_set_timer(&forks->router->broker, &forks->patience,
			 clock_deadline(forks->patience_ms));
	finish_if_over(forks);
}

static void out_of_patience(struct timer *timer)
{
	process_signal(&LIST_OWNER(timer, struct forks, patience)->process, SIGKILL, false);
}

/* ---- Asking ---- */

static ssize_t send_first(struct forks *forks, const struct request *request)
{
	union {
		char bytes[CMSG_SPACE(sizeof(request->fds))];
		struct cmsghdr alignment;
	} control = {0};
	struct iovec piece = {(void *)(uintptr_t)&request->packet, sizeof(request->packet)};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	struct cmsghdr *header;

	if (request->fds[0] >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(request->fds));
		memcpy(CMSG_DATA(header), request->fds, sizeof(request->fds));
	}
	return sys.sendmsg(forks->socket.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Begins the next request, or goes on with one. Negative: errno says why not. */
static ssize_t send_some(struct forks *forks)
{
	struct request *request;
	ssize_t n;

	if (forks->left_out > 0) {
		n = sys.send(forks->socket.fd,
			     (char *)&forks->out + sizeof(forks->out) - forks->left_out,
			     forks->left_out, MSG_NOSIGNAL | MSG_DONTWAIT);
		forks->left_out -= n > 0 ? (size_t)n : 0;
		return n;
	}
	request = LIST_OWNER(forks->requests.next, struct request, link);
	n = send_first(forks, request);
	if (n >= 0) {
		forks->out = request->packet;
		forks->left_out = sizeof(forks->out) - (size_t)n;
		drop_request(request);
	}
	return n;
}

/* Another error than that it is full is met by the next report: the end of the socket, or that
 * descriptors in flight, of which there may be too many, have arrived. */
static void flush(struct forks *forks)
{
	unsigned events = POLLER_READ;

	if (!forks->socket.ready || forks->socket.fd < 0)
		return;
	while (forks->left_out > 0 || !list_is_empty(&forks->requests)) {
		if (send_some(forks) >= 0 || errno == EINTR)
			continue;
		if (errno == EAGAIN)
			events |= POLLER_WRITE;
		break;
	}
	if (broker_want(&forks->router->broker, &forks->socket, events) < 0)
		close_socket(forks);
}

static void signal_child(struct process *process, int signal, bool group)
{
	struct forked *forked = process->kept;
	struct forks *forks = forked->forks;
	struct request *request = &forked->last;

	if (list_is_linked(&request->link) &&
	    (request->packet.value == SIGKILL || request->packet.value == -SIGKILL))
		return;
	request->packet.value = group ? -signal : signal;
	if (!list_is_linked(&request->link))
		list_append(&forks->requests, &request->link);
	flush(forks);
}

static void release_child(struct process *process)
{
	struct forked *forked = process->kept;
	struct forks *forks = forked->forks;

	map_remove(&forks->children, &forked->by_number);
	list_remove(&forked->last.link);
	forked->last.packet.kind = FORK_RELEASE;
	if (forks->socket.fd < 0) {
		drop_request(&forked->last);
		return;
	}
	list_append(&forks->requests, &forked->last.link);
	flush(forks);
	finish_if_over(forks);
}

static const struct process_keeper keeper = {.signal = signal_child, .release = release_child};

static void init_request(struct request *request, enum fork_packet_kind kind, uint32_t number)
{
	request->packet = (struct fork_packet){.kind = kind, .number = number};
	for (int i = 0; i < LAUNCH_PIPES; i++)
		request->fds[i] = -1;
	list_init(&request->link);
}

static struct forked *new_child(struct forks *forks, struct process *process)
{
	struct forked *forked = sys.calloc(1, sizeof(*forked));
	uint32_t number = forks->last_number + 1;

	if (!forked || map_add(&forks->children, &forked->by_number, number) < 0) {
		sys.free(forked);
		return NULL;
	}
	forks->last_number = number;
	forked->forks = forks;
	forked->process = process;
	init_request(&forked->start, FORK_START, number);
	init_request(&forked->last, FORK_SIGNAL, number);
	return forked;
}

int forks_start(struct router *router, struct process *process,
		void (*ended)(struct process *process, int status), struct launched *ret,
		mitogen_error *err)
{
	struct forks *forks = router->forks;
	struct forked *forked;
	int r;

	if (forks->socket.fd < 0)
		return error_set(err, MITOGEN_ERR_CONNECT, "the fork server %s", forks->end);
	forked = new_child(forks, process);
	if (!forked)
		return error_set_memory(err);
	r = launch_connect(ret->fds, forked->start.fds, err);
	if (r < 0) {
		map_remove(&forks->children, &forked->by_number);
		sys.free(forked);
		return r;
	}
	process_entrust(process, &keeper, forked, ended);
	list_append(&forks->requests, &forked->start.link);
	ret->pid = 0;
	ret->terminal = PTY_NONE;
	flush(forks);
	return 0;
}

/* ---- Listening ---- */

static void take_report(struct forks *forks)
{
	const struct fork_packet *packet = &forks->in;
	struct map_node *node = map_get(&forks->children, packet->number);
	struct forked *forked;

	if (!node)
		return;
	forked = MAP_OWNER(node, struct forked, by_number);
	if (packet->kind == FORK_STARTED)
		forked->process->pid = packet->value;
	else
		end_child(forks, forked, packet->value);
}

static void receive(struct forks *forks)
{
	ssize_t n = 1;

	while (forks->socket.fd >= 0 && (n > 0 || errno == EINTR)) {
		n = sys.recv(forks->socket.fd, (char *)&forks->in + forks->received,
			     sizeof(forks->in) - forks->received, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			close_socket(forks);
			return;
		}
		forks->received += n > 0 ? (size_t)n : 0;
		if (forks->received < sizeof(forks->in))
			continue;
		forks->received = 0;
		take_report(forks);
	}
}

static void ready(struct source *source, unsigned events)
{
	struct forks *forks = LIST_OWNER(source, struct forks, socket);

	(void)events;
	receive(forks);
	flush(forks);
	finish_if_over(forks);
}

/* Nobody tells any more how its children end. Their streams end now, and so do they. */
static void server_ended(struct process *process, int status)
{
	struct forks *forks = LIST_OWNER(process, struct forks, process);
	struct map_node *node;

	receive(forks);
	close_socket(forks);
	process_describe(status, forks->end, sizeof(forks->end));
	if (!forks->is_closing || forks->children.count > 0)
		log_write(LOG_ERROR, "the fork server %s; its children are given up", forks->end);
	while ((node = map_first(&forks->children)) != NULL)
		end_child(forks, MAP_OWNER(node, struct forked, by_number), PROCESS_GIVEN_UP);
	finish_if_over(forks);
}

static void open_task(struct task *task)
{
	struct forks *forks = LIST_OWNER(task, struct forks, open);

	process_watch(&forks->process, &forks->router->broker, forks->process.pid, server_ended);
	forks->socket.ready = ready;
	if (forks->socket.fd < 0)
		return;
	if (broker_watch(&forks->router->broker, &forks->socket, POLLER_READ) < 0) {
		fd_close(TAKE_FD(forks->socket.fd));
		return;
	}
	flush(forks);
}

int forks_open(struct router *router, struct fork_server *server, int shutdown_ms)
{
	struct forks *forks = sys.calloc(1, sizeof(*forks));

	if (!forks) {
		fork_server_stop(server);
		return MITOGEN_ERR_MEMORY;
	}
	forks->router = router;
	forks->process.pid = server->pid;
	forks->process.pidfd.fd = -1;
	forks->socket.fd = server->socket;
	forks->patience_ms =
		shutdown_ms < INT_MAX - MORE_PATIENCE_MS ? shutdown_ms + MORE_PATIENCE_MS : INT_MAX;
	forks->patience.due = out_of_patience;
	forks->open.run = open_task;
	forks->closing.destroy = destroy;
	forks->resident.close = close_resident;
	list_init(&forks->requests);
	snprintf(forks->end, sizeof(forks->end), "cannot be watched");
	router_add_resident(router, &forks->resident);
	broker_defer(&router->broker, &forks->open);
	router->forks = forks;
	return 0;
}
