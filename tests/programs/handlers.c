/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports with numbers that programs agree on, policies, functions called for what comes there. */
#include <semaphore.h>

#include "scenario.h"

#define PORT 2000

/* ---- What children do ---- */

static mitogen_receiver inbox; /* of a child, from one call to the next */
static mitogen_context trusted;

static bool only_trusted(mitogen_router of, uint32_t source, uint32_t authority, void *user)
{
	return source == *(uint32_t *)user ||
	       mitogen_has_parent_authority(of, source, authority, NULL);
}

/* With the policy of that name. */
static int listen_at_port(mitogen_message *m, mitogen_error *error)
{
	static uint32_t trusted_id;
	const char *name;
	mitogen_policy *policy = NULL;
	mitogen_sender sender;
	int r = mitogen_read(m, error, &name, &trusted);

	if (r < 0)
		return r;
	trusted_id = mitogen_context_id(trusted);
	if (strcmp(name, "parents") == 0)
		policy = mitogen_has_parent_authority;
	else if (strcmp(name, "children") == 0)
		policy = mitogen_is_immediate_child;
	else if (strcmp(name, "trusted") == 0)
		policy = only_trusted;
	inbox = mitogen_receiver_new(mitogen_message_router(m), error);
	sender = mitogen_receiver_listen(inbox, error, .handle = PORT, .policy = policy,
					 .user = &trusted_id);
	return sender.handle == PORT ? 0 : error->code;
}
MITOGEN_EXPORT(listen_at_port, MITOGEN_TEXT, MITOGEN_CONTEXT | MITOGEN_NIL);

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

/* Sends until it has failed; the failure's code and text. */
static int send_until_refused(mitogen_message *m, mitogen_error *error)
{
	mitogen_context to;
	int r = mitogen_read(m, error, &to);

	while (r >= 0) {
		r = mitogen_send(mitogen_sender_to(to, PORT), error, "let me in");
		usleep(1000); /* what is refused is logged, and the log has a quota */
	}
	return mitogen_reply(m, error, r, error->text);
}
MITOGEN_EXPORT(send_until_refused, MITOGEN_CONTEXT);

static int send_once(mitogen_message *m, mitogen_error *error)
{
	mitogen_context to;
	const char *text;
	int r = mitogen_read(m, error, &to, &text);

	return r < 0 ? r : mitogen_send(mitogen_sender_to(to, PORT), error, text);
}
MITOGEN_EXPORT(send_once, MITOGEN_CONTEXT, MITOGEN_TEXT);

static int count(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	int last, r = mitogen_read(m, error, &to, &last);

	for (int i = 0; r >= 0 && i < last; i++)
		r = mitogen_send(to, error, i);
	mitogen_sender_close(to);
	return r;
}
MITOGEN_EXPORT(count, MITOGEN_SENDER, MITOGEN_INT);

static void print_last(mitogen_message *m, void *user)
{
	mitogen_error error = {0};

	(void)user;
	if (mitogen_message_event(m) == MITOGEN_EVENT_CLOSED)
		printf("the last message: %s\n", mitogen_code_name(mitogen_read(m, &error)));
}

static int handle_quietly(mitogen_message *m, mitogen_error *error)
{
	return mitogen_handler_new(mitogen_message_router(m), print_last, error).ref ? 0
										     : error->code;
}
MITOGEN_EXPORT(handle_quietly);

/* ---- What the scenarios share ---- */

struct log { /* of a handler */
	int values, ends, last;
	bool in_order;
	mitogen_sender forward; /* every value, doubled */
	sem_t called;
};

static void note(mitogen_message *m, void *user)
{
	struct log *log = user;
	mitogen_error error = {0};
	int number;

	if (mitogen_message_event(m) == MITOGEN_EVENT_CLOSED) {
		log->last++;
	} else if (mitogen_read(m, &error, &number) < 0) {
		log->ends++;
	} else {
		log->in_order = log->values == number;
		log->values++;
		if (log->forward.handle)
			log->in_order &= mitogen_send(log->forward, &error, 2 * number) == 0;
	}
	sem_post(&log->called);
}

