/* SPDX-License-Identifier: BSD-3-Clause */
/* Values that contexts send to receivers elsewhere. */
#include <pthread.h>
#include <signal.h>

#include "scenario.h"

#define WINDOW (256 * 1024) /* bytes that a context may send before they are read */
#define PIECE  (32 * 1024)

/* ---- What children do ---- */

static mitogen_receiver inbox; /* of a child, from one call to the next */

static int open_inbox(mitogen_message *m, mitogen_error *error)
{
	inbox = mitogen_receiver_new(mitogen_message_router(m), error);
	return mitogen_reply(m, error, mitogen_receiver_sender(inbox, error));
}
MITOGEN_EXPORT(open_inbox);

static int close_inbox(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	mitogen_receiver_close(inbox);
	return 0;
}
MITOGEN_EXPORT(close_inbox);

/* The text that comes next. */
static int hear(mitogen_message *m, mitogen_error *error)
{
	MITOGEN_AUTO(message, heard);
	const char *text;
	int r = mitogen_receiver_get(inbox, &heard, MITOGEN_FOREVER, error);

	if (r > 0)
		r = mitogen_read(heard, error, &text);
	return r < 0 ? r : mitogen_reply(m, error, text);
}
MITOGEN_EXPORT(hear);

/* Until nothing can come any more, and says so. */
static int hear_all(mitogen_message *m, mitogen_error *error)
{
	MITOGEN_AUTO(message, heard);
	mitogen_sender ready;
	int r = mitogen_read(m, error, &ready);

	if (r < 0 || (r = mitogen_send(ready, error)) < 0)
		return r;
	inbox = mitogen_receiver_new(mitogen_message_router(m), error);
	while ((r = mitogen_receiver_get(inbox, &heard, MITOGEN_FOREVER, error)) > 0)
		;
	printf("%s\n", mitogen_code_name(r));
	return 0;
}
MITOGEN_EXPORT(hear_all, MITOGEN_SENDER);

static int greet(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	const char *text;
	int r = mitogen_read(m, error, &to, &text);

	return r < 0 ? r : mitogen_send(to, error, text);
}
MITOGEN_EXPORT(greet, MITOGEN_SENDER, MITOGEN_TEXT);

/* first ... last - 1, in order. */
static int count(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	int first, last, r = mitogen_read(m, error, &to, &first, &last);

	for (; r >= 0 && first < last; first++)
		r = mitogen_send(to, error, first, "and some text behind it");
	return r;
}
MITOGEN_EXPORT(count, MITOGEN_SENDER, MITOGEN_INT, MITOGEN_INT);

static int close_sender(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	int r = mitogen_read(m, error, &to);

	if (r >= 0)
		mitogen_sender_close(to);
	return r;
}
MITOGEN_EXPORT(close_sender, MITOGEN_SENDER);

static char data[4 << 20];

/* Sends so many pieces; is there room for one more, soon? */
static int fill(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	int pieces, r = mitogen_read(m, error, &to, &pieces);

	for (; r >= 0 && pieces > 0; pieces--)
		r = mitogen_send(to, error, mitogen_bytes_of(data, PIECE));
	if (r < 0)
		return r;
	r = mitogen_send(mitogen_within(to, 20), error, mitogen_bytes_of(data, PIECE));
	return r < 0 && r != MITOGEN_ERR_TIMEOUT ? r : mitogen_reply(m, error, r == 0);
}
MITOGEN_EXPORT(fill, MITOGEN_SENDER, MITOGEN_INT);

/* Until it fails; the failure's code. Says on the second sender how far it got. */
static int send_for_ever(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to, progress;
	int r = mitogen_read(m, error, &to, &progress);

	for (int i = 0; r >= 0; i++) {
		r = mitogen_send(to, error, mitogen_bytes_of(data, PIECE));
		if (r >= 0 && i == WINDOW / PIECE - 1)
			r = mitogen_send(progress, error);
	}
	return mitogen_reply(m, error, r);
}
MITOGEN_EXPORT(send_for_ever, MITOGEN_SENDER, MITOGEN_SENDER);

