/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of exported functions in a child: results, failures, time limits, many at once. */
#include <errno.h>
#include <pthread.h>

#include "scenario.h"

/* ---- Functions ---- */

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

static int refuse(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	return mitogen_fail(error, "KeyError", "no user \"%s\" here", "nobody");
}
MITOGEN_EXPORT(refuse);

static int open_missing(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	errno = ENOENT;
	return mitogen_fail_errno(error, "cannot open %s", "/some/file");
}
MITOGEN_EXPORT(open_missing);

static int fail_silently(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	return MITOGEN_ERR_TOO_BIG;
}
MITOGEN_EXPORT(fail_silently);

static int fail_after_reply(mitogen_message *m, mitogen_error *error)
{
	int r = mitogen_reply(m, error, 7);

	return r < 0 ? r : mitogen_fail(error, NULL, "too late");
}
MITOGEN_EXPORT(fail_after_reply);

static int reply_twice(mitogen_message *m, mitogen_error *error)
{
	int first = mitogen_reply(m, error, 1);

	return first < 0 ? first : mitogen_reply(m, error, 2) == MITOGEN_ERR_USAGE ? 0 : -1;
}
MITOGEN_EXPORT(reply_twice);

static int reply_nothing(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	return 0;
}
MITOGEN_EXPORT(reply_nothing);

static int reply_several(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, 1, "two", 3.5);
}
MITOGEN_EXPORT(reply_several);

static int reply_bytes(mitogen_message *m, mitogen_error *error)
{
	MITOGEN_AUTO(text, data);
	size_t size;
	int r = mitogen_read(m, error, &size);

	if (r < 0)
		return r;
	data = malloc(size);
	if (!data)
		return mitogen_fail_errno(error, "no memory");
	memset(data, 'x', size);
	return mitogen_reply(m, error, mitogen_bytes_of(data, size));
}
MITOGEN_EXPORT(reply_bytes, MITOGEN_INT);

static int count_bytes(mitogen_message *m, mitogen_error *error)
{
	mitogen_bytes bytes;
	int r = mitogen_read(m, error, &bytes);

	return r < 0 ? r : mitogen_reply(m, error, bytes.size);
}
MITOGEN_EXPORT(count_bytes, MITOGEN_BYTES);

/* With defaults for what is left out. */
static int scale(mitogen_message *m, mitogen_error *error)
{
	int number, factor;
	const char *unit;
	int r = mitogen_read(m, error, &number, &factor, &unit);
	char text[64];

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%d %s", number * (factor ? factor : 10), unit ? unit : "m");
	return mitogen_reply(m, error, text);
}
MITOGEN_EXPORT(scale, MITOGEN_INT, MITOGEN_INT | MITOGEN_NIL, MITOGEN_TEXT | MITOGEN_NIL);

static int sum_all(mitogen_message *m, mitogen_error *error)
{
	int values[8] = {0};
	int r = mitogen_read(m, error, &values[0], &values[1], &values[2], &values[3]);

	return r < 0 ? r : mitogen_reply(m, error, values[0] + values[1] + values[2] + values[3]);
}
MITOGEN_EXPORT(sum_all, MITOGEN_INT, MITOGEN_REST);

/* Says on a fifo that it runs, then waits at another. */
static int meet(mitogen_message *m, mitogen_error *error)
{
	const char *started, *go_on;
	int r = mitogen_read(m, error, &started, &go_on);

	if (r < 0)
		return r;
	meet_as_writer(started);
	meet_as_reader(go_on);
	return mitogen_reply(m, error, "met");
}
MITOGEN_EXPORT(meet, MITOGEN_TEXT, MITOGEN_TEXT);

/* What a function finds out about the process that it runs in. */
static int whoami(mitogen_message *m, mitogen_error *error)
{
	mitogen_router here = mitogen_message_router(m);
	mitogen_context parent = mitogen_parent(here);

	return mitogen_reply(m, error, mitogen_context_id(mitogen_self(here)),
			     mitogen_context_id(parent), mitogen_parent(here).ref == 0,
			     mitogen_context_id(mitogen_message_from(m)));
}
MITOGEN_EXPORT(whoami);

static int not_exported(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, 0);
}

/* ---- Scenarios ---- */

static void by_pointer_and_name(void)
{
	mitogen_context child = new_child(router, &err);
	char name[64];
	int sum = 0;

	EXPECT_OK(mitogen_call(child, add, &sum, &err, 20, 22));
	EXPECT(sum == 42);
	EXPECT_OK(mitogen_call(child, "add", &sum, &err, -1, INT64_C(-2)));
	EXPECT(sum == -3);
	EXPECT_OK(mitogen_context_wait(child, &err));
	EXPECT(strcmp(mitogen_context_name(child, name, sizeof(name)), "local.1") == 0);
	EXPECT(err.code == 0);
}

