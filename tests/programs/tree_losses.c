/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts below contexts: what their loss means to those that wait for them, wherever they are. */
#include <sys/stat.h>

#include "tree.h"

#define MANY   50
#define PIECES 200 /* as many may be under way */

/* ---- Functions ---- */

/* Waits for the other one's answer, which does not come; says first that it is about to. */
static int wait_for(mitogen_message *m, mitogen_error *error)
{
	mitogen_context context;
	mitogen_sender ready;
	int r = mitogen_read(m, error, &context, &ready);

	if (r >= 0)
		r = mitogen_send(ready, error);
	return r < 0 ? r : mitogen_call(context, hang, NULL, error);
}
MITOGEN_EXPORT(wait_for, MITOGEN_CONTEXT, MITOGEN_SENDER);

/* Sends until it fails; says first that it has begun. */
static int send_for_ever(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to, ready;
	int r = mitogen_read(m, error, &to, &ready);

	for (bool first = true; r >= 0; first = false) {
		r = mitogen_send(to, error, "one more");
		if (r >= 0 && first)
			r = mitogen_send(ready, error);
	}
	return r;
}
MITOGEN_EXPORT(send_for_ever, MITOGEN_SENDER, MITOGEN_SENDER);

/* The failure that comes behind one message. */
static int hear_loss(mitogen_message *m, mitogen_error *error)
{
	MITOGEN_AUTO(message, heard);
	mitogen_sender ready;
	const char *text;
	int r = mitogen_read(m, error, &ready);

	if (r >= 0)
		r = mitogen_receiver_get(inbox, &heard, MITOGEN_FOREVER, error);
	if (r > 0)
		r = mitogen_read(heard, error, &text);
	if (r >= 0)
		r = mitogen_send(ready, error);
	if (r >= 0)
		r = mitogen_receiver_get(inbox, &heard, MITOGEN_FOREVER, error);
	return r > 0 ? mitogen_read(heard, error, &text) : r;
}
MITOGEN_EXPORT(hear_loss, MITOGEN_SENDER);

static int send_pieces(mitogen_message *m, mitogen_error *error)
{
	static char data[1000];
	mitogen_sender to;
	int count, r = mitogen_read(m, error, &to, &count);

	for (int i = 0; r >= 0 && i < count; i++)
		r = mitogen_send(to, error, i, mitogen_bytes_of(data, sizeof(data)));
	return r;
}
MITOGEN_EXPORT(send_pieces, MITOGEN_SENDER, MITOGEN_INT);

/* Starts a child that cannot be, and gives it away before that is known. */
static int start_missing(mitogen_message *m, mitogen_error *error)
{
	mitogen_context child =
		mitogen_local(mitogen_message_router(m), error, .image = "/nonexistent/image");

	return child.ref ? mitogen_reply(m, error, child) : error->code;
}
MITOGEN_EXPORT(start_missing);

static int count_children(mitogen_message *m, mitogen_error *error)
{
	char path[64];
	FILE *list;
	int pid, count = 0;

	/* the broker thread has started them; its number is the next one, if nobody has come between */
	for (int thread = getpid(); thread < getpid() + 50; thread++) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/children", thread);
		list = fopen(path, "re");
		while (list && fscanf(list, "%d", &pid) == 1)
			count++;
		if (list)
			fclose(list);
	}
	return mitogen_reply(m, error, count);
}
MITOGEN_EXPORT(count_children);

static int die(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	return raise(SIGKILL);
}
MITOGEN_EXPORT(die);

/* Asks for its next child before there is one; how a call to it ends that kills it. */
static int kill_early(mitogen_message *m, mitogen_error *error)
{
	mitogen_router here = mitogen_message_router(m);
	uint32_t id = mitogen_context_id(mitogen_self(here)) + 1;
	mitogen_context early = mitogen_context_by_id(here, id), child = mitogen_local(here, error);

	if (!child.ref)
		return error->code;
	EXPECT(mitogen_context_id(child) == id);
	return mitogen_call(early, die, NULL, error);
}
MITOGEN_EXPORT(kill_early);

/* ---- What they share ---- */

/* An image that never says that it is up. */
static const char *hanging_image(void)
{
	static char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s", path_of("image"));
	file = fopen(path, "we");
	EXPECT(file && fputs("#!/bin/sh\nexec sleep 1000\n", file) >= 0 && fclose(file) == 0);
	EXPECT(chmod(path, 0700) == 0);
	return path;
}

static void await(mitogen_receiver ready)
{
	MITOGEN_AUTO(message, m);

	EXPECT(mitogen_receiver_get(ready, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err));
}

static void expect_nothing(mitogen_receiver receiver)
{
	MITOGEN_AUTO(message, m);

	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
}

