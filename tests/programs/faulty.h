/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For programs with a library in which calls fail on purpose. Whatever fails: each result is right or an
 * error, each asynchronous call puts one message, nothing hangs, nothing is left.
 */
#pragma once

#include <errno.h>
#include <sys/wait.h>

#include "counting.h"

#define CALLS 20

static bool may_fail;

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

/* Whether it has worked; a failure must be described. */
static bool works(int result)
{
	if (result >= 0)
		return true;
	EXPECT(may_fail && err.code == result && *err.text);
	err = (mitogen_error){0};
	return false;
}

/* Each of these calls is answered once. */
static void call_async(mitogen_router one, mitogen_context child)
{
	mitogen_receiver receiver = mitogen_receiver_new(one, &err);
	MITOGEN_AUTO(message, m);
	int seen[CALLS] = {0}, left = 0;

	if (!works(err.code))
		return;
	for (int i = 0; i < CALLS; i++)
		if (works(mitogen_call_async(child, add, receiver, &seen[i], &err, i, 1))) {
			seen[i] = 1;
			left++;
		}
	for (; left > 0; left--) {
		int64_t sum;
		int *tag;

		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		tag = mitogen_message_tag(m);
		EXPECT(--*tag == 0);
		if (works(mitogen_read(m, &err, &sum)))
			EXPECT(sum == tag - seen + 1);
	}
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
	mitogen_receiver_close(receiver);
}

/* Nothing is left by what use does. */
static void run(void (*use)(void))
{
	int descriptors = count_descriptors(), threads = count_threads();
	siginfo_t info;

	use();
	EXPECT(count_descriptors() == descriptors);
	await_threads(threads);
	EXPECT(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD);
}
