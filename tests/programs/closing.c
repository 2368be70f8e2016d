/* SPDX-License-Identifier: BSD-3-Clause */
/* Closing a router while others use it. */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include "scenario.h"

#define THREADS 6

/* ---- Functions ---- */

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

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

/* Says on a fifo that it runs, then waits at another. */
static int meet(mitogen_message *m, mitogen_error *error)
{
	const char *started, *go_on;
	int r = mitogen_read(m, error, &started, &go_on);

	if (r < 0)
		return r;
	meet_as_writer(started);
	meet_as_reader(go_on);
	printf("ran to its end");
	return 0;
}
MITOGEN_EXPORT(meet, MITOGEN_TEXT, MITOGEN_TEXT);

/* (size): replies with so many bytes. */
static int reply_zeros(mitogen_message *m, mitogen_error *error)
{
	size_t size;
	void *data;
	int r = mitogen_read(m, error, &size);

	if (r < 0)
		return r;
	data = calloc(1, size);
	r = mitogen_reply(m, error, mitogen_bytes_of(data, size));
	free(data);
	return r;
}
MITOGEN_EXPORT(reply_zeros, MITOGEN_INT);

/* ---- Scenarios ---- */

static mitogen_router closed;
static mitogen_context child, silent; /* the second never comes up */
static mitogen_receiver receiver;
static const char *started;

static void *wait_for_answer(void *argument)
{
	mitogen_error mine = {0};
	int r = mitogen_call(child, hang, NULL, &mine, started);

	(void)argument;
	return r == MITOGEN_ERR_CLOSED && mine.code == r && strcmp(mine.where, "local.1: hang") == 0
		       ? &closed
		       : NULL;
}

static void *wait_for_message(void *argument)
{
	MITOGEN_AUTO(message, m);
	mitogen_error mine = {0};
	int r = mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &mine);

	(void)argument;
	return r == MITOGEN_ERR_CLOSED && mine.code == r && !m ? &closed : NULL;
}

static void *wait_for_connection(void *argument)
{
	mitogen_error mine = {0};
	int r = mitogen_context_wait(silent, &mine);

	return r == MITOGEN_ERR_CLOSED && mine.code == r ? argument : NULL;
}

