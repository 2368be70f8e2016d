/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/connector.h"

#include "cli/command.h"
#include "cli/say.h"

static bool is_counting(const struct connector *connector)
{
	return connector->receiver.ref != 0;
}

int connector_open(struct connector *connector, mitogen_router router,
		   const struct targets *targets)
{
	mitogen_error err = {0};

	connector->router = router;
	connector->receiver_fd = -1;
	connector->next = targets->hops;
	/* our own process is one of them */
	if (targets->hop_count - 1 <= connector->limit && !connector->done)
		return 0;
	connector->receiver = mitogen_receiver_new(router, &err);
	connector->receiver_fd = mitogen_receiver_fd(connector->receiver, &err);
	if (connector->receiver_fd >= 0)
		return 0;
	say("cannot start: %s", err.text);
	return EXIT_FAILED;
}

static void end(const struct connector *connector, struct hop *hop, const mitogen_error *err)
{
	if (connector->done)
		connector->done(connector->owner, hop, err);
}

static void start(struct connector *connector, struct hop *hop)
{
	mitogen_error err = {0};
	mitogen_context context = hop_connect(hop, connector->router, &err);

	if (is_counting(connector) &&
	    mitogen_call_async(mitogen_within(context, connector->timeout_ms), "mitogen.ping",
			       connector->receiver, hop, &err) == 0)
		connector->under_way++;
	else if (err.code)
		end(connector, hop, &err);
	if (connector->started)
		connector->started(connector->owner, hop);
}

void connector_start(struct connector *connector)
{
	while (connector->next &&
	       (!is_counting(connector) || connector->under_way < connector->limit ||
		!connector->next->via)) {
		struct hop *hop = connector->next;

		connector->next = hop->next;
		start(connector, hop);
	}
}

/* timeout_ms: for the first of them. 1, or something else: there is none. */
static int take(struct connector *connector, int timeout_ms)
{
	MITOGEN_AUTO(message, m);
	mitogen_error err = {0};
	int r = mitogen_receiver_get(connector->receiver, &m, timeout_ms, NULL);

	if (r != 1)
		return r;
	connector->under_way--;
	end(connector, mitogen_message_tag(m), mitogen_read(m, &err) < 0 ? &err : NULL);
	connector_start(connector);
	return r;
}

void connector_step(struct connector *connector)
{
	take(connector, 0);
}

void connector_stop(struct connector *connector)
{
	connector->next = NULL;
}

void connector_finish(struct connector *connector)
{
	while (connector->under_way > 0 && take(connector, MITOGEN_FOREVER) == 1)
		;
}
