/* SPDX-License-Identifier: BSD-3-Clause */
/* What passes through a context on its way to another one. */
#include <signal.h>

#include "scenario.h"

#define MESSAGE_MAX (2 << 20)
#define ARGUMENT    (512 * 1024)
#define CALLS_MAX   64

static int own_pid(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, getpid());
}
MITOGEN_EXPORT(own_pid);

static int size_of(mitogen_message *m, mitogen_error *error)
{
	mitogen_bytes data;
	int r = mitogen_read(m, error, &data);

	return r < 0 ? r : mitogen_reply(m, error, data.size);
}
MITOGEN_EXPORT(size_of, MITOGEN_BYTES);

/* A context that reads nothing is sent more than the one before it keeps: that one says so, and goes
 * on with everything else. What it has kept arrives. */
static void full_queue(void)
{
	static const char data[ARGUMENT];
	MITOGEN_AUTO(message, m);
	mitogen_router small = mitogen_router_new(&err, .max_message = MESSAGE_MAX);
	mitogen_context outer = mitogen_local(small, &err), inner = mitogen_local(outer, &err);
	mitogen_receiver results = mitogen_receiver_new(small, &err);
	int sent = 0, refused = 0, pid = 0;
	size_t size;

	EXPECT_OK(mitogen_call(inner, own_pid, &pid, &err));
	EXPECT(kill(pid, SIGSTOP) == 0);
	for (; !refused && sent < CALLS_MAX; sent++) {
		EXPECT_OK(mitogen_call_async(inner, size_of, results, NULL, &err,
					     mitogen_bytes_of(data, sizeof(data))));
		EXPECT_OK(mitogen_call(outer, own_pid, NULL, &err)); /* behind it */
		refused = mitogen_receiver_get(results, &m, 0, &err);
		EXPECT_OK(refused);
	}
	EXPECT(sent > MESSAGE_MAX / ARGUMENT && sent < CALLS_MAX);
	EXPECT_FAILURE(mitogen_read(m, &err, &size), MITOGEN_ERR_TOO_BIG,
		       "the queue to local.1/local.1 is full");
	EXPECT(kill(pid, SIGCONT) == 0);
	for (int i = 1; i < sent; i++) {
		EXPECT(mitogen_receiver_get(results, &m, MITOGEN_FOREVER, &err) > 0);
		EXPECT_OK(mitogen_read(m, &err, &size));
		EXPECT(size == sizeof(data));
	}
	EXPECT_OK(mitogen_call(inner, size_of, &size, &err, mitogen_bytes_of(data, sizeof(data))));
	mitogen_router_close(small);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"full_queue", full_queue},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
