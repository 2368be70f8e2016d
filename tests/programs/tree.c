/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts below contexts: how deep, how called, who reaches whom. */
#include "tree.h"

#define DEPTH_MAX 64

/* ---- Functions ---- */

/* Its name, its ID, its parent's, who called it; PID and parent's PID. */
static int whoami(mitogen_message *m, mitogen_error *error)
{
	mitogen_router here = mitogen_message_router(m);
	char name[2048];

	return mitogen_reply(
		m, error, mitogen_context_name(mitogen_self(here), name, sizeof(name)),
		mitogen_context_id(mitogen_self(here)), mitogen_context_id(mitogen_parent(here)),
		mitogen_context_id(mitogen_message_from(m)), (int)getpid(), (int)getppid());
}
MITOGEN_EXPORT(whoami);

/* Starts a child here, and does not wait for it. */
static int start_child(mitogen_message *m, mitogen_error *error)
{
	mitogen_context child = mitogen_local(mitogen_message_router(m), error);

	return child.ref ? mitogen_reply(m, error, child) : error->code;
}
MITOGEN_EXPORT(start_child);

/* The same via the context that is given. */
static int start_via(mitogen_message *m, mitogen_error *error)
{
	mitogen_context via, child;
	int r = mitogen_read(m, error, &via);

	if (r < 0)
		return r;
	child = mitogen_local(via, error);
	return child.ref ? mitogen_reply(m, error, child) : error->code;
}
MITOGEN_EXPORT(start_via, MITOGEN_CONTEXT);

/* As many, each with one of its own, all of which work. */
static int start_many(mitogen_message *m, mitogen_error *error)
{
	mitogen_context children[2100];
	int count, sum, r = mitogen_read(m, error, &count);

	for (int i = 0; r >= 0 && i < count; i++) {
		children[i] = mitogen_local(mitogen_message_router(m), error);
		r = mitogen_call(children[i], add, &sum, error, i, 1);
		if (r >= 0)
			r = mitogen_context_shutdown(children[i], error);
	}
	return r;
}
MITOGEN_EXPORT(start_many, MITOGEN_INT);

static int call_add(mitogen_message *m, mitogen_error *error)
{
	mitogen_context context;
	int64_t sum;
	int r = mitogen_read(m, error, &context);

	if (r == 0)
		r = mitogen_call(context, add, &sum, error, 1, 2);
	return r < 0 ? r : mitogen_reply(m, error, sum);
}
MITOGEN_EXPORT(call_add, MITOGEN_CONTEXT);

static int size_of(mitogen_message *m, mitogen_error *error)
{
	mitogen_bytes bytes;
	int r = mitogen_read(m, error, &bytes);

	return r < 0 ? r : mitogen_reply(m, error, bytes.size);
}
MITOGEN_EXPORT(size_of, MITOGEN_BYTES);

static int make_bytes(mitogen_message *m, mitogen_error *error)
{
	size_t size;
	int r = mitogen_read(m, error, &size);
	char *data = r < 0 ? NULL : calloc(1, size);

	if (data)
		r = mitogen_reply(m, error, mitogen_bytes_of(data, size));
	free(data);
	return r;
}
MITOGEN_EXPORT(make_bytes, MITOGEN_INT);

/* What a far port that is not there says. */
static int call_port(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	int r = mitogen_read(m, error, &to);

	while (r >= 0) /* the first ones may be on their way when the answer comes */
		r = mitogen_send(to, error, "is anybody there?");
	return r;
}
MITOGEN_EXPORT(call_port, MITOGEN_SENDER);

/* ---- Depth ---- */

static void depths(void)
{
	static mitogen_context line[DEPTH_MAX + 1];
	char path[2048] = "";
	uint32_t parent = 0;
	int parent_pid = getpid();

	start_line(line, DEPTH_MAX + 1);
	for (int i = 0; i < DEPTH_MAX; i++) {
		MITOGEN_AUTO(message, m);
		char mine[2048];
		const char *name;
		uint32_t id, parent_id, from;
		int pid, ppid;

		snprintf(path + strlen(path), sizeof(path) - strlen(path), "%slocal.1",
			 i > 0 ? "/" : "");
		EXPECT_OK(mitogen_call(line[i], whoami, &m, &err));
		EXPECT_OK(mitogen_read(m, &err, &name, &id, &parent_id, &from, &pid, &ppid));
		EXPECT(strcmp(name, path) == 0);
		EXPECT(strcmp(mitogen_context_name(line[i], mine, sizeof(mine)), path) == 0);
		EXPECT(id == mitogen_context_id(line[i]) && id != parent_id);
		EXPECT(parent_id == parent && ppid == parent_pid && from == 0);
		parent = id;
		parent_pid = pid;
	}
	EXPECT_FAILURE(mitogen_call(line[DEPTH_MAX], add, NULL, &err, 1, 2), MITOGEN_ERR_USAGE,
		       "contexts are nested 64 deep at most");
	EXPECT(strstr(err.text, "local.1/local.1") == err.text);
	expect_works(line[DEPTH_MAX - 1]);
	EXPECT_OK(mitogen_context_shutdown(line[DEPTH_MAX / 2], &err));
	expect_works(line[DEPTH_MAX / 2 - 1]);
}

