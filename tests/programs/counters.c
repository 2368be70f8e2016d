/* SPDX-License-Identifier: BSD-3-Clause */
/* C15: what processes count. */

#include "scenario.h"

/* ---- Functions ---- */

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

static int size_of(mitogen_message *m, mitogen_error *error)
{
	mitogen_bytes bytes;
	int r = mitogen_read(m, error, &bytes);

	return r < 0 ? r : mitogen_reply(m, error, bytes.size);
}
MITOGEN_EXPORT(size_of, MITOGEN_BYTES);

static int refuse(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	return mitogen_fail(error, "KeyError", "no user here");
}
MITOGEN_EXPORT(refuse);

static int meet(mitogen_message *m, mitogen_error *error)
{
	const char *started, *go_on;
	int r = mitogen_read(m, error, &started, &go_on);

	if (r < 0)
		return r;
	meet_as_writer(started);
	meet_as_reader(go_on);
	return 0;
}
MITOGEN_EXPORT(meet, MITOGEN_TEXT, MITOGEN_TEXT);

static int start_child(mitogen_message *m, mitogen_error *error)
{
	mitogen_context child = mitogen_local(mitogen_message_router(m), error);
	int r = mitogen_call(child, add, NULL, error, 1, 2);

	return r < 0 ? r : mitogen_reply(m, error, child);
}
MITOGEN_EXPORT(start_child);

static int stats_of_parent(mitogen_message *m, mitogen_error *error)
{
	mitogen_counters counters = {.size = sizeof(counters)};

	return mitogen_stats(mitogen_parent(mitogen_message_router(m)), &counters, error);
}
MITOGEN_EXPORT(stats_of_parent);

/* ---- Scenarios ---- */

static mitogen_counters counters_of(mitogen_context context)
{
	mitogen_counters counters = {.size = sizeof(counters)};

	EXPECT_OK(mitogen_stats(context, &counters, &err));
	EXPECT(counters.size == sizeof(counters));
	return counters;
}

/* Each call is counted at both ends, and so are its bytes. */
static void calls(void)
{
	static const char data[300000];
	mitogen_context child = mitogen_local(router, &err), self = mitogen_self(router);
	mitogen_counters before, after;
	size_t size;

	EXPECT_OK(mitogen_context_wait(child, &err));
	before = counters_of(child);
	EXPECT(before.streams == 1 && before.children == 0 && before.calls_sent == 0);
	EXPECT_OK(mitogen_call(child, add, NULL, &err, 1, 2));
	EXPECT_OK(mitogen_call(child, size_of, &size, &err, mitogen_bytes_of(data, sizeof(data))));
	EXPECT(mitogen_call(child, refuse, NULL, &err) == MITOGEN_ERR_CALL);
	EXPECT(mitogen_call(child, add, NULL, &err, "x", 1) == MITOGEN_ERR_ARGUMENT);
	EXPECT(mitogen_call(child, "adn", NULL, &err) == MITOGEN_ERR_UNKNOWN);
	after = counters_of(child);
	EXPECT(after.calls_received - before.calls_received == 6); /* that for these included */
	EXPECT(after.calls_failed - before.calls_failed == 3);
	EXPECT(after.calls_waiting == 0);
	EXPECT(after.bytes_in - before.bytes_in > sizeof(data));
	EXPECT(after.bytes_in - before.bytes_in < sizeof(data) + 2000);
	EXPECT(after.frames_in - before.frames_in == 5 + 5); /* 300,000 bytes are five of them */
	EXPECT(after.frames_out - before.frames_out == 6);
	EXPECT(after.incomplete == 0 && after.normal_queued == 0 && after.bulk_queued == 0);

	before = counters_of(self);
	EXPECT(before.children == 1 && before.streams == 1 && before.processes == 1);
	EXPECT(before.calls_pending == 1 && before.calls_sent == 8); /* with itself */
	EXPECT(before.bytes_out > sizeof(data));
	EXPECT_OK(mitogen_context_shutdown(child, &err));
	after = counters_of(self);
	EXPECT(after.children == 0 && after.streams == 0 && after.processes == 0);
	EXPECT(after.bytes_out >=
	       before.bytes_out); /* what was counted is not lost with the stream */
	EXPECT(after.contexts == before.contexts - 1);
	EXPECT(after.routes == before.routes - 1);
}