static int send_bytes(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	size_t size;
	int r = mitogen_read(m, error, &to, &size);

	memset(data, 'x', sizeof(data));
	return r < 0 ? r : mitogen_send(to, error, mitogen_bytes_of(data, size));
}
MITOGEN_EXPORT(send_bytes, MITOGEN_SENDER, MITOGEN_INT);

static int die(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	raise(SIGKILL);
	return 0;
}
MITOGEN_EXPORT(die);

static int get_pid(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, getpid());
}
MITOGEN_EXPORT(get_pid);

/* ---- What the scenarios share ---- */

static mitogen_receiver values;
static mitogen_sender to_values;

static void open_values(void)
{
	values = mitogen_receiver_new(router, &err);
	to_values = mitogen_receiver_sender(values, &err);
	EXPECT(to_values.handle != 0);
}

static void get(mitogen_receiver from, mitogen_message **ret)
{
	EXPECT(mitogen_receiver_get(from, ret, MITOGEN_FOREVER, &err) == 1);
}

static void expect_nothing(mitogen_receiver from)
{
	MITOGEN_AUTO(message, m);

	EXPECT(mitogen_receiver_get(from, &m, 0, &err) == 0);
}

static void expect_failed_message(int code, const char *text)
{
	MITOGEN_AUTO(message, m);

	get(values, &m);
	EXPECT_FAILURE(mitogen_read(m, &err), code, text);
}

/* ---- Scenarios ---- */

static void in_order(void)
{
	mitogen_context children[3];
	int next[3] = {0};

	open_values();
	for (int i = 0; i < 3; i++) {
		children[i] = new_child(router, &err);
		EXPECT_OK(mitogen_call_no_reply(children[i], count, &err, to_values, 0, 20000));
	}
	for (int i = 0; i < 3 * 20000; i++) {
		MITOGEN_AUTO(message, m);
		const char *text;
		int number, from = 0;

		get(values, &m);
		while (mitogen_context_id(mitogen_message_from(m)) !=
		       mitogen_context_id(children[from]))
			from++;
		EXPECT_OK(mitogen_read(m, &err, &number, &text));
		EXPECT(number == next[from]++ && strcmp(text, "and some text behind it") == 0);
	}
	expect_nothing(values);
}

static void one_address(void)
{
	mitogen_receiver another = mitogen_receiver_new(router, &err);
	mitogen_sender again, other;

	open_values();
	again = mitogen_receiver_sender(values, &err);
	other = mitogen_receiver_sender(another, &err);
	EXPECT(again.handle == to_values.handle && other.handle != to_values.handle);
	EXPECT(to_values.handle >= 65536 && to_values.context == 0);
}

static void waits_for_the_reader(void)
{
	mitogen_context child = new_child(router, &err);
	MITOGEN_AUTO(message, held);
	bool has_room = true;

	open_values();
	EXPECT_OK(mitogen_call(child, fill, &has_room, &err, to_values, WINDOW / PIECE));
	EXPECT(!has_room);
	get(values, &held);
	EXPECT_OK(mitogen_call(child, fill, &has_room, &err, to_values, 0));
	EXPECT(!has_room); /* it is held, not read */
	for (int i = 0; i < WINDOW / PIECE - 1; i++) {
		MITOGEN_AUTO(message, m);

		get(values, &m);
	}
	expect_nothing(values);
	EXPECT_OK(mitogen_call(child, fill, NULL, &err, to_values, WINDOW / PIECE / 2));
}

static void large_values(void)
{
	mitogen_context child = new_child(router, &err);
	const size_t sizes[] = {0, 1, WINDOW - 5, WINDOW, WINDOW + 1, sizeof(data), sizeof(data)};

	open_values();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		MITOGEN_AUTO(message, m);
		mitogen_bytes bytes;

		EXPECT_OK(mitogen_call_no_reply(child, send_bytes, &err, to_values, sizes[i]));
		get(values, &m);
		EXPECT_OK(mitogen_read(m, &err, &bytes));
		EXPECT(bytes.size == sizes[i]);
		for (size_t at = 0; at < bytes.size; at++)
			EXPECT(((const char *)bytes.data)[at] == 'x');
	}
}