static void large_values(void)
{
	enum {
		SIZE = 3000000
	};
	mitogen_context line[3];
	MITOGEN_AUTO(message, m);
	mitogen_bytes bytes;
	char *data = calloc(1, SIZE);
	size_t size;

	start_line(line, 3);
	EXPECT_OK(mitogen_call(line[2], size_of, &size, &err, mitogen_bytes_of(data, SIZE)));
	EXPECT(size == SIZE);
	EXPECT_OK(mitogen_call(line[2], make_bytes, &m, &err, SIZE));
	EXPECT_OK(mitogen_read(m, &err, &bytes));
	EXPECT(bytes.size == SIZE);
	free(data);
}

/* At the sender, whichever that is; everything goes on. */
static void too_large(void)
{
	enum {
		SIZE = 3000000
	};
	mitogen_context line[3];
	char *data = calloc(1, SIZE);
	size_t size;

	mitogen_router_close(router);
	router = mitogen_router_new(&err, .max_message = 1 << 20);
	start_line(line, 3);
	EXPECT_FAILURE(mitogen_call(line[2], size_of, &size, &err, mitogen_bytes_of(data, SIZE)),
		       MITOGEN_ERR_TOO_BIG, "the limit is 1048576");
	EXPECT_FAILURE(mitogen_call(line[2], make_bytes, NULL, &err, SIZE), MITOGEN_ERR_CALL,
		       "the limit is 1048576");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_TOO_BIG") == 0);
	expect_works(line[2]);
	free(data);
}

/* ---- Who has started whom ---- */

/* A context that has just been made somewhere can be given away at once. */
static void given_away_at_once(void)
{
	mitogen_context child = mitogen_local(router, &err), below[20];
	char name[64], path[64];

	for (int i = 0; i < 20; i++)
		EXPECT_OK(mitogen_call(child, start_child, &below[i], &err));
	for (int i = 0; i < 20; i++) {
		expect_works(below[i]);
		snprintf(path, sizeof(path), "local.1/local.%d", i + 1);
		EXPECT(strcmp(mitogen_context_name(below[i], name, sizeof(name)), path) == 0);
	}
	expect_works(mitogen_context_by_id(router, mitogen_context_id(below[7])));
	EXPECT_OK(mitogen_context_shutdown(below[3], &err));
	EXPECT_FAILURE(mitogen_call(below[3], add, NULL, &err, 1, 2), MITOGEN_ERR_LOST,
		       "local.1/local.4: add: ");
}

/* Each of three starts contexts via those that others have started. */
static void mixed(void)
{
	mitogen_context a = mitogen_local(router, &err), b = mitogen_local(a, &err), c, d, e;

	EXPECT_OK(mitogen_call(b, start_child, &c, &err));
	d = mitogen_local(c, &err);
	EXPECT_OK(mitogen_call(a, start_via, &e, &err, d));
	expect_works(e);
	EXPECT_FAILURE(mitogen_call(b, start_via, NULL, &err, a), MITOGEN_ERR_CALL,
		       "is not below this process");
	EXPECT_OK(mitogen_context_shutdown(e, &err));
	EXPECT_OK(mitogen_context_shutdown(d, &err));
	expect_works(c);
	EXPECT_OK(mitogen_context_shutdown(a, &err));
	EXPECT_FAILURE(mitogen_call(c, add, NULL, &err, 1, 2), MITOGEN_ERR_CLOSED,
		       "local.1/local.1/local.1: add: the context was shut down");
}

/* More than a child has IDs of its own; all of them via the same one. */
static void many_ids(void)
{
	mitogen_context child = mitogen_local(router, &err), below = mitogen_local(child, &err);

	EXPECT_OK(mitogen_call(below, start_many, NULL, &err, 30));
	EXPECT_OK(mitogen_call(child, start_many, NULL, &err, 1100));
	expect_works(below);
}