static void write_script(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

	EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void join_well(pthread_t thread)
{
	void *well;

	EXPECT(pthread_join(thread, &well) == 0 && well);
}

static void *close_it(void *argument)
{
	mitogen_router_close(closed);
	/* it is closed when this returns, whoever closed it */
	return mitogen_receiver_new(closed, NULL).ref == 0 ? argument : NULL;
}

/* Each who waits is told, when several threads close it at once. */
static void waiting_threads(void)
{
	pthread_t threads[3 + THREADS];
	char script[PATH_MAX + 64];
	const char *silent_started = make_fifo("silent_started");

	started = make_fifo("started");
	snprintf(script, sizeof(script), "#!/bin/sh\necho >%s\nkill -STOP $$\n", silent_started);
	write_script(path_of("silent"), script);
	closed = new_router(&err, .shutdown_ms = 50);
	receiver = mitogen_receiver_new(closed, &err);
	child = new_child(closed, &err);
	EXPECT(pthread_create(&threads[0], NULL, wait_for_answer, NULL) == 0);
	meet_as_reader(started);
	silent = mitogen_local(closed, &err, .image = path_of("silent"));
	meet_as_reader(silent_started);
	EXPECT(pthread_create(&threads[1], NULL, wait_for_connection, &closed) == 0);
	EXPECT(pthread_create(&threads[2], NULL, wait_for_message, NULL) == 0);
	for (int i = 3; i < 3 + THREADS; i++)
		EXPECT(pthread_create(&threads[i], NULL, close_it, &closed) == 0);
	for (int i = 0; i < 3 + THREADS; i++)
		join_well(threads[i]);
}

static void *call_until_closed(void *argument)
{
	mitogen_error mine = {0};
	int64_t sum;
	int r;

	do
		r = mitogen_call(child, add, &sum, &mine, 1, 2);
	while (r == 0);
	return r == MITOGEN_ERR_CLOSED ? argument : NULL;
}

static void *use_receivers_until_closed(void *argument)
{
	mitogen_error mine = {0};
	MITOGEN_AUTO(message, m);
	int r;

	do {
		mitogen_receiver mailbox = mitogen_receiver_new(closed, &mine);

		r = mailbox.ref ? mitogen_call_async(child, add, mailbox, NULL, &mine, 1, 2)
				: mine.code;
		if (r == 0)
			r = mitogen_receiver_get(mailbox, &m, MITOGEN_FOREVER, &mine);
		mitogen_receiver_close(mailbox);
	} while (r > 0);
	return r == MITOGEN_ERR_CLOSED ? argument : NULL;
}

static sem_t any_started;

static void *start_until_closed(void *argument)
{
	mitogen_error mine = {0};

	while (new_child(closed, &mine).ref)
		sem_post(&any_started);
	return mine.code == MITOGEN_ERR_CLOSED ? argument : NULL;
}

/* All of them end, with the same error, at whatever point they are. */
static void busy_threads(void)
{
	for (int round = 0; round < 10; round++) {
		pthread_t threads[THREADS];

		closed = new_router(&err);
		child = new_child(closed, &err);
		EXPECT_OK(mitogen_call(child, add, NULL, &err, 1, 2));
		for (int i = 0; i < THREADS; i++)
			EXPECT(pthread_create(&threads[i], NULL,
					      i % 2 ? call_until_closed
						    : use_receivers_until_closed,
					      &closed) == 0);
		EXPECT_OK(mitogen_call(child, add, NULL, &err, 1, 2));
		mitogen_router_close(closed);
		for (int i = 0; i < THREADS; i++)
			join_well(threads[i]);
	}
}

static void while_children_start(void)
{
	pthread_t thread;

	EXPECT(sem_init(&any_started, 0, 0) == 0);
	closed = new_router(&err);
	EXPECT(pthread_create(&thread, NULL, start_until_closed, &closed) == 0);
	EXPECT(sem_wait(&any_started) == 0);
	mitogen_router_close(closed);
	join_well(thread);
}

/* A function that runs may end; what it printed arrives. */
static void running_function_ends(void)
{
	const char *go_on = make_fifo("go_on");
	pthread_t thread;

	started = make_fifo("started");
	closed = new_router(&err);
	child = new_child(closed, &err);
	receiver = mitogen_receiver_new(closed, &err);
	EXPECT_OK(mitogen_call_async(child, meet, receiver, NULL, &err, started, go_on));
	meet_as_reader(started);
	EXPECT(pthread_create(&thread, NULL, close_it, &closed) == 0);
	/* the receiver is closed once closing has begun */
	EXPECT(wait_for_message(NULL));
	meet_as_writer(go_on);
	join_well(thread);
}

/* What is called before the end is asked for is answered, in full. */
static void large_replies(void)
{
	static const size_t sizes[] = {1, 100000, 4 << 20, 16 << 20, 4 << 20};

	receiver = mitogen_receiver_new(router, &err);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		MITOGEN_AUTO(message, m);
		mitogen_bytes bytes;

		child = new_child(router, &err);
		EXPECT_OK(mitogen_context_wait(child, &err));
		EXPECT_OK(mitogen_call_async(child, reply_zeros, receiver, NULL, &err, sizes[i]));
		EXPECT_OK(mitogen_context_shutdown(child, &err));
		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_OK(mitogen_read(m, &err, &bytes));
		EXPECT(bytes.size == sizes[i]);
	}
}

static void from_log_callback(mitogen_log_level level, const char *context, const char *line,
			      void *user)
{
	(void)level;
	(void)context;
	(void)line;
	(*(int *)user)++;
}

/* Handles of a closed router do nothing, again and again. */
static void afterwards(void)
{
	MITOGEN_AUTO(message, m);
	int lines = 0;

	closed = new_router(&err, .log = from_log_callback, .log_user = &lines);
	child = new_child(closed, &err);
	receiver = mitogen_receiver_new(closed, &err);
	EXPECT_OK(mitogen_call(child, add, NULL, &err, 1, 2));
	mitogen_router_close(closed);
	mitogen_router_close(closed);
	mitogen_receiver_close(receiver);
	EXPECT_FAILURE(mitogen_call(child, add, NULL, &err, 1, 2), MITOGEN_ERR_CLOSED, "closed");
	EXPECT_FAILURE(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err),
		       MITOGEN_ERR_CLOSED, "closed");
	EXPECT(mitogen_context_id(child) == UINT32_MAX);
	EXPECT(*mitogen_context_name(child, (char[8]){"x"}, 8) == '\0');
	EXPECT(mitogen_self(closed).ref == 0);
	EXPECT(lines == 0);
	/* a new one in the same place is not taken for it */
	closed = new_router(&err);
	EXPECT_FAILURE(mitogen_call(child, add, NULL, &err, 1, 2), MITOGEN_ERR_CLOSED, "closed");
	mitogen_router_close(closed);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"waiting_threads", waiting_threads},
		{"busy_threads", busy_threads},
		{"while_children_start", while_children_start},
		{"running_function_ends", running_function_ends},
		{"large_replies", large_replies},
		{"afterwards", afterwards},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