static void await_calls(struct log *log, int times)
{
	while (times-- > 0)
		EXPECT(sem_wait(&log->called) == 0);
}

/* ---- Scenarios ---- */

static void called_in_order(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_receiver doubled = mitogen_receiver_new(router, &err);
	struct log log = {.forward = mitogen_receiver_sender(doubled, &err)};
	mitogen_handler handler;

	sem_init(&log.called, 0, 0);
	handler = mitogen_handler_new(router, note, &err, .user = &log);
	EXPECT(handler.ref >= 65536);
	EXPECT_OK(mitogen_call(child, count, NULL, &err, mitogen_handler_sender(handler), 1000));
	await_calls(&log, 1001);
	EXPECT(log.values == 1000 && log.ends == 1 && log.in_order && log.last == 0);
	for (int i = 0; i < 1000; i++) {
		MITOGEN_AUTO(message, m);
		int number;

		EXPECT(mitogen_receiver_get(doubled, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_OK(mitogen_read(m, &err, &number));
		EXPECT(number == 2 * i);
	}
	mitogen_handler_close(handler);
	mitogen_handler_close(handler);
	await_calls(&log, 1);
	EXPECT(log.last == 1);
	sem_destroy(&log.called);
}

/* More than may be sent ahead: what the function has seen makes room. */
static void returned_values_make_room(void)
{
	mitogen_context child = new_child(router, &err);
	struct log log = {0};
	mitogen_handler handler;

	sem_init(&log.called, 0, 0);
	handler = mitogen_handler_new(router, note, &err, .user = &log);
	EXPECT_OK(mitogen_call(child, count, NULL, &err, mitogen_handler_sender(handler), 50000));
	await_calls(&log, 50001);
	EXPECT(log.values == 50000);
	mitogen_router_close(router);
	EXPECT(log.last == 1);
}

/* C8 */
static void last_message_at_the_end(void)
{
	struct log log = {0}, other = {0};

	sem_init(&log.called, 0, 0);
	sem_init(&other.called, 0, 0);
	EXPECT(mitogen_handler_new(router, note, &err, .handle = PORT, .user = &log).ref == PORT);
	EXPECT(mitogen_handler_new(router, note, &err, .user = &other).ref != 0);
	EXPECT_OK(mitogen_call(new_child(router, &err), handle_quietly, NULL, &err));
	mitogen_router_close(router);
	EXPECT(log.last == 1 && log.values == 0);
	EXPECT(other.last == 1 && other.values == 0);
}

/* C13 */
static void registered_twice(void)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	mitogen_receiver second = mitogen_receiver_new(router, &err);
	struct log log = {0};
	mitogen_handler handler;

	sem_init(&log.called, 0, 0);
	EXPECT(mitogen_receiver_listen(receiver, &err, .handle = PORT).handle == PORT);
	EXPECT(mitogen_receiver_listen(second, &err, .handle = PORT).handle == 0);
	EXPECT(err.code == MITOGEN_ERR_USAGE && strstr(err.text, "handle 2000 is taken"));
	EXPECT(mitogen_handler_new(router, note, &err, .handle = PORT, .user = &log).ref == 0);
	EXPECT(err.code == MITOGEN_ERR_USAGE && strstr(err.text, "handle 2000 is taken"));
	EXPECT(mitogen_receiver_listen(receiver, &err, .handle = PORT + 1).handle == 0);
	EXPECT(err.code == MITOGEN_ERR_USAGE && strstr(err.text, "has a port already"));
	EXPECT(mitogen_receiver_sender(receiver, &err).handle == PORT);
	mitogen_receiver_close(receiver); /* then it is free */
	handler = mitogen_handler_new(router, note, &err, .handle = PORT, .user = &log);
	EXPECT(handler.ref == PORT);
	EXPECT(mitogen_receiver_listen(second, &err, .handle = PORT).handle == 0);
	mitogen_handler_close(handler);
	EXPECT(mitogen_receiver_listen(second, &err, .handle = PORT).handle == PORT);
	await_calls(&log, 1);
	EXPECT(log.last == 1);
}

static void expect_heard(mitogen_context child, const char *text)
{
	MITOGEN_AUTO(text, heard);

	EXPECT_OK(mitogen_call(child, hear, &heard, &err));
	EXPECT(strcmp(heard, text) == 0);
}

/* C7: the refusal, with its reason, comes back to who has sent. */
static void expect_refused(mitogen_context child, mitogen_context to)
{
	MITOGEN_AUTO(message, m);
	const char *text;
	char reason[64];
	int code;

	EXPECT_OK(mitogen_call(child, send_until_refused, &m, &err, to));
	EXPECT_OK(mitogen_read(m, &err, &code, &text));
	if (mitogen_context_id(to) == 0)
		snprintf(reason, sizeof(reason), "master: refused by policy");
	else
		snprintf(reason, sizeof(reason), "context %u: refused by policy",
			 mitogen_context_id(to));
	EXPECT(code == MITOGEN_ERR_REFUSED && strcmp(text, reason) == 0);
}

static void allows_parents(void)
{
	mitogen_context child = new_child(router, &err), sibling = new_child(router, &err);
	mitogen_context below = mitogen_local(child, &err);

	EXPECT_OK(mitogen_call(below, listen_at_port, NULL, &err, "parents"));
	EXPECT_OK(mitogen_send(mitogen_sender_to(below, PORT), &err, "from the master"));
	expect_heard(below, "from the master");
	EXPECT_OK(mitogen_call(child, send_once, NULL, &err, below, "from the parent"));
	expect_heard(below, "from the parent");
	expect_refused(sibling, below);
}

static void allows_children(void)
{
	mitogen_context child = new_child(router, &err), below = mitogen_local(child, &err);
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);

	EXPECT(mitogen_receiver_listen(receiver, &err, .handle = PORT,
				       .policy = mitogen_is_immediate_child)
		       .handle == PORT);
	EXPECT_OK(mitogen_call(child, send_once, NULL, &err, mitogen_self(router), "hello"));
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	expect_refused(below, mitogen_self(router));
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0); /* no end of it, too */
}

