/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests of this layer share: brokers whose rounds the test runs itself, without a thread; two
 * routers that are parent and child in one process; a log that is kept.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "core/broker.h"
#include "core/context.h"
#include "core/latch.h"
#include "core/router.h"

#define SHARED __attribute__((unused)) static /* not every test uses all of it */

/* ---- The log ---- */

SHARED char logged[8192];

SHARED void keep_log(enum log_level level, const char *context, const char *line, void *user)
{
	size_t used = strlen(logged);

	(void)level;
	(void)user;
	snprintf(logged + used, sizeof(logged) - used, "%s%s%s\n", context, *context ? ": " : "",
		 line);
}

/* ---- Brokers ---- */

/* One round. False: there was nothing to do. Waits if told to, until there is. */
SHARED bool pump_once(struct broker *broker, int timeout_ms)
{
	struct poller_ready ready[16];
	bool busy = !list_is_empty(&broker->tasks) || !list_is_empty(&broker->closing);
	struct list *node;
	int count;

	while ((node = list_pop(&broker->tasks)) != NULL) {
		struct task *task = LIST_OWNER(node, struct task, link);

		task->run(task);
	}
	timer_run(&broker->timers);
	while ((node = list_pop(&broker->closing)) != NULL) {
		struct closing *closing = LIST_OWNER(node, struct closing, link);

		closing->destroy(closing);
	}
	count = broker->ops->wait(broker->poller, ready, 16, busy ? 0 : timeout_ms);
	for (int i = 0; i < count; i++)
		if (ready[i].source->ready)
			ready[i].source->ready(ready[i].source, ready[i].events);
	broker->idle(broker);
	return busy || count > 0;
}

SHARED void pump(struct broker *broker)
{
	while (pump_once(broker, 0))
		;
}

/* ---- Messages ---- */

SHARED struct mitogen_message *message_of_bytes(const void *data, size_t size)
{
	struct mitogen_message *m = message_new(size);

	assert_non_null(m);
	memcpy(m->payload, data, size);
	m->header.kind = FRAME_RAW;
	return m;
}

SHARED struct mitogen_message *message_of_text(const char *text)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	writer_string(&w, text);
	m = message_from_writer(&w, &error);
	assert_non_null(m);
	return m;
}

/* The next message of a latch, which has one. */
SHARED struct mitogen_message *take(struct latch *latch)
{
	struct mitogen_message *m = NULL;

	assert_int_equal(latch_get(latch, 0, &m), LATCH_MESSAGE);
	return m;
}

/* The latch has one message, a failure with this code and text in it. */
SHARED void assert_failure(struct latch *latch, int code, const char *text)
{
	struct mitogen_message *m = take(latch);
	const mitogen_error *failure = message_failure(m);

	assert_non_null(failure);
	if (!strstr(failure->text, text))
		fail_msg("\"%s\" is not in \"%s\"", text, failure->text);
	assert_int_equal(failure->code, code);
	message_unref(m);
	assert_true(latch_is_empty(latch));
}

/* ---- Routers ---- */

struct pair { /* a master, and a child that it has */
	struct router master, child;
	struct neighbour below, above; /* the master's to the child; and back */
	struct context *child_context; /* as the master knows it */
	const char *ended; /* why the stream ended, at whichever end; "" for no reason */
};

#define CHILD_ID  1u
#define CHILD_IDS 1000u

SHARED struct pair pair;

SHARED void pair_ended(struct neighbour *neighbour, const char *why)
{
	(void)neighbour;
	pair.ended = why ? why : "";
}

SHARED const struct neighbour_events pair_events = {.ended = pair_ended};

SHARED void pair_pump(void)
{
	while (pump_once(&pair.master.broker, 0) | pump_once(&pair.child.broker, 0))
		;
}

SHARED int pair_setup(void **state)
{
	const uint32_t master_id = 0;
	int fds[2];

	(void)state;
	logged[0] = '\0';
	log_set(LOG_WARNING, keep_log, NULL);
	pair = (struct pair){0};
	assert_int_equal(router_init(&pair.master, 0, NULL, 0, ""), 0);
	assert_int_equal(router_init(&pair.child, CHILD_ID, &master_id, 1, "local.1"), 0);
	assert_int_equal(fd_socketpair(fds), 0);
	neighbour_init(&pair.below, &pair.master, CHILD_ID, &pair_events, "local.1");
	neighbour_init(&pair.above, &pair.child, 0, &pair_events, "parent");
	pair.above.is_parent = true;
	pair.child.parent = &pair.above;
	assert_int_equal(id_blocks_add(&pair.below.blocks, CHILD_ID, CHILD_IDS), 0);
	assert_int_equal(routes_add(&pair.master, CHILD_ID, &pair.below, NULL), 0);
	assert_int_equal(stream_open(&pair.below.stream, fds[0], fds[0]), 0);
	assert_int_equal(stream_open(&pair.above.stream, fds[1], fds[1]), 0);
	pair.child_context = context_new(&pair.master, CHILD_ID, strdup("local.1"));
	assert_non_null(pair.child_context);
	context_set_state(&pair.master, pair.child_context, CONTEXT_READY, NULL);
	return 0;
}

SHARED int pair_teardown(void **state)
{
	(void)state;
	neighbour_close(&pair.below);
	neighbour_close(&pair.above);
	pair_pump();
	router_clear(&pair.master);
	router_clear(&pair.child);
	log_set(LOG_WARNING, NULL, NULL);
	return 0;
}

/* The child has announced these to the master. */
SHARED void pair_announce(uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(routes_add(&pair.master, first + i, &pair.below, "x"), 0);
}

/* The child is lost, as if its process had ended. */
SHARED void pair_lose_child(void)
{
	mitogen_error why = {.code = MITOGEN_ERR_LOST, .text = "was killed by SIGKILL"};

	neighbour_close(&pair.below);
	context_set_state(&pair.master, pair.child_context, CONTEXT_LOST, &why);
}