/* ---- Scenarios ---- */

/* The third of five is killed: all that waits for it, or for those below, is told once and why; from
 * above, and by others above which had been asked to wait. */
static void every_wait_ends(void)
{
	mitogen_context line[5];
	mitogen_receiver answers = mitogen_receiver_new(router, &err),
			 ready = mitogen_receiver_new(router, &err);
	mitogen_sender say = mitogen_receiver_sender(ready, &err);
	bool told[5] = {false};
	pid_t pid;

	start_line(line, 5);
	for (int i = 0; i < 5; i++)
		expect_works(line[i]);
	pid = pid_of(line[2]);
	for (int i = 2; i < 5; i++)
		EXPECT_OK(mitogen_call_async(line[i], hang, answers, &told[i], &err));
	for (int i = 0; i < 2; i++) {
		EXPECT_OK(mitogen_call_async(line[i], wait_for, answers, &told[i], &err,
					     line[4 - i], say));
		await(ready);
	}
	EXPECT(kill(pid, SIGKILL) == 0);
	for (int i = 0; i < 5; i++) {
		MITOGEN_AUTO(message, m);
		bool *tag;
		char name[64];

		EXPECT(mitogen_receiver_get(answers, &m, MITOGEN_FOREVER, &err) == 1);
		tag = mitogen_message_tag(m);
		EXPECT(!*tag);
		*tag = true;
		EXPECT(mitogen_read(m, &err) ==
		       (tag < told + 2 ? MITOGEN_ERR_CALL : MITOGEN_ERR_LOST));
		EXPECT(strstr(err.text, "was killed by SIGKILL"));
		mitogen_context_name(line[tag < told + 2 ? 4 - (tag - told) : tag - told], name,
				     sizeof(name));
		EXPECT(strstr(err.text, name));
		EXPECT(tag != told + 4 || strstr(err.text, "the context was lost with "));
	}
	expect_works(line[1]);
	EXPECT_FAILURE(mitogen_call(line[4], add, NULL, &err, 1, 2), MITOGEN_ERR_LOST,
		       "was killed by SIGKILL");
	EXPECT(mitogen_local(line[4], &err).ref == 0 && err.code == MITOGEN_ERR_LOST);
	expect_nothing(answers);
}

/* Two who talk below different children of ours; each hears of the other's end. */
static void cousins_hear_of_losses(void)
{
	mitogen_receiver answers = mitogen_receiver_new(router, &err),
			 ready = mitogen_receiver_new(router, &err);
	mitogen_sender address, say = mitogen_receiver_sender(ready, &err);
	mitogen_context left[3], right[3];
	char name[64];
	pid_t pid;

	start_line(left, 3);
	start_line(right, 3);
	EXPECT_OK(mitogen_call(right[2], open_inbox, &address, &err));
	EXPECT_OK(mitogen_call_async(right[2], hear_loss, answers, NULL, &err, say));
	EXPECT_OK(mitogen_call(left[2], greet, NULL, &err, address, "hello"));
	await(ready);
	pid = pid_of(left[2]);
	EXPECT(kill(pid, SIGKILL) == 0);
	snprintf(name, sizeof(name), "context %u: ", mitogen_context_id(left[2]));
	expect_failed_message(answers, MITOGEN_ERR_CALL, name, "was killed by SIGKILL");

	pid = pid_of(right[2]);
	EXPECT_OK(mitogen_call_async(left[1], send_for_ever, answers, NULL, &err, address, say));
	await(ready);
	EXPECT(kill(pid, SIGKILL) == 0);
	snprintf(name, sizeof(name), "context %u: ", mitogen_context_id(right[2]));
	expect_failed_message(answers, MITOGEN_ERR_CALL, name, "was killed by SIGKILL");
	expect_talk(left[1], right[1]);
}

/* One in the middle is ended in good order. */
static void middle_is_shut_down(void)
{
	mitogen_context line[5];

	start_line(line, 5);
	expect_works(line[4]);
	EXPECT_OK(mitogen_context_shutdown(line[2], &err));
	for (int i = 2; i < 5; i++)
		EXPECT_FAILURE(mitogen_call(line[i], add, NULL, &err, 1, 2), MITOGEN_ERR_CLOSED,
			       "the context was shut down");
	EXPECT_OK(mitogen_context_shutdown(line[4], &err)); /* it is gone already */
	expect_works(line[1]);
	expect_works(mitogen_local(line[1], &err));
}