static void allows_by_own_policy(void)
{
	mitogen_context child = new_child(router, &err), friendly = new_child(router, &err);
	mitogen_context other = new_child(router, &err);

	EXPECT_OK(mitogen_call(child, listen_at_port, NULL, &err, "trusted", friendly));
	EXPECT_OK(mitogen_call(friendly, send_once, NULL, &err, child, "from a friend"));
	expect_heard(child, "from a friend");
	EXPECT_OK(mitogen_send(mitogen_sender_to(child, PORT), &err, "from the master"));
	expect_heard(child, "from the master");
	expect_refused(other, child);
}

static void nobody_is_there(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_sender to = mitogen_sender_to(child, PORT);
	int r = 0;

	while (r == 0)
		r = mitogen_send(to, &err, "hello");
	EXPECT_FAILURE(r, MITOGEN_ERR_UNKNOWN, "local.1: no such handle there");
	EXPECT_OK(mitogen_call(child, listen_at_port, NULL, &err, "any"));
	mitogen_sender_close(to); /* a second try */
	EXPECT_OK(mitogen_send(to, &err, "hello"));
	expect_heard(child, "hello");
}

static void sent_to_many(void)
{
	mitogen_context children[10];

	for (int i = 0; i < 10; i++) {
		children[i] = new_child(router, &err);
		EXPECT_OK(mitogen_call_no_reply(children[i], listen_at_port, &err, "parents"));
	}
	for (int i = 0; i < 10; i++) { /* the port is there when the function has run */
		EXPECT_OK(mitogen_call(children[i], "mitogen.ping", NULL, &err));
		EXPECT_OK(mitogen_call(children[i], send_once, NULL, &err, children[i], "x"));
		expect_heard(children[i], "x");
		EXPECT_OK(mitogen_send(mitogen_sender_to(children[i], PORT), &err, "to all"));
	}
	for (int i = 0; i < 10; i++)
		expect_heard(children[i], "to all");
}

