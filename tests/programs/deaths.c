/* SPDX-License-Identifier: BSD-3-Clause */
/* Children that die: what each of those who wait for them is told. */
#include <pthread.h>
#include <signal.h>

#include "scenario.h"

/* ---- Functions ---- */

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

static int get_pid(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, getpid());
}
MITOGEN_EXPORT(get_pid);

static int exit_3(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	printf("some last words, without a newline");
	exit(3);
}
MITOGEN_EXPORT(exit_3);

/* Another way around any handler of a sanitizer. */
static void die_by(int signal_number)
{
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static int abort_itself(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	die_by(SIGABRT);
	return 0;
}
MITOGEN_EXPORT(abort_itself);

__attribute__((no_sanitize("undefined"))) static int dereference_null(mitogen_message *m,
								      mitogen_error *error)
{
	int *volatile nowhere = NULL;

	signal(SIGSEGV, SIG_DFL);
	return mitogen_reply(m, error, *nowhere);
}
MITOGEN_EXPORT(dereference_null);

/* Says on a fifo that it runs, and runs for ever. */
static int hang(mitogen_message *m, mitogen_error *error)
{
	const char *started;
	int r = mitogen_read(m, error, &started);

	if (r < 0)
		return r;
	meet_as_writer(started);
	for (;;)
		pause();
}
MITOGEN_EXPORT(hang, MITOGEN_TEXT);

/* ---- Scenarios ---- */

static pid_t pid_of(mitogen_context child)
{
	pid_t pid;

	EXPECT_OK(mitogen_call(child, get_pid, &pid, &err));
	return pid;
}

static void dies_in_function(mitogen_function *function, const char *text, const char *where)
{
	mitogen_context child = new_child(router, &err), other = new_child(router, &err);
	int64_t sum = 5;

	EXPECT_FAILURE(mitogen_call(child, function, &sum, &err), MITOGEN_ERR_LOST, text);
	EXPECT(strcmp(err.where, where) == 0 && sum == 5);
	EXPECT_FAILURE(mitogen_call(child, add, &sum, &err, 1, 2), MITOGEN_ERR_LOST, text);
	EXPECT(strcmp(err.where, "local.1: add") == 0);
	EXPECT_FAILURE(mitogen_context_wait(child, &err), MITOGEN_ERR_LOST, text);
	EXPECT_OK(mitogen_context_shutdown(child, &err));
	EXPECT_OK(mitogen_call(other, add, &sum, &err, 1, 2));
	EXPECT(sum == 3);
}

static void exits(void)
{
	dies_in_function(exit_3, "exited with status 3", "local.1: exit_3");
}

static void aborts(void)
{
	dies_in_function(abort_itself, "was killed by SIGABRT", "local.1: abort_itself");
}

static void segfaults(void)
{
	dies_in_function(dereference_null, "was killed by SIGSEGV", "local.1: dereference_null");
}

static void killed_idle(void)
{
	mitogen_context child = new_child(router, &err);
	int64_t sum;

	EXPECT(kill(pid_of(child), SIGKILL) == 0);
	EXPECT_FAILURE(mitogen_call(child, add, &sum, &err, 1, 2), MITOGEN_ERR_LOST,
		       "local.1: add: the context was lost: its process was killed by SIGKILL");
}

/* Whoever wants to know is told once, be it before or afterwards. */
static void watched(void)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err), closed;
	mitogen_context child = new_child(router, &err);
	MITOGEN_AUTO(message, m);
	int tags[3];

	EXPECT_OK(mitogen_context_watch(child, receiver, &tags[0], &err));
	EXPECT_OK(mitogen_context_watch(child, receiver, &tags[1], &err));
	EXPECT(kill(pid_of(child), SIGKILL) == 0);
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			EXPECT_OK(mitogen_context_watch(child, receiver, &tags[i], &err));
		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT(mitogen_message_tag(m) == &tags[i]);
		EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_LOST,
			       "local.1: the context was lost: ");
	}
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
	closed = mitogen_receiver_new(router, &err);
	child = new_child(router, &err);
	EXPECT_OK(mitogen_context_watch(child, closed, NULL, &err));
	mitogen_receiver_close(closed);
	EXPECT_FAILURE(mitogen_context_watch(child, closed, NULL, &err), MITOGEN_ERR_CLOSED,
		       "the receiver is closed");
	EXPECT_OK(mitogen_context_shutdown(child, &err)); /* which nobody hears of */
	EXPECT_OK(mitogen_context_watch(new_child(router, &err), receiver, NULL, &err));
}

static void killed_in_call(void)
{
	mitogen_context child = new_child(router, &err, .name = "victim");
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	const char *started = make_fifo("started");
	MITOGEN_AUTO(message, m);
	pid_t pid = pid_of(child);

	EXPECT_OK(mitogen_call_async(child, hang, receiver, &pid, &err, started));
	meet_as_reader(started);
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT(mitogen_message_tag(m) == &pid);
	EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_LOST, "was killed by SIGKILL");
	EXPECT(strcmp(err.where, "victim: hang") == 0);
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
}

/* Each call fails once. */
static void killed_with_1000_calls(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	const char *started = make_fifo("started");
	static char seen[1000];
	MITOGEN_AUTO(message, m);
	pid_t pid = pid_of(child);

	EXPECT_OK(mitogen_call_async(child, hang, receiver, &seen[0], &err, started));
	for (int i = 1; i < 1000; i++)
		EXPECT_OK(mitogen_call_async(child, add, receiver, &seen[i], &err, i, i));
	meet_as_reader(started);
	EXPECT(kill(pid, SIGKILL) == 0);
	for (int i = 0; i < 1000; i++) {
		char *tag;

		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_LOST, "was killed by SIGKILL");
		tag = mitogen_message_tag(m);
		EXPECT(strcmp(err.where, tag == seen ? "local.1: hang" : "local.1: add") == 0);
		EXPECT(++*tag == 1);
	}
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
}