static void too_large(void)
{
	mitogen_router_close(router);
	router = new_router(&err, .max_message = 1 << 20);
	open_values();
	EXPECT_FAILURE(
		mitogen_call(new_child(router, &err), send_bytes, NULL, &err, to_values, 1 << 20),
		MITOGEN_ERR_CALL, "the limit is 1048576");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_TOO_BIG") == 0);
	expect_nothing(values);
}

static void orderly_end(void)
{
	mitogen_context child = new_child(router, &err), other = new_child(router, &err);

	open_values();
	EXPECT_OK(mitogen_call(other, close_sender, NULL, &err, to_values)); /* it had not sent */
	expect_failed_message(MITOGEN_ERR_CLOSED, "local.2: the sender is closed");
	for (int i = 0; i < 3; i++) { /* each time anew */
		MITOGEN_AUTO(message, m);
		const char *text;

		EXPECT_OK(mitogen_call(child, greet, NULL, &err, to_values, "hello"));
		EXPECT_OK(mitogen_call(child, close_sender, NULL, &err, to_values));
		get(values, &m);
		EXPECT_OK(mitogen_read(m, &err, &text));
		EXPECT(strcmp(text, "hello") == 0);
		expect_failed_message(MITOGEN_ERR_CLOSED, "local.1: the sender is closed");
	}
	EXPECT_OK(mitogen_context_shutdown(child, &err));
	expect_nothing(values);
}

static void sender_is_lost(void)
{
	mitogen_context child = new_child(router, &err), other = new_child(router, &err);
	mitogen_receiver second, third;

	open_values();
	second = mitogen_receiver_new(router, &err);
	third = mitogen_receiver_new(router, &err);
	EXPECT(mitogen_receiver_sender(third, &err).handle != 0); /* nobody sends there */
	EXPECT_OK(mitogen_call(child, greet, NULL, &err, to_values, "hello"));
	EXPECT_OK(mitogen_call(child, greet, NULL, &err, mitogen_receiver_sender(second, &err),
			       "hello"));
	EXPECT_OK(mitogen_call(other, greet, NULL, &err, to_values, "hello"));
	for (int i = 0; i < 2; i++) {
		MITOGEN_AUTO(message, m);

		get(values, &m);
		EXPECT_OK(mitogen_read(m, &err));
	}
	EXPECT_FAILURE(mitogen_call(child, die, NULL, &err), MITOGEN_ERR_LOST, "SIGKILL");
	expect_failed_message(MITOGEN_ERR_LOST, "local.1: the context was lost: its process was ");
	EXPECT(strcmp(err.where, "local.1") == 0);
	expect_nothing(values);
	values = second;
	for (int i = 0; i < 2; i++) {
		MITOGEN_AUTO(message, m);

		get(second, &m);
		EXPECT(mitogen_context_id(mitogen_message_from(m)) == mitogen_context_id(child));
		EXPECT(mitogen_read(m, &err) == (i == 0 ? 0 : MITOGEN_ERR_LOST));
	}
	expect_nothing(second);
	expect_nothing(third);
}

/* C11: it is told to all who ever talked to it, wherever they are. */
static void sibling_is_lost(void)
{
	mitogen_context a = new_child(router, &err), b = new_child(router, &err);
	mitogen_context below = mitogen_local(b, &err);
	mitogen_sender to_a;

	EXPECT_OK(mitogen_call(a, open_inbox, &to_a, &err));
	EXPECT_OK(mitogen_call(below, greet, NULL, &err, to_a, "hello"));
	EXPECT_OK(mitogen_call(a, hear, NULL, &err));
	EXPECT_FAILURE(mitogen_call(b, die, NULL, &err), MITOGEN_ERR_LOST, "SIGKILL");
	EXPECT_FAILURE(mitogen_call(a, hear, NULL, &err), MITOGEN_ERR_CALL, "was lost");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_LOST") == 0);
}

static void sender_below_is_lost(void)
{
	mitogen_context middle = new_child(router, &err), below = mitogen_local(middle, &err);
	MITOGEN_AUTO(message, m);

	open_values();
	EXPECT_OK(mitogen_call(below, greet, NULL, &err, to_values, "hello"));
	get(values, &m);
	EXPECT(mitogen_context_id(mitogen_message_from(m)) == mitogen_context_id(below));
	EXPECT_OK(mitogen_read(m, &err));
	EXPECT_OK(mitogen_call_no_reply(middle, die, &err));
	expect_failed_message(MITOGEN_ERR_LOST, "was killed by SIGKILL");
	expect_nothing(values);
}