static void results(void)
{
	mitogen_context child = new_child(router, &err);
	MITOGEN_AUTO(message, m);
	MITOGEN_AUTO(text, copy);
	int one = 9;
	double three;

	EXPECT_OK(mitogen_call(child, reply_several, &m, &err));
	EXPECT_OK(mitogen_read(m, &err, &one, &copy, &three));
	EXPECT(one == 1 && strcmp(copy, "two") == 0 && three == 3.5);
	EXPECT_OK(mitogen_call(child, reply_nothing, &one, &err));
	EXPECT(one == 0);
	EXPECT_OK(mitogen_call(child, reply_twice, &one, &err));
	EXPECT(one == 1);
	EXPECT_OK(mitogen_call(child, add, NULL, &err, 1, 1));
	one = 5;
	EXPECT_FAILURE(mitogen_call(child, reply_several, &one, &err), MITOGEN_ERR_TYPE, "a list");
	EXPECT(one == 5);
}

static void failures(void)
{
	mitogen_context child = new_child(router, &err, .name = "db");
	int result = 5;

	EXPECT_FAILURE(mitogen_call(child, refuse, &result, &err), MITOGEN_ERR_CALL,
		       "db: refuse: no user \"nobody\" here");
	EXPECT(strcmp(err.type, "KeyError") == 0 && strcmp(err.where, "db: refuse") == 0);
	EXPECT(err.sys == 0 && result == 5);
	EXPECT_FAILURE(mitogen_call(child, open_missing, &result, &err), MITOGEN_ERR_CALL,
		       "cannot open /some/file: No such file or directory");
	EXPECT(strcmp(err.type, "ENOENT") == 0 && err.sys == ENOENT);
	EXPECT_FAILURE(mitogen_call(child, fail_silently, NULL, &err), MITOGEN_ERR_CALL,
		       "fail_silently");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_TOO_BIG") == 0);
	EXPECT_OK(mitogen_call(child, add, &result, &err, 1, 2));
	EXPECT(result == 3);
	EXPECT(mitogen_call(child, refuse, NULL, NULL) == MITOGEN_ERR_CALL);
}

static void failure_after_reply(void)
{
	mitogen_context child = new_child(router, &err);
	int result;

	EXPECT_OK(mitogen_call(child, fail_after_reply, &result, &err));
	EXPECT(result == 7);
	EXPECT_OK(mitogen_context_shutdown(child, &err));
}

static void arguments(void)
{
	mitogen_context child = new_child(router, &err);
	MITOGEN_AUTO(text, text);
	int sum = 5;

	EXPECT_FAILURE(mitogen_call(child, add, &sum, &err, 1), MITOGEN_ERR_ARGUMENT,
		       "argument 2 is missing");
	EXPECT(sum == 5);
	EXPECT_FAILURE(mitogen_call(child, add, &sum, &err, 1, 2, 3), MITOGEN_ERR_ARGUMENT,
		       "3 arguments");
	EXPECT_FAILURE(mitogen_call(child, add, &sum, &err, 1, "2"), MITOGEN_ERR_ARGUMENT,
		       "argument 2 is of another type");
	EXPECT(strcmp(err.where, "local.1: add") == 0);

	EXPECT_OK(mitogen_call(child, scale, &text, &err, 4));
	EXPECT(strcmp(text, "40 m") == 0);
	free(text);
	text = NULL;
	EXPECT_OK(mitogen_call(child, scale, &text, &err, 4, mitogen_nil(), "s"));
	EXPECT(strcmp(text, "40 s") == 0);
	EXPECT_OK(mitogen_call(child, sum_all, &sum, &err, 1, 2, 3));
	EXPECT(sum == 6);
}

static void unknown_functions(void)
{
	mitogen_context child = new_child(router, &err);

	EXPECT_FAILURE(mitogen_call(child, not_exported, NULL, &err), MITOGEN_ERR_UNKNOWN,
		       "MITOGEN_EXPORT");
	EXPECT_FAILURE(mitogen_call(child, "adn", NULL, &err), MITOGEN_ERR_UNKNOWN, "\"adn\"");
	EXPECT(strcmp(err.where, "local.1: adn") == 0);
	EXPECT_FAILURE(mitogen_call(mitogen_self(router), add, NULL, &err, 1, 2),
		       MITOGEN_ERR_DEADLOCK, "itself");
}

