/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Children, in a library in which calls fail on purpose.
 *   all_works     nothing may fail: the faults are those that a user never sees
 *   some_works, some_channels_work    anything may fail, but well
 *   all_forks, some_forks    the same with children that are copies of this process
 *   all_are_detached, some_are_detached, some_forks_are_detached    the same with children let go
 */
#include "faulty.h"

static int echo(mitogen_message *m, mitogen_error *error)
{
	mitogen_bytes bytes;
	int r = mitogen_read(m, error, &bytes);

	return r < 0 ? r : mitogen_reply(m, error, bytes);
}
MITOGEN_EXPORT(echo, MITOGEN_BYTES);

static int add_below(mitogen_message *m, mitogen_error *error)
{
	mitogen_context below = mitogen_local(mitogen_message_router(m), error);
	int64_t sum;
	int r = mitogen_call(below, add, &sum, error, 20, 22);

	return r < 0 ? r : mitogen_reply(m, error, sum);
}
MITOGEN_EXPORT(add_below);

static bool forks;

/* Sends back what comes, until the caller sends no more. */
static int send_back(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m);
	MITOGEN_AUTO(message, got);
	int number, r = 0;

	while (r >= 0 && mitogen_receiver_get(caller.rx, &got, MITOGEN_FOREVER, error) == 1 &&
	       mitogen_read(got, error, &number) == 0)
		r = mitogen_send(caller.tx, error, number);
	return r >= 0 && error->code == MITOGEN_ERR_CLOSED ? 0 : error->code;
}
MITOGEN_EXPORT(send_back);

static int greet(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	int r = mitogen_read(m, error, &to);

	if (r >= 0)
		r = mitogen_send(to, error, "hello");
	mitogen_sender_close(to);
	return r;
}
MITOGEN_EXPORT(greet, MITOGEN_SENDER);

static void call_directly(mitogen_context child)
{
	int64_t sum = 0;

	if (works(mitogen_call(child, add, &sum, &err, 20, 22)))
		EXPECT(sum == 42);
	sum = 0;
	if (works(mitogen_call(child, add_below, &sum, &err)))
		EXPECT(sum == 42);
}

static void send_much(mitogen_context child)
{
	static char data[300000];
	MITOGEN_AUTO(message, m);
	mitogen_bytes back;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	if (works(mitogen_call(child, echo, &m, &err, mitogen_bytes_of(data, sizeof(data)))) &&
	    works(mitogen_read(m, &err, &back)))
		EXPECT(back.size == sizeof(data) && memcmp(back.data, data, sizeof(data)) == 0);
}

/* Whatever fails, a result is the last that comes. */
static void use_channel(mitogen_context child)
{
	mitogen_channel channel = mitogen_channel_open(child, send_back, &err);
	MITOGEN_AUTO(message, m);
	int number, sent = 0, came = 0;

	if (!works(err.code))
		return;
	while (sent < CALLS && works(mitogen_send(channel.tx, &err, sent)))
		sent++;
	mitogen_sender_close(channel.tx);
	for (;; came++) {
		EXPECT(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err) == 1);
		if (mitogen_message_event(m) == MITOGEN_EVENT_RESULT)
			break;
		EXPECT_OK(mitogen_read(m, &err, &number));
		EXPECT(number == came);
	}
	if (works(mitogen_read(m, &err)))
		EXPECT(sent < CALLS || came == sent);
	mitogen_channel_close(channel);
}

/* The next message; false: the child is lost, and with it what it had sent. */
static bool get_from(mitogen_context child, mitogen_receiver receiver, mitogen_message **m)
{
	for (;;) {
		bool is_there = works(mitogen_call(child, add, NULL, &err, 1, 2));
		int r = mitogen_receiver_get(receiver, m, is_there ? 10 : 0, &err);

		EXPECT(r >= 0);
		if (r > 0 || !is_there)
			return r > 0;
	}
}

/* Who sends ends, with a greeting before it or with a failure. */
static void be_greeted(mitogen_router one, mitogen_context child)
{
	mitogen_receiver receiver = mitogen_receiver_new(one, &err);
	mitogen_sender sender;
	MITOGEN_AUTO(message, m);
	const char *text = NULL;

	if (!works(err.code))
		return;
	sender = mitogen_receiver_sender(receiver, &err);
	if (works(err.code) && works(mitogen_call(child, greet, NULL, &err, sender)) &&
	    get_from(child, receiver, &m) && works(mitogen_read(m, &err, &text))) {
		EXPECT(strcmp(text, "hello") == 0);
		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT(mitogen_read(m, &err) < 0);
		err = (mitogen_error){0};
	}
	mitogen_receiver_close(receiver);
}

