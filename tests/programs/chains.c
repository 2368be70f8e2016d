/* SPDX-License-Identifier: BSD-3-Clause */
/* C16: calls that depend on one another, sent without waiting. */
#include <pthread.h>
#include <signal.h>

#include "scenario.h"

/* ---- Functions ---- */

static char done[4096]; /* by this child */

static int note(mitogen_message *m, mitogen_error *error)
{
	const char *text;
	int r = mitogen_read(m, error, &text);

	if (r == 0)
		strncat(done, text, sizeof(done) - strlen(done) - 1);
	return r;
}
MITOGEN_EXPORT(note, MITOGEN_TEXT);

static int noted(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, done);
}
MITOGEN_EXPORT(noted);

static int refuse(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	return mitogen_fail(error, "KeyError", "no user \"%s\" here", "nobody");
}
MITOGEN_EXPORT(refuse);

static int die(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	raise(SIGKILL);
	return 0;
}
MITOGEN_EXPORT(die);

static int grow(mitogen_message *m, mitogen_error *error)
{
	static int last;
	int number;
	int r = mitogen_read(m, error, &number);

	if (r == 0 && number != last + 1)
		return mitogen_fail(error, "OrderError", "%d came after %d", number, last);
	last = number;
	return r;
}
MITOGEN_EXPORT(grow, MITOGEN_INT);

/* ---- Scenarios ---- */

static void expect_noted(mitogen_context child, const char *wanted)
{
	MITOGEN_AUTO(text, text);

	EXPECT_OK(mitogen_call(child, noted, &text, &err));
	EXPECT(strcmp(text, wanted) == 0);
}

static void expect_refused(mitogen_message *m)
{
	EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_CALL,
		       "local.1: refuse: no user \"nobody\" here");
	EXPECT(strcmp(err.type, "KeyError") == 0 && strcmp(err.where, "local.1: refuse") == 0);
}

/* Of all that is sent before the first answer is read, what is behind the failure does not happen. */
static void stops(void)
{
	mitogen_context child = new_child(router, &err), chain = mitogen_chain(child);
	mitogen_context other = mitogen_chain(child);
	mitogen_receiver replies = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);

	EXPECT_OK(mitogen_call_async(chain, note, replies, NULL, &err, "a"));
	EXPECT_OK(mitogen_call_no_reply(chain, note, &err, "b"));
	EXPECT_OK(mitogen_call_async(other, note, replies, NULL, &err, "1"));
	EXPECT_OK(mitogen_call_async(chain, refuse, replies, NULL, &err));
	EXPECT_OK(mitogen_call_async(other, note, replies, NULL, &err, "2"));
	EXPECT_OK(mitogen_call_no_reply(chain, note, &err, "c"));
	EXPECT_OK(mitogen_call_async(chain, note, replies, NULL, &err, "d"));
	EXPECT_OK(mitogen_call_async(child, note, replies, NULL, &err, "!"));
	for (int i = 0; i < 6; i++) {
		EXPECT(mitogen_receiver_get(replies, &m, MITOGEN_FOREVER, &err) == 1);
		if (i == 2 || i == 4)
			expect_refused(m);
		else
			EXPECT_OK(mitogen_read(m, &err));
	}
	EXPECT(mitogen_call(chain, note, NULL, &err, "e") == MITOGEN_ERR_CALL);
	EXPECT(strcmp(err.where, "local.1: refuse") == 0);
	EXPECT_OK(mitogen_call(other, note, NULL, &err, "3"));
	expect_noted(child, "ab12!3");
	mitogen_chain_end(chain);
	EXPECT_FAILURE(mitogen_call(chain, note, NULL, &err, "f"), MITOGEN_ERR_USAGE, "ended");
	EXPECT_OK(mitogen_call(mitogen_chain(child), note, NULL, &err, "4"));
	expect_noted(child, "ab12!34");
}

/* Each is logged once. */
static void without_reply(void)
{
	mitogen_context child = new_child(router, &err), chain = mitogen_chain(child);

	EXPECT_OK(mitogen_call_no_reply(chain, note, &err, "a"));
	EXPECT_OK(mitogen_call_no_reply(chain, refuse, &err));
	EXPECT_OK(mitogen_call_no_reply(chain, note, &err, "b"));
	EXPECT_OK(mitogen_call_no_reply(chain, refuse, &err));
	EXPECT(mitogen_call(chain, note, NULL, &err, "c") == MITOGEN_ERR_CALL);
	expect_noted(child, "a");
	EXPECT_OK(mitogen_context_shutdown(child, &err));
}

/* What was not even sent counts, too. */
static void not_sent(void)
{
	static const char text[] = {'\xff', 0};
	mitogen_context child = new_child(router, &err), chain;

	for (int i = 0; i < 3; i++) {
		chain = mitogen_chain(child);
		EXPECT_OK(mitogen_call_no_reply(chain, note, &err, "a"));
		if (i == 0) {
			EXPECT(mitogen_call_no_reply(chain, note, &err, text) == MITOGEN_ERR_TYPE);
		} else if (i == 1) {
			mitogen_receiver none = {0};

			EXPECT(mitogen_call_async(chain, note, none, NULL, NULL, "a") ==
			       MITOGEN_ERR_USAGE);
		} else {
			const char *const argv[] = {NULL};

			EXPECT(mitogen_exec(chain, argv, mitogen_receiver_new(router, &err), NULL,
					    &err)
				       .ref == 0);
		}
		EXPECT_FAILURE(mitogen_call(chain, note, NULL, &err, "b"), MITOGEN_ERR_LOST,
			       "earlier call of this chain");
	}
	expect_noted(child, "aaa");
}

