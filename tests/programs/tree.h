/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs share whose contexts start contexts, by and via each other. */
#pragma once

#include <signal.h>

#include "scenario.h"

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

static int get_pid(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, (int)getpid());
}
MITOGEN_EXPORT(get_pid);

static int hang(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	return pause();
}
MITOGEN_EXPORT(hang);

static mitogen_receiver inbox; /* of a child, from one call to the next */

static int open_inbox(mitogen_message *m, mitogen_error *error)
{
	inbox = mitogen_receiver_new(mitogen_message_router(m), error);
	return mitogen_reply(m, error, mitogen_receiver_sender(inbox, error));
}
MITOGEN_EXPORT(open_inbox);

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

static int greet(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	const char *text;
	int r = mitogen_read(m, error, &to, &text);

	return r < 0 ? r : mitogen_send(to, error, text);
}
MITOGEN_EXPORT(greet, MITOGEN_SENDER, MITOGEN_TEXT);

/* ---- In the master ---- */

/* Each is started via the one before, and none is waited for. */
static inline void start_line(mitogen_context *ret, int count)
{
	mitogen_context via = mitogen_self(router);

	for (int i = 0; i < count; i++)
		ret[i] = via = mitogen_local(via, &err);
}

static inline void expect_works(mitogen_context context)
{
	int64_t sum = 0;

	EXPECT_OK(mitogen_call(context, add, &sum, &err, 20, 22));
	EXPECT(sum == 42);
}

static inline pid_t pid_of(mitogen_context context)
{
	int pid = 0;

	EXPECT_OK(mitogen_call(context, get_pid, &pid, &err));
	EXPECT(pid > 1);
	return pid;
}

/* One who is in b's inbox speaks to it: text gets from the one to the other. */
static inline void expect_talk(mitogen_context from, mitogen_context to)
{
	MITOGEN_AUTO(text, heard);
	mitogen_sender address;

	EXPECT_OK(mitogen_call(to, open_inbox, &address, &err));
	EXPECT_OK(mitogen_call(from, greet, NULL, &err, address, "good morning"));
	EXPECT_OK(mitogen_call(to, hear, &heard, &err));
	EXPECT(strcmp(heard, "good morning") == 0);
}

/* The next message of the receiver is a failure that has these in its text. Its tag. */
static inline void *expect_failed_message(mitogen_receiver receiver, int code, const char *part,
					  const char *other_part)
{
	MITOGEN_AUTO(message, m);
	int r;

	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	r = mitogen_read(m, &err);
	EXPECT_FAILURE(r, code, part);
	EXPECT_FAILURE(r, code, other_part);
	return mitogen_message_tag(m);
}
