/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/unix_socket.h"
#include "core/dump.h"
#include "core/router.h"
#include "parent/joiner.h"
#include "parent/socket_place.h"

#define ARRIVING_MAX 64  /* further ones wait until they are accepted */
#define BATCH        16  /* accepted, then the broker looks at everything else */
#define RETRY_MS     100 /* when there was no descriptor for one */

struct listener {
	struct list link; /* in router->listeners */
	uint32_t ref;
	struct router *router;
	struct resident resident;
	struct socket_place place;
	struct source source;
	struct timer retry;
	struct task watch, stop;
	struct closing closing;
	struct joiners joiners;
	bool is_closed, has_stopped;
	bool is_short, has_complained; /* of descriptors */
};

/* ---- The end ---- */

static void destroy_if_over(struct listener *listener)
{
	if (listener->has_stopped && listener->joiners.objects == 0)
		sys.free(listener);
}

static void destroy(struct closing *closing)
{
	struct listener *listener = LIST_OWNER(closing, struct listener, closing);

	router_remove_resident(listener->router, &listener->resident);
	listener->has_stopped = true;
	destroy_if_over(listener);
}

static void stop(struct task *task)
{
	struct listener *listener = LIST_OWNER(task, struct listener, stop);
	struct broker *broker = &listener->router->broker;

	broker_unwatch(broker, &listener->source);
	fd_close(TAKE_FD(listener->source.fd));
	timer_cancel(&listener->retry);
	list_remove(&listener->watch.link);
	broker_close_later(broker, &listener->closing);
}

void listener_close(struct listener *listener)
{
	if (listener->is_closed)
		return;
	listener->is_closed = true;
	list_remove(&listener->link);
	socket_place_clear(&listener->place);
	broker_defer(&listener->router->broker, &listener->stop);
}

static void close_resident(struct resident *resident, bool urgent)
{
	(void)urgent;
	listener_close(LIST_OWNER(resident, struct listener, resident));
}

/* ---- Accepting ---- */

static void update_watch(struct listener *listener)
{
	bool wanted = !listener->is_short && listener->joiners.arriving < ARRIVING_MAX;

	if (listener->source.fd >= 0 && !listener->is_closed &&
	    broker_want(&listener->router->broker, &listener->source, wanted ? POLLER_READ : 0) < 0)
		log_write(LOG_ERROR, "%s: nobody can join any more: %s", listener->place.path,
			  strerror(errno));
}

static void changed(struct joiners *joiners)
{
	struct listener *listener = LIST_OWNER(joiners, struct listener, joiners);

	update_watch(listener);
	destroy_if_over(listener);
}

static void retry(struct timer *timer)
{
	struct listener *listener = LIST_OWNER(timer, struct listener, retry);

	listener->is_short = false;
	update_watch(listener);
}

/* Whoever waits would wake us all the time. */
static void pause_for_a_moment(struct listener *listener)
{
	if (!listener->has_complained)
		log_write(LOG_WARNING, "%s: a process has to wait before it can join: %s",
			  listener->place.path, strerror(errno));
	listener->is_short = listener->has_complained = true;
	update_watch(listener);
	broker_set_timer(&listener->router->broker, &listener->retry, clock_deadline(RETRY_MS));
}

static void acceptable(struct source *source, unsigned events)
{
	struct listener *listener = LIST_OWNER(source, struct listener, source);

	(void)events;
	if (listener->is_closed) /* nobody would end who comes now: the router may be closing */
		return;
	for (int i = 0; i < BATCH && listener->joiners.arriving < ARRIVING_MAX; i++) {
		int fd = unix_socket_accept(source->fd);

		if (fd >= 0) {
			listener->has_complained = false;
			joiner_start(&listener->joiners, fd);
		} else if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) {
			break;
		} else {
			pause_for_a_moment(listener);
			break;
		}
	}
	update_watch(listener);
}

/* ---- The beginning ---- */

static void watch(struct task *task)
{
	struct listener *listener = LIST_OWNER(task, struct listener, watch);

	listener->source.ready = acceptable;
	update_watch(listener);
}

static void dump_resident(struct resident *resident, FILE *out)
{
	const struct listener *listener = LIST_OWNER(resident, struct listener, resident);

	fputs(" listener ", out);
	dump_text(out, listener->place.path ? listener->place.path : "(closed)");
	fprintf(out, ": %zu joined, %zu arriving%s\n", listener->joiners.joined,
		listener->joiners.arriving, listener->is_short ? ", no descriptors" : "");
}

struct listener *listener_open(struct router *router, struct socket_place *place, int fd,
			       const struct listener_options *options, mitogen_error *err)
{
	struct listener *listener = router->closing ? NULL : sys.calloc(1, sizeof(*listener));

	if (!listener) {
		if (router->closing)
			error_set(err, MITOGEN_ERR_CLOSED, "the router is closed");
		else
			error_set_memory(err);
		socket_place_clear(place);
		fd_close(fd);
		return NULL;
	}
	listener->router = router;
	listener->ref = ++router->last_ref;
	listener->place = *place;
	listener->source.fd = fd;
	listener->joiners = (struct joiners){
		.router = router,
		.joined_max = (size_t)options->joined_max,
		.timeout_ms = options->timeout_ms,
		.shutdown_ms = options->shutdown_ms,
		.changed = changed,
	};
	listener->retry.due = retry;
	listener->watch.run = watch;
	listener->stop.run = stop;
	listener->closing.destroy = destroy;
	listener->resident.close = close_resident;
	listener->resident.dump = dump_resident;
	list_append(&router->listeners, &listener->link);
	router_add_resident(router, &listener->resident);
	broker_defer(&router->broker, &listener->watch);
	return listener;
}

uint32_t listener_ref(const struct listener *listener)
{
	return listener->ref;
}

struct listener *listener_find(const struct router *router, uint32_t ref)
{
	LIST_FOR_EACH (node, &router->listeners) {
		struct listener *listener = LIST_OWNER(node, struct listener, link);

		if (listener->ref == ref)
			return listener;
	}
	return NULL;
}

const char *listener_path(const struct listener *listener)
{
	return listener->place.path;
}