static void many_via_one(void)
{
	enum {
		COUNT = 200
	};
	mitogen_context via = mitogen_local(router, &err), contexts[COUNT];
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);
	int seen[COUNT] = {0};

	for (int i = 0; i < COUNT; i++) {
		contexts[i] = mitogen_local(via, &err);
		EXPECT_OK(mitogen_call_async(contexts[i], add, receiver, &seen[i], &err, i, 1));
	}
	for (int i = 0; i < COUNT; i++) {
		int sum, *tag;

		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		tag = mitogen_message_tag(m);
		EXPECT_OK(mitogen_read(m, &err, &sum));
		EXPECT(sum == tag - seen + 1 && ++*tag == 1);
	}
	mitogen_receiver_close(receiver);
}

/* ---- Who reaches whom ---- */

static void cousins_talk(void)
{
	mitogen_context left[3], right[3];

	start_line(left, 3);
	start_line(right, 3);
	expect_talk(left[2], right[2]);
	expect_talk(right[2], left[2]);
	expect_talk(left[2], left[0]);
	expect_talk(left[0], right[2]);
	expect_talk(mitogen_local(left[1], &err), left[2]);
}

/* A context runs the calls of those above it alone, wherever the caller is. */
static void cousins_do_not_call(void)
{
	mitogen_context left[3], right[3];
	int64_t sum;

	start_line(left, 3);
	start_line(right, 3);
	EXPECT_OK(mitogen_context_wait(right[2], &err));
	EXPECT_FAILURE(mitogen_call(left[2], call_add, &sum, &err, right[2]), MITOGEN_ERR_CALL,
		       "refused by policy");
	EXPECT_FAILURE(mitogen_call(left[2], call_add, &sum, &err, left[0]), MITOGEN_ERR_CALL,
		       "refused by policy");
	EXPECT_OK(mitogen_call(left[0], call_add, &sum, &err, left[2]));
	EXPECT(sum == 3);
}

static void dead_ends(void)
{
	mitogen_context left[2], right[3];
	mitogen_sender address;

	start_line(left, 2);
	start_line(right, 3);
	EXPECT_OK(mitogen_call(right[2], open_inbox, &address, &err));
	address.handle += 1; /* nobody's */
	EXPECT_FAILURE(mitogen_call(left[1], call_port, NULL, &err, address), MITOGEN_ERR_CALL,
		       "the receiver is closed");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_CLOSED") == 0);
	address.context = 4000000; /* nobody */
	EXPECT_FAILURE(mitogen_call(left[1], call_port, NULL, &err, address), MITOGEN_ERR_CALL,
		       "no route to that context");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_LOST") == 0);
	EXPECT_FAILURE(mitogen_call(mitogen_context_by_id(router, 4000000), add, NULL, &err, 1, 2),
		       MITOGEN_ERR_LOST, "context 4000000: add: no route to that context");
	expect_works(left[1]);
	expect_works(right[2]);
}

static void expect_refused(mitogen_context from, mitogen_context to)
{
	mitogen_sender address;
	int64_t sum;

	EXPECT_OK(mitogen_call(to, open_inbox, &address, &err));
	EXPECT_FAILURE(mitogen_call(from, call_port, NULL, &err, address), MITOGEN_ERR_CALL,
		       "routing is unidirectional");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_REFUSED") == 0);
	EXPECT_FAILURE(mitogen_call(from, call_add, &sum, &err, to), MITOGEN_ERR_CALL,
		       "routing is unidirectional");
}

static void unidirectional(void)
{
	mitogen_context left[3], right[3], sibling;
	mitogen_receiver receiver;
	MITOGEN_AUTO(message, m);
	const char *text;

	mitogen_router_close(router);
	router = mitogen_router_new(&err, .unidirectional = true);
	start_line(left, 3);
	start_line(right, 3);
	sibling = mitogen_local(left[1], &err);
	expect_refused(left[2], sibling);  /* siblings */
	expect_refused(left[2], right[2]); /* cousins */
	expect_refused(left[2], right[0]); /* uncles */
	expect_refused(left[0], right[2]);
	expect_talk(left[2], left[0]); /* up */
	expect_talk(left[0], left[2]); /* down */
	receiver = mitogen_receiver_new(router, &err);
	EXPECT_OK(mitogen_call(left[2], greet, NULL, &err, mitogen_receiver_sender(receiver, &err),
			       "to the top"));
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err, &text));
	EXPECT(strcmp(text, "to the top") == 0);
	mitogen_receiver_close(receiver);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"depths", depths},
		{"large_values", large_values},
		{"too_large", too_large},
		{"given_away_at_once", given_away_at_once},
		{"mixed", mixed},
		{"many_ids", many_ids},
		{"many_via_one", many_via_one},
		{"cousins_talk", cousins_talk},
		{"cousins_do_not_call", cousins_do_not_call},
		{"dead_ends", dead_ends},
		{"unidirectional", unidirectional},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
