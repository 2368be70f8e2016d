/* SPDX-License-Identifier: BSD-3-Clause */
/* C22: what calls leave behind in memory: nothing, however they end, in the caller and in the callee. */
#include <malloc.h>

#include "scenario.h"

#define ROUNDS 5000
#define SLACK  4096 /* bytes that tables may have grown by; a leak of a byte a call is more */

static int echo(mitogen_message *m, mitogen_error *error)
{
	const char *text;
	int r = mitogen_read(m, error, &text);

	return r < 0 ? r : mitogen_reply(m, error, text);
}
MITOGEN_EXPORT(echo, MITOGEN_TEXT);

static int fail(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	return mitogen_fail(error, "TestError", "as asked");
}
MITOGEN_EXPORT(fail);

static int64_t allocated(void)
{
	return (int64_t)mallinfo2().uordblks;
}

static int allocated_there(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, allocated());
}
MITOGEN_EXPORT(allocated_there);

static void call_in_all_ways(mitogen_context child, mitogen_receiver receiver)
{
	mitogen_context chain = mitogen_chain(child);
	MITOGEN_AUTO(message, m);
	MITOGEN_AUTO(text, text);

	EXPECT_OK(mitogen_call(child, echo, &text, &err, "some text"));
	EXPECT_OK(mitogen_call(child, echo, &m, &err, "some text"));
	EXPECT(mitogen_call(child, fail, NULL, &err) == MITOGEN_ERR_CALL);
	EXPECT(mitogen_call(child, "unknown", NULL, &err) == MITOGEN_ERR_UNKNOWN);
	EXPECT(mitogen_call(child, echo, NULL, &err, 1) == MITOGEN_ERR_ARGUMENT);
	EXPECT_OK(mitogen_call_no_reply(chain, echo, &err, "no answer"));
	EXPECT_OK(mitogen_call_async(chain, echo, receiver, NULL, &err, "later"));
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	mitogen_chain_end(chain);
}

static void calls_leave_nothing(void)
{
	mitogen_context child = mitogen_local(router, &err);
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	int64_t here = 0, there = 0, here_then, there_then;

	for (int i = 0; i < 2 * ROUNDS; i++) {
		if (i == ROUNDS) { /* tables have their sizes now */
			EXPECT_OK(mitogen_call(child, allocated_there, &there, &err));
			here = allocated();
		}
		call_in_all_ways(child, receiver);
	}
	EXPECT_OK(mitogen_call(child, allocated_there, &there_then, &err));
	here_then = allocated();
	EXPECT(here_then - here < SLACK);
	EXPECT(there_then - there < SLACK);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"calls_leave_nothing", calls_leave_nothing},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
