/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/keepalive.h"

#include <signal.h>

#include "base/clock.h"
#include "base/error.h"
#include "core/call.h"
#include "core/context.h"
#include "core/message.h"
#include "parent/connection_state.h"

static void ignore_answer(void *owner, struct mitogen_message *m)
{
	(void)owner;
	message_unref(m);
}

/* The answer is not looked at: that something comes is enough. */
static void ask(struct connection *connection)
{
	struct call_target target = {.sink = ignore_answer, .deadline = CLOCK_NEVER};
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	message_writer_init(&w);
	call_write_head(&w, false, "mitogen", "ping", 0);
	call_write_tail(&w);
	m = message_from_writer(&w, &ignored);
	if (m)
		call_start(connection->router, connection->context, m, "ping", &target, false,
			   NULL);
}

static void give_up(struct connection *connection)
{
	const struct keepalive *keepalive = &connection->keepalive;
	mitogen_error error;

	error_set(
		&error, MITOGEN_ERR_LOST,
		"the context was lost: it runs no more, or %s does not: nothing has come for %d s",
		connection->method->name,
		(int)((int64_t)keepalive->interval_ms * (keepalive->count + 2) / 1000));
	process_signal(&connection->process, SIGKILL, true); /* it would not hear anything else */
	connection_lose(connection, &error);
}

static void set(struct keepalive *keepalive)
{
	struct connection *connection = LIST_OWNER(keepalive, struct connection, keepalive);

	broker_set_timer(&connection->router->broker, &keepalive->timer,
			 clock_deadline(keepalive->interval_ms));
}

/* One question more than the tool has of its own: it knows better what is wrong with its link. */
static void due(struct timer *timer)
{
	struct keepalive *keepalive = LIST_OWNER(timer, struct keepalive, timer);
	struct connection *connection = LIST_OWNER(keepalive, struct connection, keepalive);
	uint64_t bytes_in = connection->neighbour.stream.bytes_in;
	bool was_away =
		clock_ms() - timer->deadline > keepalive->interval_ms / 2; /* we ourselves */

	if (connection->state != UP)
		return;
	if (bytes_in == keepalive->bytes_in && !was_away && keepalive->asked > keepalive->count) {
		give_up(connection);
		return;
	}
	if (bytes_in != keepalive->bytes_in || was_away)
		keepalive->asked = 0;
	if (bytes_in == keepalive->bytes_in) {
		keepalive->asked++;
		ask(connection);
	}
	keepalive->bytes_in = bytes_in;
	set(keepalive);
}

void keepalive_init(struct keepalive *keepalive)
{
	keepalive->timer.due = due;
}

void keepalive_start(struct keepalive *keepalive)
{
	struct connection *connection = LIST_OWNER(keepalive, struct connection, keepalive);
	const struct connect_method *method = connection->method;

	if (!method->keepalive)
		return;
	keepalive->interval_ms = method->keepalive(&connection->options, &keepalive->count);
	keepalive->bytes_in = connection->neighbour.stream.bytes_in;
	if (keepalive->interval_ms > 0)
		set(keepalive);
}

void keepalive_stop(struct keepalive *keepalive)
{
	timer_cancel(&keepalive->timer);
}