/* The counters of a process that does not run functions any more are what one wants to see. */
static void of_one_that_hangs(void)
{
	mitogen_context child = mitogen_local(router, &err);
	mitogen_receiver replies = mitogen_receiver_new(router, &err);
	const char *started = make_fifo("started"), *go_on = make_fifo("go_on");
	mitogen_counters counters;
	MITOGEN_AUTO(message, m);

	EXPECT_OK(mitogen_call_async(child, meet, replies, NULL, &err, started, go_on));
	meet_as_reader(started);
	for (int i = 0; i < 7; i++)
		EXPECT_OK(mitogen_call_async(child, add, replies, NULL, &err, i, i));
	EXPECT(counters_of(child).calls_waiting == 7);
	EXPECT(counters_of(mitogen_self(router)).calls_pending == 9);
	meet_as_writer(go_on);
	for (int i = 0; i < 8; i++)
		EXPECT(mitogen_receiver_get(replies, &m, MITOGEN_FOREVER, &err) == 1);
	counters = counters_of(child);
	EXPECT(counters.calls_waiting == 0 && counters.calls_received >= 9);
	EXPECT(counters_of(mitogen_self(router)).calls_pending == 1);
}

/* Any context below, and nobody above. */
static void at_any_depth(void)
{
	mitogen_context child = mitogen_local(router, &err), below;
	mitogen_counters counters;

	EXPECT_OK(mitogen_call(child, start_child, &below, &err));
	counters = counters_of(below);
	EXPECT(counters.children == 0 && counters.streams == 1 && counters.calls_received == 2);
	counters = counters_of(child);
	EXPECT(counters.children == 1 && counters.streams == 2 && counters.calls_sent == 1);
	EXPECT(mitogen_call(child, stats_of_parent, NULL, &err) == MITOGEN_ERR_CALL);
	EXPECT(strcmp(err.type, "MITOGEN_ERR_REFUSED") == 0);
	EXPECT(counters_of(mitogen_self(router)).refused == 1);
}

static void chains(void)
{
	mitogen_context child = mitogen_local(router, &err), chain = mitogen_chain(child);

	EXPECT_OK(mitogen_call(chain, add, NULL, &err, 1, 2));
	EXPECT_OK(mitogen_call(mitogen_chain(child), add, NULL, &err, 1, 2));
	EXPECT(counters_of(child).chains == 2);
	mitogen_chain_end(chain);
	EXPECT(counters_of(child).chains == 1);
}

/* A program of an older library knows fewer counters. */
static void versions(void)
{
	mitogen_context child = mitogen_local(router, &err);
	mitogen_counters counters;
	MITOGEN_AUTO(message, m);
	mitogen_cursor map;
	uint64_t sent = 99;

	memset(&counters, 0x55, sizeof(counters));
	counters.size = offsetof(mitogen_counters, calls_sent);
	EXPECT_OK(mitogen_stats(child, &counters, &err));
	EXPECT(counters.frames_in < 100);
	EXPECT(counters.calls_sent == UINT64_C(0x5555555555555555));
	counters.size = 0;
	EXPECT_FAILURE(mitogen_stats(child, &counters, &err), MITOGEN_ERR_USAGE, ".size");
	counters.size = sizeof(counters) + 8;
	EXPECT_FAILURE(mitogen_stats(child, &counters, &err), MITOGEN_ERR_USAGE, ".size");
	EXPECT_OK(mitogen_call(child, "mitogen.stats", &m, &err));
	EXPECT_OK(mitogen_read(m, &err, &map));
	EXPECT(mitogen_cursor_count(&map) == sizeof(counters) / 8 - 1);
	EXPECT(mitogen_find(&map, "calls_sent", &err, &sent) == 1 && sent == 0);
	EXPECT_FAILURE(mitogen_stats(mitogen_context_by_id(router, 4711), &counters, &err),
		       MITOGEN_ERR_USAGE, ".size");
	counters.size = sizeof(counters);
	EXPECT_FAILURE(mitogen_stats(mitogen_context_by_id(router, 4711), &counters, &err),
		       MITOGEN_ERR_LOST, "4711");
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"calls", calls},
		{"of_one_that_hangs", of_one_that_hangs},
		{"at_any_depth", at_any_depth},
		{"chains", chains},
		{"versions", versions},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