/* One in the middle hangs, and is killed when its time is over. */
static void hanging_middle_is_shut_down(void)
{
	mitogen_receiver answers;
	mitogen_context line[4];

	mitogen_router_close(router);
	router = mitogen_router_new(&err, .shutdown_ms = 300);
	answers = mitogen_receiver_new(router, &err);
	start_line(line, 4);
	expect_works(line[3]);
	EXPECT_OK(mitogen_call_async(line[1], hang, answers, NULL, &err));
	EXPECT_OK(mitogen_context_shutdown(line[1], &err));
	expect_failed_message(answers, MITOGEN_ERR_CLOSED,
			      "local.1/local.1: hang: ", "the context was shut down");
	EXPECT(mitogen_call(line[3], add, NULL, &err, 1, 2) < 0);
	expect_works(line[0]);
}

static void start_many(mitogen_context via, mitogen_receiver answers, bool *told)
{
	const char *image = hanging_image();

	for (int i = 0; i < MANY; i++) {
		mitogen_context context = mitogen_local(via, &err, .image = image);

		EXPECT_OK(mitogen_call_async(context, add, answers, &told[i], &err, 1, 2));
	}
	expect_works(via); /* behind all the requests */
}

static void expect_all_failed(mitogen_receiver answers, bool *told, int code, const char *part)
{
	for (int i = 0; i < MANY; i++) {
		bool *tag = expect_failed_message(answers, code, "local.1/local.1/local.", part);

		EXPECT(tag >= told && tag < told + MANY && !*tag);
		*tag = true;
	}
	expect_nothing(answers);
}

static void killed_while_many_connect(void)
{
	mitogen_receiver answers = mitogen_receiver_new(router, &err);
	mitogen_context line[2];
	bool told[MANY] = {false};
	pid_t pid;

	start_line(line, 2);
	pid = pid_of(line[1]);
	start_many(line[1], answers, told);
	EXPECT(kill(pid, SIGKILL) == 0);
	expect_all_failed(answers, told, MITOGEN_ERR_LOST, "was killed by SIGKILL");
	expect_works(line[0]);
}

/* The same one hop above: what they connect via is lost with that. */
static void parent_killed_while_many_connect(void)
{
	mitogen_receiver answers = mitogen_receiver_new(router, &err);
	mitogen_context line[2];
	bool told[MANY] = {false};
	pid_t pid;

	start_line(line, 2);
	pid = pid_of(line[0]);
	start_many(line[1], answers, told);
	EXPECT(kill(pid, SIGKILL) == 0);
	expect_all_failed(answers, told, MITOGEN_ERR_LOST, "was killed by SIGKILL");
}

static void shut_down_while_many_connect(void)
{
	mitogen_receiver answers;
	mitogen_context line[2];
	bool told[MANY] = {false};

	mitogen_router_close(router);
	router = mitogen_router_new(&err, .shutdown_ms = 300);
	answers = mitogen_receiver_new(router, &err);
	start_line(line, 2);
	start_many(line[1], answers, told);
	EXPECT_OK(mitogen_context_shutdown(line[1], &err));
	for (int i = 0; i < MANY; i++) {
		MITOGEN_AUTO(message, m);

		EXPECT(mitogen_receiver_get(answers, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT(mitogen_read(m, &err) < 0);
		EXPECT(strstr(err.text, "local.1/local.1/local."));
	}
	expect_nothing(answers);
	expect_works(line[0]);
}

static void router_closes_while_many_connect(void)
{
	mitogen_receiver answers = mitogen_receiver_new(router, &err);
	mitogen_context line[2];
	bool told[MANY] = {false};

	mitogen_router_close(router);
	router = mitogen_router_new(&err, .shutdown_ms = 300);
	answers = mitogen_receiver_new(router, &err);
	start_line(line, 2);
	start_many(line[1], answers, told);
}

static void ended_while_it_connects(void)
{
	mitogen_context line[2], late;
	char name[64];

	mitogen_router_close(router);
	router = mitogen_router_new(&err, .shutdown_ms = 300);
	start_line(line, 2);
	late = mitogen_local(line[1], &err, .image = hanging_image());
	EXPECT_OK(mitogen_context_shutdown(late, &err));
	EXPECT_FAILURE(mitogen_context_wait(late, &err), MITOGEN_ERR_CLOSED, "was shut down");
	EXPECT(strcmp(mitogen_context_name(late, name, sizeof(name)), "local.1/local.1/local.1") ==
	       0);
	expect_works(line[1]);
}

static void fails_to_start(void)
{
	mitogen_context line[2], missing, below;

	start_line(line, 2);
	missing = mitogen_local(line[1], &err, .image = "/nonexistent/image");
	below = mitogen_local(missing, &err);
	EXPECT_FAILURE(mitogen_call(below, add, NULL, &err, 1, 2), MITOGEN_ERR_CONNECT,
		       "local.1/local.1/local.1/local.1: add: local.1/local.1/local.1 could not be "
		       "started: cannot run /nonexistent/image: ");
	EXPECT_FAILURE(mitogen_context_wait(missing, &err), MITOGEN_ERR_CONNECT,
		       "/nonexistent/image");
	expect_works(mitogen_local(line[1], &err));
}

/* Somebody has asked for them by number before they were started: they are the same. */
static void asked_for_before(void)
{
	mitogen_context early[2], line[2];
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);
	const char *text;

	early[0] = mitogen_context_by_id(router, 1); /* as blocks of 1000 are given away */
	early[1] = mitogen_context_by_id(router, 1001);
	start_line(line, 2);
	EXPECT(mitogen_context_id(line[0]) == 1 && mitogen_context_id(line[1]) == 1001);
	EXPECT_OK(mitogen_context_wait(early[1], &err));
	expect_works(early[0]);
	expect_works(early[1]);
	EXPECT_OK(mitogen_call(line[1], greet, NULL, &err, mitogen_receiver_sender(receiver, &err),
			       "good morning"));
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err, &text));
	EXPECT_FAILURE(mitogen_call(early[1], die, NULL, &err), MITOGEN_ERR_LOST, "SIGKILL");
	EXPECT_FAILURE(mitogen_call(line[0], kill_early, NULL, &err), MITOGEN_ERR_CALL, "SIGKILL");
	EXPECT_FAILURE(mitogen_call(early[0], die, NULL, &err), MITOGEN_ERR_LOST, "SIGKILL");
}