static mitogen_context doomed;

static void *wait_in_call(void *argument)
{
	mitogen_error mine = {0};
	int64_t sum;
	int r;

	(void)argument;
	r = mitogen_call(doomed, add, &sum, &mine, 1, 2);
	return r == MITOGEN_ERR_LOST && strstr(mine.text, "was killed by SIGKILL") &&
			       strcmp(mine.where, "local.1: add") == 0
		       ? &doomed
		       : NULL;
}

static void *wait_for_end(void *argument)
{
	mitogen_error mine = {0};

	(void)argument;
	while (mitogen_context_wait(doomed, &mine) == 0)
		;
	return strstr(mine.text, "was killed by SIGKILL") ? &doomed : NULL;
}

static void killed_with_threads_waiting(void)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	const char *started = make_fifo("started");
	pthread_t threads[9];
	pid_t pid;

	doomed = new_child(router, &err);
	pid = pid_of(doomed);
	EXPECT_OK(mitogen_call_async(doomed, hang, receiver, NULL, &err, started));
	meet_as_reader(started);
	for (int i = 0; i < 9; i++)
		EXPECT(pthread_create(&threads[i], NULL, i < 8 ? wait_in_call : wait_for_end,
				      NULL) == 0);
	EXPECT(kill(pid, SIGKILL) == 0);
	for (int i = 0; i < 9; i++) {
		void *well;

		EXPECT(pthread_join(threads[i], &well) == 0 && well);
	}
}

/* The program ends while a function hangs; it does not wait longer than it was told to. */
static void finishes_while_child_hangs(void)
{
	mitogen_router impatient = new_router(&err, .shutdown_ms = 50);
	mitogen_context child = new_child(impatient, &err);
	mitogen_receiver receiver = mitogen_receiver_new(impatient, &err);
	const char *started = make_fifo("started");

	EXPECT_OK(mitogen_call_async(child, hang, receiver, NULL, &err, started));
	meet_as_reader(started);
	mitogen_router_close(impatient);
}

/* So that we can be killed: prints the PID of a child that hangs. */
static void hangs_until_killed(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	const char *started = make_fifo("started");
	pid_t pid = pid_of(child);

	EXPECT_OK(mitogen_call_async(child, hang, receiver, NULL, &err, started));
	meet_as_reader(started);
	printf("%d\n", (int)pid);
	fflush(stdout);
	for (;;)
		pause();
}

/* Nobody waits longer than the connection may take. */
static void never_answers(void)
{
	const char *image = path_of("silent");
	int fd = open(image, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	mitogen_context child;

	EXPECT(fd >= 0 && dprintf(fd, "#!/bin/sh\nkill -STOP $$\n") > 0);
	close(fd);
	child = mitogen_local(router, &err, .image = image, .connect_timeout_ms = 50);
	EXPECT_FAILURE(mitogen_call(child, add, NULL, &err, 1, 2), MITOGEN_ERR_TIMEOUT,
		       "local.1: add: local.1 could not be started: it has not answered in 50 ms");
	EXPECT_FAILURE(mitogen_context_wait(child, &err), MITOGEN_ERR_TIMEOUT,
		       "could not be started");
	EXPECT_OK(mitogen_context_shutdown(child, &err));
}

/* Ends with the reason that the user gave, not with a loss. */
static void shut_down_while_called(void)
{
	mitogen_router impatient = new_router(&err, .shutdown_ms = 50);
	mitogen_context child = new_child(impatient, &err);
	mitogen_receiver receiver = mitogen_receiver_new(impatient, &err);
	const char *started = make_fifo("started");
	MITOGEN_AUTO(message, m);

	EXPECT_OK(mitogen_call_async(child, hang, receiver, NULL, &err, started));
	meet_as_reader(started);
	EXPECT_OK(mitogen_context_shutdown(child, &err));
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_CLOSED, "local.1: hang: ");
	EXPECT_FAILURE(mitogen_call(child, add, NULL, &err, 1, 2), MITOGEN_ERR_CLOSED, "shut down");
	mitogen_router_close(impatient);
}

/* Who does not want to wait, and asks again, does not put off the end. */
static void shut_down_again_and_again(void)
{
	mitogen_router impatient = new_router(&err, .shutdown_ms = 500);
	mitogen_context child = new_child(impatient, &err);
	mitogen_receiver receiver = mitogen_receiver_new(impatient, &err);
	const char *started = make_fifo("started");
	int r;

	EXPECT_OK(mitogen_call_async(child, hang, receiver, NULL, &err, started));
	meet_as_reader(started);
	do
		r = mitogen_context_shutdown(mitogen_within(child, 20), &err);
	while (r == MITOGEN_ERR_TIMEOUT);
	EXPECT_OK(r);
	mitogen_router_close(impatient);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"exits", exits},
		{"aborts", aborts},
		{"segfaults", segfaults},
		{"killed_idle", killed_idle},
		{"watched", watched},
		{"killed_in_call", killed_in_call},
		{"killed_with_1000_calls", killed_with_1000_calls},
		{"killed_with_threads_waiting", killed_with_threads_waiting},
		{"finishes_while_child_hangs", finishes_while_child_hangs},
		{"hangs_until_killed", hangs_until_killed},
		{"never_answers", never_answers},
		{"shut_down_while_called", shut_down_while_called},
		{"shut_down_again_and_again", shut_down_again_and_again},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