/* The next exit of a program: its tag. *ret_result is the code of its failure, or 0. */
static int *next_exit(mitogen_receiver events, int *ret_status, int *ret_result)
{
	MITOGEN_AUTO(message, m);

	do
		EXPECT(mitogen_receiver_get(events, &m, MITOGEN_FOREVER, &err) == 1);
	while (mitogen_message_event(m) != MITOGEN_EVENT_EXIT);
	*ret_result = mitogen_read(m, &err, ret_status);
	return mitogen_message_tag(m);
}

/* A program is over before the call behind it begins; one that cannot be run stops the chain. */
static void programs(void)
{
	const char *const make[] = {"sh", "-c", "sleep 0.05; echo >made; exit 3", NULL};
	const char *const test[] = {"test", "-e", "made", NULL};
	const char *const missing[] = {"./no-such-program", NULL};
	mitogen_context child = new_child(router, &err), chain = mitogen_chain(child);
	mitogen_receiver events = mitogen_receiver_new(router, &err);
	int status = -1, tags[4];

	EXPECT_OK(mitogen_call_no_reply(chain, note, &err, "a"));
	for (int i = 0; i < 4; i++)
		EXPECT(mitogen_exec(chain,
				    i == 0   ? make
				    : i == 2 ? missing
					     : test,
				    events, &tags[i], &err, .cwd = directory, .no_stdin = true)
			       .ref);
	EXPECT_OK(mitogen_call_no_reply(chain, note, &err, "b"));
	for (int i = 0; i < 4; i++) {
		int result, *tag = next_exit(events, &status, &result);

		if (tag == &tags[0])
			EXPECT(result == 0 && status == 3);
		else if (tag == &tags[1])
			EXPECT(result == 0 && status == 0);
		else
			EXPECT(result < 0 && strcmp(err.type, "ENOENT") == 0);
	}
	EXPECT(mitogen_call(chain, note, NULL, &err, "c") < 0 && strcmp(err.type, "ENOENT") == 0);
	expect_noted(child, "a");
}

static void lost(void)
{
	mitogen_context child = new_child(router, &err), chain = mitogen_chain(child);
	mitogen_receiver replies = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);

	EXPECT_OK(mitogen_call_async(chain, note, replies, NULL, &err, "a"));
	EXPECT_OK(mitogen_call_async(chain, die, replies, NULL, &err));
	EXPECT_OK(mitogen_call_async(chain, note, replies, NULL, &err, "b"));
	EXPECT(mitogen_receiver_get(replies, &m, MITOGEN_FOREVER, &err) == 1);
	for (int i = 0; i < 2; i++) {
		EXPECT(mitogen_receiver_get(replies, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_LOST, "was killed by SIGKILL");
	}
	EXPECT_FAILURE(mitogen_call(chain, note, NULL, &err, "c"), MITOGEN_ERR_LOST, "SIGKILL");
	EXPECT_FAILURE(mitogen_call(mitogen_chain(child), note, NULL, &err, "d"), MITOGEN_ERR_LOST,
		       "SIGKILL");
	mitogen_chain_end(chain);
}

/* Handles of none stay none, and keep the reason. */
static void of_none(void)
{
	mitogen_context none = new_child(router, &err, .name = "a/b"), chain;

	chain = mitogen_chain(none);
	EXPECT(mitogen_call(chain, note, NULL, &err, "a") == MITOGEN_ERR_USAGE);
	EXPECT(strstr(err.text, "no \"/\""));
	mitogen_chain_end(chain);
	mitogen_chain_end(none);
}

struct share {
	mitogen_context chain;
	pthread_mutex_t lock;
	int last;
};

static void *send_some(void *argument)
{
	struct share *share = argument;

	for (int i = 0; i < 200; i++) {
		int r;

		pthread_mutex_lock(&share->lock); /* or the numbers would not be in order */
		r = mitogen_call_no_reply(share->chain, grow, NULL, ++share->last);
		pthread_mutex_unlock(&share->lock);
		if (r < 0)
			return share;
		if (i % 10 == 0 && mitogen_call(share->chain, note, NULL, NULL, ".") < 0)
			return share;
	}
	return NULL;
}

/* Threads share a chain: none of its calls is taken for missing. */
static void threads(void)
{
	mitogen_context child = new_child(router, &err);
	struct share share = {mitogen_chain(child), PTHREAD_MUTEX_INITIALIZER, 0};
	pthread_t workers[4];
	MITOGEN_AUTO(text, text);

	for (int i = 0; i < 4; i++)
		EXPECT(pthread_create(&workers[i], NULL, send_some, &share) == 0);
	for (int i = 0; i < 4; i++) {
		void *failed;

		EXPECT(pthread_join(workers[i], &failed) == 0 && !failed);
	}
	EXPECT_OK(mitogen_call(share.chain, noted, &text, &err));
	EXPECT(strlen(text) == 80);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"stops", stops},       {"without_reply", without_reply},
		{"not_sent", not_sent}, {"programs", programs},
		{"lost", lost},         {"of_none", of_none},
		{"threads", threads},   {NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