/* Whoever gets it learns why it is not there. */
static void given_away_and_failed(void)
{
	mitogen_context line[2], missing;

	start_line(line, 2);
	for (int i = 0; i < 20; i++) {
		EXPECT_OK(mitogen_call(line[1], start_missing, &missing, &err));
		EXPECT_FAILURE(mitogen_call(missing, add, NULL, &err, 1, 2), MITOGEN_ERR_CONNECT,
			       "cannot run /nonexistent/image");
		EXPECT(strstr(err.text, "local.1/local.1/local.") == err.text);
	}
}

/* The one in the middle says nothing for a while: who waits is told in time, and when it goes on, what it
 * was asked to start is gone again. */
static void middle_is_stopped(void)
{
	mitogen_context line[2], late;
	int children = -1;
	pid_t pid;

	start_line(line, 2);
	pid = pid_of(line[1]);
	EXPECT(kill(pid, SIGSTOP) == 0);
	late = mitogen_local(line[1], &err, .connect_timeout_ms = 20);
	EXPECT_FAILURE(mitogen_context_wait(late, &err), MITOGEN_ERR_TIMEOUT,
		       "local.1/local.1/local.1 could not be started: ");
	EXPECT_FAILURE(mitogen_call(late, add, NULL, &err, 1, 2), MITOGEN_ERR_TIMEOUT,
		       "no answer in time");
	EXPECT(kill(pid, SIGCONT) == 0);
	expect_works(mitogen_local(line[1], &err)); /* a second one */
	while (children != 1)                       /* or the scenario ends by its time limit */
		EXPECT_OK(mitogen_call(line[1], count_children, &children, &err));
}

/* All that it has sent comes, though it is gone by then. */
static void last_words(void)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	mitogen_sender address = mitogen_receiver_sender(receiver, &err);
	MITOGEN_AUTO(message, m);
	mitogen_context line[3];

	start_line(line, 3);
	EXPECT_OK(mitogen_call(line[2], send_pieces, NULL, &err, address, PIECES));
	EXPECT_OK(mitogen_context_shutdown(line[2], &err));
	for (int i = 0; i < PIECES; i++) {
		mitogen_bytes bytes;
		int number;

		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_OK(mitogen_read(m, &err, &number, &bytes));
		EXPECT(number == i);
	}
	expect_failed_message(receiver, MITOGEN_ERR_CLOSED,
			      "local.1/local.1/local.1: ", "the context was shut down");
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"every_wait_ends", every_wait_ends},
		{"cousins_hear_of_losses", cousins_hear_of_losses},
		{"middle_is_shut_down", middle_is_shut_down},
		{"hanging_middle_is_shut_down", hanging_middle_is_shut_down},
		{"killed_while_many_connect", killed_while_many_connect},
		{"parent_killed_while_many_connect", parent_killed_while_many_connect},
		{"shut_down_while_many_connect", shut_down_while_many_connect},
		{"router_closes_while_many_connect", router_closes_while_many_connect},
		{"ended_while_it_connects", ended_while_it_connects},
		{"fails_to_start", fails_to_start},
		{"asked_for_before", asked_for_before},
		{"given_away_and_failed", given_away_and_failed},
		{"middle_is_stopped", middle_is_stopped},
		{"last_words", last_words},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