static void receiver_is_closed(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_receiver replies = mitogen_receiver_new(router, &err), progress;
	MITOGEN_AUTO(message, m);
	int code;

	open_values();
	progress = mitogen_receiver_new(router, &err);
	EXPECT_OK(mitogen_call_async(child, send_for_ever, replies, NULL, &err, to_values,
				     mitogen_receiver_sender(progress, &err)));
	get(progress, &m);
	expect_nothing(replies); /* it waits now, or will */
	mitogen_receiver_close(values);
	get(replies, &m);
	EXPECT_OK(mitogen_read(m, &err, &code));
	EXPECT(code == MITOGEN_ERR_CLOSED);
	/* nothing is there that could answer: the first may be lost, the failure stays */
	while ((code = mitogen_call(child, greet, NULL, &err, to_values, "hello")) == 0)
		;
	EXPECT_FAILURE(code, MITOGEN_ERR_CALL, "master: the receiver is closed");
}

static void receiver_is_lost(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_sender to;
	int r = 0, pid;

	EXPECT_OK(mitogen_call(child, open_inbox, &to, &err));
	EXPECT_OK(mitogen_call(child, get_pid, &pid, &err));
	EXPECT(to.context == mitogen_context_id(child));
	while (r == 0)
		r = mitogen_send(mitogen_within(to, 0), &err, mitogen_bytes_of(data, PIECE));
	EXPECT_FAILURE(r, MITOGEN_ERR_TIMEOUT, "has not read in time");
	EXPECT_OK(mitogen_call_no_reply(child, die, &err));
	while ((r = mitogen_send(to, &err, 1)) == 0)
		; /* what was sent before may have made room meanwhile */
	EXPECT_FAILURE(r, MITOGEN_ERR_LOST, "killed by SIGKILL");
	EXPECT_FAILURE(mitogen_send(to, &err, 1), MITOGEN_ERR_LOST, "killed by SIGKILL");
	mitogen_sender_close(to);
	EXPECT_FAILURE(mitogen_send(to, &err, 1), MITOGEN_ERR_LOST, "killed by SIGKILL");
}

static void down_and_back(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_sender to;

	EXPECT_OK(mitogen_call(child, open_inbox, &to, &err));
	for (int i = 0; i < 1000; i++) {
		char text[32], *heard = NULL;

		snprintf(text, sizeof(text), "text %d", i);
		EXPECT_OK(mitogen_send(to, &err, text));
		EXPECT_OK(mitogen_call(child, hear, &heard, &err));
		EXPECT(strcmp(heard, text) == 0);
		free(heard);
	}
	mitogen_sender_close(to);
	EXPECT_FAILURE(mitogen_call(child, hear, NULL, &err), MITOGEN_ERR_CALL,
		       "the sender is closed");
	EXPECT_OK(mitogen_call(child, close_inbox, NULL, &err));
	while (mitogen_send(to, &err, "nobody hears it") == 0)
		;
	EXPECT(err.code == MITOGEN_ERR_CLOSED);
}

static void siblings(void)
{
	mitogen_context a = new_child(router, &err), b = new_child(router, &err);
	mitogen_sender to_b;
	MITOGEN_AUTO(text, heard);

	EXPECT_OK(mitogen_call(b, open_inbox, &to_b, &err));
	EXPECT_OK(mitogen_call(a, greet, NULL, &err, to_b, "hello, sibling"));
	EXPECT_OK(mitogen_call(b, hear, &heard, &err));
	EXPECT(strcmp(heard, "hello, sibling") == 0);
}

#define THREADS 4

static void *send_some(void *argument)
{
	mitogen_error mine = {0};

	for (int i = 0; i < 2000; i++)
		if (mitogen_send(to_values, &mine, (int)(intptr_t)argument, i) < 0)
			return NULL;
	return argument;
}