/* Nobody waits for these; each failure shows in the log. */
static void without_reply(void)
{
	mitogen_context child = new_child(router, &err);

	EXPECT_OK(mitogen_context_wait(child, &err));
	EXPECT_OK(mitogen_call_no_reply(child, add, &err, 1, 2));
	EXPECT_OK(mitogen_call_no_reply(child, refuse, &err));
	EXPECT_OK(mitogen_call_no_reply(child, "adn", &err, 1, 2));
	EXPECT_OK(mitogen_call_no_reply(child, add, &err, "x", 2));
	EXPECT_OK(mitogen_context_shutdown(child, &err));
}

/* A call through a handle of none keeps the reason why it is none. */
static void first_error_stays(void)
{
	mitogen_context child = new_child(router, &err, .name = "a/b");
	mitogen_context none = {0};
	mitogen_error first = err;
	mitogen_receiver receiver;

	EXPECT(child.ref == 0 && first.code == MITOGEN_ERR_USAGE);
	EXPECT(mitogen_call(child, add, NULL, &err, 1, 2) == MITOGEN_ERR_USAGE);
	EXPECT(mitogen_context_wait(child, &err) == MITOGEN_ERR_USAGE);
	receiver = mitogen_receiver_new(router, &err);
	EXPECT(mitogen_call_async(child, add, receiver, NULL, &err, 1, 2) == MITOGEN_ERR_USAGE);
	EXPECT(strcmp(err.text, first.text) == 0);
	err.code = 0;
	EXPECT_FAILURE(mitogen_call(none, add, NULL, &err, 1, 2), MITOGEN_ERR_USAGE, "none");
}

static void contexts(void)
{
	mitogen_context child = mitogen_local(router, &err);
	MITOGEN_AUTO(message, m);
	uint32_t id, parent, from;
	bool is_master;
	int sum;

	EXPECT(mitogen_context_id(mitogen_self(router)) == 0);
	EXPECT(mitogen_parent(router).ref == 0);
	EXPECT_OK(mitogen_call(child, whoami, &m, &err));
	EXPECT_OK(mitogen_read(m, &err, &id, &parent, &is_master, &from));
	EXPECT(id == mitogen_context_id(child) && id > 0);
	EXPECT(parent == 0 && from == 0 && !is_master);

	EXPECT_OK(mitogen_call(mitogen_context_by_id(router, id), add, &sum, &err, 20, 22));
	EXPECT(sum == 42);
	EXPECT(mitogen_context_id(mitogen_context_by_id(router, 0)) == 0);
	EXPECT(mitogen_context_by_id(router, UINT32_MAX).ref == 0);
	EXPECT_FAILURE(mitogen_call(mitogen_context_by_id(router, 4711), add, &sum, &err, 1, 2),
		       MITOGEN_ERR_LOST, "context 4711: add: no route");
	EXPECT_OK(mitogen_context_shutdown(child, &err));
	EXPECT_FAILURE(mitogen_call(mitogen_context_by_id(router, id), add, &sum, &err, 1, 2),
		       MITOGEN_ERR_CLOSED, "shut down");
}

static void async_calls(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);
	static char seen[1000];
	int64_t sum;

	for (int i = 0; i < 1000; i++)
		EXPECT_OK(mitogen_call_async(child, add, receiver, &seen[i], &err, i, 1));
	for (int i = 0; i < 1000; i++) {
		char *tag;

		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_OK(mitogen_read(m, &err, &sum));
		tag = mitogen_message_tag(m);
		EXPECT(tag - seen == i && sum == i + 1 && ++*tag == 1);
		EXPECT(mitogen_context_id(mitogen_message_from(m)) == mitogen_context_id(child));
	}
	EXPECT_OK(mitogen_call_async(child, refuse, receiver, seen, &err));
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_FAILURE(mitogen_read(m, &err, &sum), MITOGEN_ERR_CALL, "local.1: refuse: no user");
	EXPECT(mitogen_message_tag(m) == seen);
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
	mitogen_receiver_close(receiver);
	EXPECT_FAILURE(mitogen_receiver_get(receiver, &m, 0, &err), MITOGEN_ERR_CLOSED, "closed");
}