struct attempts { /* what a handler's function tries */
	mitogen_router router;
	mitogen_context child;
	mitogen_receiver receiver;
	mitogen_handler handler;
	int call, get, poll, last;
	sem_t called;
};

static void try_things(mitogen_message *m, void *user)
{
	struct attempts *attempts = user;
	mitogen_error error = {0};
	MITOGEN_AUTO(message, got);

	attempts->last = mitogen_message_event(m) == MITOGEN_EVENT_CLOSED;
	if (!attempts->last) {
		attempts->call = mitogen_call(attempts->child, hear, NULL, &error);
		attempts->get = mitogen_receiver_get(attempts->receiver, &got, 10, &error);
		attempts->poll = mitogen_receiver_get(attempts->receiver, &got, 0, &error);
		mitogen_handler_close(attempts->handler);
	}
	sem_post(&attempts->called);
}

static void in_the_function(void)
{
	struct attempts attempts = {
		.router = router,
		.child = new_child(router, &err),
		.receiver = mitogen_receiver_new(router, &err),
		.poll = 4711,
	};

	sem_init(&attempts.called, 0, 0);
	attempts.handler = mitogen_handler_new(router, try_things, &err, .user = &attempts);
	EXPECT_OK(mitogen_send(mitogen_handler_sender(attempts.handler), &err, 1));
	EXPECT(sem_wait(&attempts.called) == 0 && sem_wait(&attempts.called) == 0);
	EXPECT(attempts.call == MITOGEN_ERR_DEADLOCK && attempts.get == MITOGEN_ERR_DEADLOCK);
	EXPECT(attempts.poll == 0 && attempts.last);
}

static void mistakes(void)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	mitogen_router stale = router, no_router = {0};
	mitogen_context no_context = {0};
	mitogen_handler none = {0};
	const uint32_t numbers[] = {1, 101, 999, 65536, UINT32_MAX};
	struct log log = {0};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		EXPECT(mitogen_receiver_listen(receiver, &err, .handle = numbers[i]).handle == 0);
		EXPECT(err.code == MITOGEN_ERR_USAGE && strstr(err.text, "from 1000 to 65535"));
	}
	EXPECT(mitogen_sender_to(no_context, PORT).handle == 0);
	mitogen_handler_close(none);
	EXPECT(mitogen_handler_sender(none).handle == 0);
	EXPECT(!mitogen_has_parent_authority(no_router, 0, 0, NULL));
	EXPECT(mitogen_has_parent_authority(router, 1, 0, NULL)); /* its own */
	EXPECT(!mitogen_has_parent_authority(router, 1, 1, NULL));
	EXPECT(!mitogen_is_immediate_child(router, 1, 1, NULL));
	mitogen_router_close(router);
	EXPECT(mitogen_handler_new(stale, note, &err, .user = &log).ref == 0);
	EXPECT(err.code == MITOGEN_ERR_CLOSED);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"called_in_order", called_in_order},
		{"returned_values_make_room", returned_values_make_room},
		{"last_message_at_the_end", last_message_at_the_end},
		{"registered_twice", registered_twice},
		{"allows_parents", allows_parents},
		{"allows_children", allows_children},
		{"allows_by_own_policy", allows_by_own_policy},
		{"nobody_is_there", nobody_is_there},
		{"sent_to_many", sent_to_many},
		{"in_the_function", in_the_function},
		{"mistakes", mistakes},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