/* To this process itself, from many threads. */
static void to_oneself(void)
{
	pthread_t threads[THREADS];
	int next[THREADS] = {0};

	open_values();
	for (intptr_t i = 0; i < THREADS; i++)
		EXPECT(pthread_create(&threads[i], NULL, send_some, (void *)i) == 0);
	for (int i = 0; i < THREADS * 2000; i++) {
		MITOGEN_AUTO(message, m);
		int thread, number;

		get(values, &m);
		EXPECT_OK(mitogen_read(m, &err, &thread, &number));
		EXPECT(number == next[thread]++);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	mitogen_sender_close(to_values);
	expect_failed_message(MITOGEN_ERR_CLOSED, "the sender is closed");
	expect_nothing(values);
}

static void *send_until_it_fails(void *argument)
{
	mitogen_error *mine = argument;

	while (mitogen_send(to_values, mine, mitogen_bytes_of(data, PIECE)) == 0)
		;
	return NULL;
}

/* Threads that wait for room, or will; what ends it is one of these. */
static void wake_senders(void (*end)(void), int code)
{
	pthread_t threads[THREADS];
	mitogen_error errors[THREADS] = {{0}};

	open_values();
	for (int i = 0; i < THREADS; i++)
		EXPECT(pthread_create(&threads[i], NULL, send_until_it_fails, &errors[i]) == 0);
	for (int i = 0; i < WINDOW / PIECE; i++) {
		MITOGEN_AUTO(message, m);

		get(values, &m);
	}
	end();
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		err = errors[i];
		EXPECT(err.code == code);
	}
}

static void end_receiver(void)
{
	mitogen_receiver_close(values);
}

static void end_router(void)
{
	mitogen_router_close(router);
}

static void closing_wakes_senders(void)
{
	wake_senders(end_receiver, MITOGEN_ERR_CLOSED);
	wake_senders(end_router, MITOGEN_ERR_CLOSED);
}

static void router_closes_while_a_child_sends(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_receiver progress = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);

	open_values();
	EXPECT_OK(mitogen_call_no_reply(child, send_for_ever, &err, to_values,
					mitogen_receiver_sender(progress, &err)));
	get(progress, &m);
	mitogen_router_close(router);
}

static void closing_wakes_receivers_in_children(void)
{
	MITOGEN_AUTO(message, m);

	open_values();
	EXPECT_OK(mitogen_call_no_reply(new_child(router, &err), hear_all, &err, to_values));
	get(values, &m);
	mitogen_router_close(router);
}

static void mistakes(void)
{
	mitogen_sender none = {0}, stale;
	mitogen_receiver no_receiver = {0};

	EXPECT_FAILURE(mitogen_send(none, &err, 1), MITOGEN_ERR_USAGE, "the sender is none");
	err = (mitogen_error){0};
	EXPECT(mitogen_receiver_sender(no_receiver, &err).handle == 0);
	EXPECT(err.code == MITOGEN_ERR_USAGE);
	mitogen_sender_close(none);
	open_values();
	stale = to_values;
	mitogen_receiver_close(values);
	EXPECT(mitogen_receiver_sender(values, &err).handle == 0);
	EXPECT(err.code == MITOGEN_ERR_CLOSED);
	EXPECT_FAILURE(mitogen_send(to_values, &err, mitogen_text("\xff", 1)), MITOGEN_ERR_TYPE,
		       "the value to send");
	mitogen_router_close(router);
	EXPECT_FAILURE(mitogen_send(stale, &err, 1), MITOGEN_ERR_CLOSED, "");
	mitogen_sender_close(stale);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"in_order", in_order},
		{"one_address", one_address},
		{"waits_for_the_reader", waits_for_the_reader},
		{"large_values", large_values},
		{"too_large", too_large},
		{"orderly_end", orderly_end},
		{"sender_is_lost", sender_is_lost},
		{"sibling_is_lost", sibling_is_lost},
		{"sender_below_is_lost", sender_below_is_lost},
		{"receiver_is_closed", receiver_is_closed},
		{"receiver_is_lost", receiver_is_lost},
		{"down_and_back", down_and_back},
		{"siblings", siblings},
		{"to_oneself", to_oneself},
		{"closing_wakes_senders", closing_wakes_senders},
		{"router_closes_while_a_child_sends", router_closes_while_a_child_sends},
		{"closing_wakes_receivers_in_children", closing_wakes_receivers_in_children},
		{"mistakes", mistakes},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