/* What comes too late for one caller is not taken for another's answer. */
static void time_limits(void)
{
	mitogen_context child = new_child(router, &err), hurried = mitogen_within(child, 20);
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	const char *started = make_fifo("started"), *go_on = make_fifo("go_on");
	MITOGEN_AUTO(message, m);
	int sum;

	EXPECT_OK(mitogen_context_wait(child, &err));
	EXPECT_OK(mitogen_call_async(child, meet, receiver, NULL, &err, started, go_on));
	meet_as_reader(started);
	EXPECT_FAILURE(mitogen_call(hurried, add, &sum, &err, 1, 2), MITOGEN_ERR_TIMEOUT,
		       "in time");
	EXPECT(strcmp(err.where, "local.1: add") == 0);
	EXPECT_FAILURE(mitogen_call(mitogen_within(child, 0), add, &sum, &err, 1, 2),
		       MITOGEN_ERR_TIMEOUT, "in time");
	EXPECT_OK(mitogen_call_async(hurried, add, receiver, &sum, &err, 3, 4));
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT(mitogen_message_tag(m) == &sum);
	EXPECT_FAILURE(mitogen_read(m, &err, &sum), MITOGEN_ERR_TIMEOUT, "local.1: add: ");
	meet_as_writer(go_on);
	EXPECT_OK(mitogen_call(child, add, &sum, &err, 5, 6));
	EXPECT(sum == 11);
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT(mitogen_message_tag(m) == NULL);
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
}

static void large_values(void)
{
	static char data[20 << 20];
	mitogen_context child = new_child(router, &err);
	MITOGEN_AUTO(message, m);
	mitogen_bytes bytes;
	size_t count;

	EXPECT_OK(mitogen_call(child, count_bytes, &count, &err,
			       mitogen_bytes_of(data, sizeof(data))));
	EXPECT(count == sizeof(data));
	EXPECT_OK(mitogen_call(child, reply_bytes, &m, &err, sizeof(data)));
	EXPECT_OK(mitogen_read(m, &err, &bytes));
	memset(data, 'x', sizeof(data));
	EXPECT(bytes.size == sizeof(data) && memcmp(bytes.data, data, sizeof(data)) == 0);
}

/* Both ways; afterwards the stream is as good as before. */
static void too_large(void)
{
	static const char data[300000];
	mitogen_router small = new_router(&err, .max_message = 200000);
	mitogen_context child = new_child(small, &err);
	size_t count;

	EXPECT_FAILURE(mitogen_call(child, count_bytes, &count, &err,
				    mitogen_bytes_of(data, sizeof(data))),
		       MITOGEN_ERR_TOO_BIG, "200000");
	EXPECT_FAILURE(mitogen_call(child, reply_bytes, NULL, &err, sizeof(data)), MITOGEN_ERR_CALL,
		       "200000");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_TOO_BIG") == 0);
	EXPECT_OK(mitogen_call(child, count_bytes, &count, &err, mitogen_bytes_of(data, 150000)));
	EXPECT(count == 150000);
	mitogen_router_close(small);
	for (size_t more = 1; more < SIZE_MAX / 4; more *= 2) {
		EXPECT(new_router(&err, .max_message = (128 << 20) + more).ref == 0);
		EXPECT_FAILURE(err.code, MITOGEN_ERR_USAGE, "at most 134217728");
		EXPECT(strstr(err.text, "max_message"));
	}
	small = new_router(&err, .max_message = 128 << 20);
	EXPECT_OK(mitogen_call(new_child(small, &err), count_bytes, &count, &err,
			       mitogen_bytes_of(data, sizeof(data))));
	EXPECT(count == sizeof(data));
	mitogen_router_close(small);
}

static mitogen_context crowd[3];

static void *call_often(void *argument)
{
	mitogen_error mine = {0};
	int number = *(int *)argument;

	for (int i = 0; i < 300; i++) {
		int64_t sum = 0;

		if (mitogen_call(crowd[i % 3], add, &sum, &mine, number, i) < 0 ||
		    sum != number + i)
			return argument;
	}
	return NULL;
}

static void many_threads(void)
{
	pthread_t threads[8];
	int numbers[8];

	for (int i = 0; i < 3; i++)
		crowd[i] = new_child(router, &err);
	for (int i = 0; i < 8; i++) {
		numbers[i] = i * 1000;
		EXPECT(pthread_create(&threads[i], NULL, call_often, &numbers[i]) == 0);
	}
	for (int i = 0; i < 8; i++) {
		void *failed;

		EXPECT(pthread_join(threads[i], &failed) == 0 && !failed);
	}
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"by_pointer_and_name", by_pointer_and_name},
		{"results", results},
		{"failures", failures},
		{"failure_after_reply", failure_after_reply},
		{"arguments", arguments},
		{"unknown_functions", unknown_functions},
		{"without_reply", without_reply},
		{"first_error_stays", first_error_stays},
		{"async_calls", async_calls},
		{"contexts", contexts},
		{"time_limits", time_limits},
		{"large_values", large_values},
		{"too_large", too_large},
		{"many_threads", many_threads},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
