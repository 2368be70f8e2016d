/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/forward_log.h"

#include <string.h>

#include "base/sys.h"
#include "core/flow.h"
#include "core/log_port.h"
#include "core/router.h"
#include "wire/handles.h"

#define WAITING_MAX   (64u * 1024) /* bytes of our children's lines that wait here */
#define PRINTED_LEVEL LOG_WARNING  /* of what they print */
#define RETRY_MS      20           /* while nobody reads the master's stderr */

struct forward_log {
	int (*idle_before)(struct broker *broker);
	struct list waiters;
	bool is_dropped;
	/* not in the master: */
	struct outflow flow;
	struct list messages; /* records for which there is no credit yet */
};

static bool is_master(const struct router *router)
{
	return router->id == 0;
}

struct mitogen_message *forward_log_record(enum log_level level, uint32_t id, const char *text,
					   size_t size)
{
	struct mitogen_writer w;
	int ignored;

	message_writer_init(&w);
	writer_list_head(&w, 3);
	writer_uint(&w, level);
	writer_uint(&w, id);
	writer_bytes(&w, text, size);
	return message_from_writer(&w, &ignored);
}

/* ---- Sending ---- */

/* What waits, as far as there is credit. */
static void send_waiting(struct router *router)
{
	struct forward_log *log = router->log;

	while (!list_is_empty(&log->messages) && outflow_room(&log->flow) > 0) {
		struct mitogen_message *m =
			LIST_OWNER(list_pop(&log->messages), struct mitogen_message, link);

		outflow_send_value(router, &log->flow, m, false);
	}
}

/* Of this process. Any thread, no lock held. */
static bool forward_own(enum log_level level, const char *line, void *user)
{
	struct router *router = user;
	bool has_credit;

	broker_lock(&router->broker);
	has_credit = !router->log->is_dropped && list_is_empty(&router->log->messages) &&
		     outflow_room(&router->log->flow) > 0;
	if (has_credit) {
		struct mitogen_message *m =
			forward_log_record(level, router->id, line, strlen(line));

		if (m) /* at once: the process may be about to crash */
			outflow_send_value(router, &router->log->flow, m, true);
	}
	has_credit |= router->log->is_dropped; /* and so is this */
	broker_unlock(&router->broker);
	return has_credit;
}

void forward_log_own(struct router *router, enum log_level level)
{
	log_set_forward(level, forward_own, router);
}

/* ---- What children print ---- */

void forward_log_add(struct router *router, uint32_t id, const char *text, size_t size)
{
	struct forward_log *log = router->log;
	struct mitogen_message *m;

	if (log_get_level() < PRINTED_LEVEL || log->is_dropped)
		return;
	m = forward_log_record(PRINTED_LEVEL, id, text, size);
	if (!m) {
		log_write(LOG_ERROR, "out of memory: what context %u printed was lost", id);
		return;
	}
	if (is_master(router)) {
		m->header.src_id = router->id;
		log_port_add(router, m);
		return;
	}
	list_append(&log->messages, &m->link);
	send_waiting(router);
}

bool forward_log_has_room(struct router *router)
{
	if (is_master(router))
		return log_port_own_bytes(router) < WAITING_MAX;
	if (router->log->is_dropped)
		return true;
	return list_is_empty(&router->log->messages) && outflow_room(&router->log->flow) > 0;
}

void forward_log_wait(struct router *router, struct forward_log_waiter *waiter)
{
	list_append(&router->log->waiters, &waiter->link);
}

static void wake_waiters(struct router *router)
{
	struct list waiters, *node;

	list_init(&waiters);
	list_splice(&waiters, &router->log->waiters);
	while ((node = list_pop(&waiters)) != NULL) {
		struct forward_log_waiter *waiter =
			LIST_OWNER(node, struct forward_log_waiter, link);

		waiter->room(waiter);
	}
}

void forward_log_drop(struct router *router)
{
	struct forward_log *log = router->log;

	log->is_dropped = true;
	outflow_close(&log->flow);
	message_unref_all(&log->messages);
	wake_waiters(router);
}

bool forward_log_is_empty(const struct router *router)
{
	return list_is_empty(&router->log->messages) && log_is_empty() &&
	       (!is_master(router) || log_port_is_empty(router));
}

int forward_log_idle(struct broker *broker)
{
	struct router *router = LIST_OWNER(broker, struct router, broker);
	struct forward_log *log = router->log;
	bool is_done = true;

	/* only this thread changes these lists */
	if (is_master(router)) {
		is_done = log_port_deliver(router);
	} else if (!list_is_empty(&log->messages)) {
		broker_lock(broker);
		send_waiting(router);
		broker_unlock(broker);
	}
	is_done &= log_deliver();
	if (!list_is_empty(&log->waiters)) {
		broker_lock(broker);
		if (forward_log_has_room(router))
			wake_waiters(router);
		broker_unlock(broker);
	}
	/* in a child, credit ends the wait */
	return is_done || !is_master(router) ? -1 : RETRY_MS;
}

/* ---- Opening ---- */

int forward_log_open(struct router *router)
{
	struct forward_log *log = sys.calloc(1, sizeof(*log));

	if (!log)
		return MITOGEN_ERR_MEMORY;
	list_init(&log->waiters);
	list_init(&log->messages);
	if (is_master(router) && log_port_open(router) < 0) {
		sys.free(log);
		return MITOGEN_ERR_MEMORY;
	}
	if (!is_master(router))
		outflow_open(router, &log->flow, 0, HANDLE_FORWARD_LOG, NULL);
	router->log = log;
	log->idle_before = router->broker.idle;
	router->broker.idle = forward_log_idle;
	return 0;
}

void forward_log_close(struct router *router)
{
	struct forward_log *log = router->log;

	if (!log)
		return;
	router->log = NULL;
	router->broker.idle = log->idle_before;
	log_port_close(router);
	outflow_close(&log->flow);
	message_unref_all(&log->messages);
	sys.free(log);
}
