/* SPDX-License-Identifier: BSD-3-Clause */
/* One wait for much that comes from children. */
#include <poll.h>
#include <signal.h>

#include "scenario.h"

/* ---- What children do ---- */

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

static int count(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m);
	int last, r = mitogen_read(m, error, &last);

	for (int i = 0; r >= 0 && i < last; i++)
		r = mitogen_send(caller.tx, error, i);
	return r;
}
MITOGEN_EXPORT(count, MITOGEN_INT);

static int greet(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	int r = mitogen_read(m, error, &to);

	return r < 0 ? r : mitogen_send(to, error, "hello");
}
MITOGEN_EXPORT(greet, MITOGEN_SENDER);

static int die(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	raise(SIGKILL);
	return 0;
}
MITOGEN_EXPORT(die);

/* ---- Scenarios ---- */

static mitogen_select all;

static void get(mitogen_message **m)
{
	EXPECT(mitogen_select_get(all, m, MITOGEN_FOREVER, &err) == 1);
}

static void expect_nothing(void)
{
	MITOGEN_AUTO(message, m);

	EXPECT(mitogen_select_get(all, &m, 0, &err) == 0);
	EXPECT(mitogen_select_get(all, &m, -1, &err) == 0);
	EXPECT(mitogen_select_get(all, &m, 5, &err) == 0);
	EXPECT(m == NULL);
}

/* Answers to calls, values that are sent, the events of a program, in one wait. */
static void of_all_kinds(void)
{
	const char *const argv[] = {"echo", "hello", NULL};
	mitogen_context child = new_child(router, &err);
	mitogen_receiver answers = mitogen_receiver_new(router, &err);
	mitogen_receiver values = mitogen_receiver_new(router, &err);
	mitogen_receiver events = mitogen_receiver_new(router, &err);
	mitogen_channel channel;
	int seen[4] = {0};

	all = mitogen_select_new(router, &err);
	expect_nothing(); /* no members, too */
	EXPECT_OK(mitogen_select_add(all, answers, &err));
	EXPECT_OK(mitogen_select_add(all, values, &err));
	EXPECT_OK(mitogen_select_add(all, events, &err));
	EXPECT_OK(mitogen_call_async(child, add, answers, NULL, &err, 1, 2));
	EXPECT_OK(mitogen_call_no_reply(child, greet, &err, mitogen_receiver_sender(values, &err)));
	EXPECT(mitogen_exec(child, argv, events, NULL, &err, .no_stdin = true).ref != 0);
	channel = mitogen_channel_open(child, count, &err, 3);
	EXPECT_OK(mitogen_select_add(all, channel.rx, &err));
	for (int i = 0; i < 1 + 1 + 3 + 4; i++) {
		MITOGEN_AUTO(message, m);
		uint32_t ref;

		get(&m);
		ref = mitogen_message_receiver(m).ref;
		seen[0] += ref == answers.ref;
		seen[1] += ref == values.ref;
		seen[2] += ref == events.ref;
		seen[3] += ref == channel.rx.ref;
	}
	EXPECT(seen[0] == 1 && seen[1] == 1 && seen[2] == 3 && seen[3] == 4);
	expect_nothing();
}

static void ends_come_through_it(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_receiver values = mitogen_receiver_new(router, &err);
	mitogen_channel channel = mitogen_channel_open(child, count, &err, 2);
	MITOGEN_AUTO(message, m);

	all = mitogen_select_new(router, &err);
	EXPECT_OK(mitogen_select_add(all, values, &err));
	EXPECT_OK(mitogen_select_add(all, channel.rx, &err));
	for (int i = 0; i < 3; i++)
		get(&m);
	EXPECT(mitogen_message_event(m) == MITOGEN_EVENT_RESULT);
	EXPECT_OK(mitogen_call(child, greet, NULL, &err, mitogen_receiver_sender(values, &err)));
	get(&m);
	EXPECT_OK(mitogen_call_no_reply(child, die, &err));
	get(&m);
	EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_LOST, "SIGKILL");
	EXPECT(mitogen_message_receiver(m).ref == values.ref);
	expect_nothing();
	mitogen_channel_close(channel);
	expect_nothing();
}

/* What a member's sender has sent and the select has not given out is not read: it waits. */
static void credit_goes_with_the_message(void)
{
	mitogen_context children[3];
	mitogen_channel channels[3];
	int counts[3] = {0}, left = 3;

	all = mitogen_select_new(router, &err);
	for (int i = 0; i < 3; i++) {
		children[i] = new_child(router, &err);
		channels[i] = mitogen_channel_open(children[i], count, &err, 20000);
		EXPECT_OK(mitogen_select_add(all, channels[i].rx, &err));
	}
	while (left > 0) {
		MITOGEN_AUTO(message, m);
		int number, from = 0;

		get(&m);
		while (channels[from].rx.ref != mitogen_message_receiver(m).ref)
			from++;
		if (mitogen_message_event(m) == MITOGEN_EVENT_RESULT) {
			EXPECT_OK(mitogen_read(m, &err));
			EXPECT(counts[from] == 20000);
			left--;
			continue;
		}
		EXPECT_OK(mitogen_read(m, &err, &number));
		EXPECT(number == counts[from]++);
		if (number % 100 == 0) { /* in and out again: nothing is lost or turned around */
			EXPECT_OK(mitogen_select_remove(all, channels[from].rx, &err));
			EXPECT_OK(mitogen_select_add(all, channels[from].rx, &err));
		}
	}
}

/* A foreign loop with one descriptor for everything. */
static void polled(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_receiver answers[10];
	int left = 10;
	struct pollfd readable = {.events = POLLIN};

	all = mitogen_select_new(router, &err);
	readable.fd = mitogen_select_fd(all, &err);
	for (int i = 0; i < 10; i++) {
		answers[i] = mitogen_receiver_new(router, &err);
		EXPECT_OK(mitogen_select_add(all, answers[i], &err));
		EXPECT_OK(mitogen_call_async(child, add, answers[i], NULL, &err, i, 1));
	}
	while (left > 0) {
		MITOGEN_AUTO(message, m);

		EXPECT(poll(&readable, 1, -1) == 1);
		while (mitogen_select_get(all, &m, 0, &err) == 1)
			left--;
	}
	EXPECT(poll(&readable, 1, 0) == 0);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"of_all_kinds", of_all_kinds},
		{"ends_come_through_it", ends_come_through_it},
		{"credit_goes_with_the_message", credit_goes_with_the_message},
		{"polled", polled},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