/* Each channel has its one result. */
static void use_select(mitogen_router one, mitogen_context child)
{
	mitogen_select select = mitogen_select_new(one, &err);
	mitogen_channel channels[3] = {{{0}, {0}}};
	MITOGEN_AUTO(message, m);
	int left = 0, number;

	if (!works(err.code))
		return;
	for (int i = 0; i < 3; i++) {
		channels[i] = mitogen_channel_open(child, send_back, &err);
		if (!works(err.code))
			continue;
		works(mitogen_send(channels[i].tx, &err, i));
		mitogen_sender_close(channels[i].tx);
		EXPECT_OK(mitogen_select_add(select, channels[i].rx, &err));
		left++;
	}
	while (left > 0) {
		EXPECT(mitogen_select_get(select, &m, MITOGEN_FOREVER, &err) == 1);
		if (mitogen_message_event(m) == MITOGEN_EVENT_RESULT)
			left--;
		else
			EXPECT_OK(mitogen_read(m, &err, &number));
	}
	EXPECT(mitogen_select_get(select, &m, 0, &err) == 0);
	for (int i = 0; i < 3; i++)
		mitogen_channel_close(channels[i]);
	mitogen_select_close(select);
}

static void count_last(mitogen_message *m, void *user)
{
	*(int *)user += mitogen_message_event(m) == MITOGEN_EVENT_CLOSED;
}

static void use_channels(void)
{
	int last = 0;
	mitogen_router one = mitogen_router_new(&err);
	mitogen_context child = mitogen_local(one, &err);

	if (works(err.code)) {
		use_channel(child);
		be_greeted(one, child);
		use_select(one, child);
	}
	if (one.ref && !mitogen_handler_new(one, count_last, &err, .user = &last).ref) {
		works(err.code);
		last = 1;
	}
	mitogen_router_close(one);
	EXPECT(!one.ref || last == 1);
}

static void use_router(void)
{
	mitogen_router one = mitogen_router_new(&err, .fork_server = forks);
	mitogen_context children[2];

	if (!works(err.code))
		return;
	for (int i = 0; i < 2; i++) {
		children[i] = forks ? mitogen_fork(one, &err) : mitogen_local(one, &err);
		works(err.code);
		if (!children[i].ref)
			continue;
		call_directly(children[i]);
		send_much(children[i]);
		call_async(one, children[i]);
	}
	if (children[0].ref)
		works(mitogen_context_shutdown(children[0], &err));
	mitogen_router_close(one);
}

/* A child, and one below it. The router waits for neither when they have let go. */
static void detach_children(void)
{
	mitogen_router one = mitogen_router_new(&err, .fork_server = forks);
	mitogen_context child, below;

	if (!works(err.code))
		return;
	child = forks ? mitogen_fork(one, &err) : mitogen_local(one, &err);
	below = mitogen_local(child, &err);
	if (works(err.code)) {
		if (works(mitogen_context_detach(below, &err)))
			EXPECT(mitogen_call(below, add, NULL, NULL, 1, 2) < 0);
		call_async(one, child);
		if (works(mitogen_context_detach(child, &err)))
			EXPECT(mitogen_call(child, add, NULL, NULL, 1, 2) < 0);
	}
	err = (mitogen_error){0};
	mitogen_router_close(one);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void all_works(void)
{
	run(use_router);
	run(use_channels);
}

static void some_works(void)
{
	may_fail = true;
	run(use_router);
}

static void some_channels_work(void)
{
	may_fail = true;
	run(use_channels);
}

static void all_forks(void)
{
	forks = true;
	run(use_router);
}

static void some_forks(void)
{
	may_fail = forks = true;
	run(use_router);
}

static void all_are_detached(void)
{
	run(detach_children);
	forks = true;
	run(detach_children);
}

static void some_are_detached(void)
{
	may_fail = true;
	run(detach_children);
}

static void some_forks_are_detached(void)
{
	forks = true;
	some_are_detached();
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"all_works", all_works},
		{"some_works", some_works},
		{"all_are_detached", all_are_detached},
		{"some_are_detached", some_are_detached},
		{"some_forks_are_detached", some_forks_are_detached},
		{"all_forks", all_forks},
		{"some_forks", some_forks},
		{"some_channels_work", some_channels_work},
		{NULL, NULL},
	};

	mitogen_init(argc, argv);
	return scenario_run(scenarios, argc, argv);
}
