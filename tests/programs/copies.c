/* SPDX-License-Identifier: BSD-3-Clause */
/* C30: a program that forks for itself, and drops what the copy has of the library. */
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>

#include "counting.h"

/* ---- Functions ---- */

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

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

static int warn(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	fprintf(stderr, "a line for the log\n");
	return 0;
}
MITOGEN_EXPORT(warn);

static void expect_call(mitogen_context child)
{
	int64_t sum = 0;

	EXPECT_OK(mitogen_call(child, add, &sum, &err, 20, 22));
	EXPECT(sum == 42);
}

/* A new router, in the copy. */
static void expect_router(void)
{
	mitogen_router mine = mitogen_router_new(&err);

	EXPECT(mine.ref != 0);
	expect_call(mitogen_local(mine, &err));
	expect_call(mitogen_local(mine, &err));
	mitogen_router_close(mine);
	EXPECT(err.code == 0);
}

static void expect_copy_ended(pid_t pid)
{
	int status;

	EXPECT(pid > 0);
	EXPECT(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int fork_in_function(mitogen_message *m, mitogen_error *error)
{
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		mitogen_after_fork();
		expect_router();
		_exit(0);
	}
	expect_copy_ended(pid);
	return mitogen_reply(m, error, "well");
}
MITOGEN_EXPORT(fork_in_function);

/* ---- Scenarios ---- */

static int descriptors; /* before there was a router */
static size_t memory;

#define CHILDREN 20

struct world { /* a router with everything that there can be */
	mitogen_router router;
	mitogen_context children[CHILDREN];
	mitogen_receiver receiver;
	mitogen_message *message;
	const char *started, *go_on;
	mitogen_process process;
	pthread_t waiter;
};

static void *wait_for_met(void *argument)
{
	struct world *world = argument;
	MITOGEN_AUTO(text, text);

	EXPECT_OK(
		mitogen_call(world->children[0], meet, &text, &err, world->started, world->go_on));
	EXPECT(strcmp(text, "met") == 0);
	return NULL;
}

static unsigned handled; /* atomic */

static void handle(mitogen_message *m, void *user)
{
	(void)m;
	(void)user;
	__atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED);
}

static void build(struct world *world)
{
	static const char *const sleeper[] = {"sh", "-c", "echo; exec cat", NULL};

	world->router = mitogen_router_new(&err);
	world->receiver = mitogen_receiver_new(world->router, &err);
	EXPECT(mitogen_receiver_fd(world->receiver, &err) >= 0);
	EXPECT(mitogen_handler_new(world->router, handle, &err).ref != 0);
	for (int i = 0; i < CHILDREN; i++) {
		world->children[i] = mitogen_local(world->router, &err);
		expect_call(world->children[i]);
		EXPECT_OK(mitogen_call_async(world->children[i], add, world->receiver, NULL, &err,
					     1, i));
	}
	EXPECT(mitogen_receiver_get(world->receiver, &world->message, MITOGEN_FOREVER, &err) == 1);
	world->process = mitogen_exec(world->children[1], sleeper, world->receiver, NULL, &err);
	EXPECT(world->process.ref != 0);
	EXPECT_OK(mitogen_context_shutdown(world->children[2], &err));
	mitogen_local(world->router, &err); /* is still connecting */
	world->go_on = make_fifo("go_on");  /* nothing else here uses path_of */
	world->started = make_fifo("started");
	EXPECT(pthread_create(&world->waiter, NULL, wait_for_met, world) == 0);
	meet_as_reader(world->started);
	EXPECT_OK(mitogen_call_no_reply(mitogen_chain(world->children[0]), add, &err, 1, 2));
}

/* Of the original. */
static void expect_whole(struct world *world)
{
	meet_as_writer(world->go_on);
	EXPECT(pthread_join(world->waiter, NULL) == 0);
	for (int i = 3; i < CHILDREN; i++)
		expect_call(world->children[i]);
	EXPECT_OK(mitogen_process_close_stdin(world->process, &err));
	for (int left = CHILDREN - 1 + 1; left > 0;) {
		EXPECT(mitogen_receiver_get(world->receiver, &world->message, MITOGEN_FOREVER,
					    &err) == 1);
		if (mitogen_message_event(world->message) == MITOGEN_EVENT_NONE ||
		    mitogen_message_event(world->message) == MITOGEN_EVENT_EXIT) {
			EXPECT_OK(mitogen_read(world->message, &err));
			left--;
		}
	}
	mitogen_message_unref(world->message);
	expect_call(mitogen_local(world->router, &err));
	mitogen_router_close(world->router);
	EXPECT(handled == 1);
	EXPECT(count_descriptors() == descriptors);
}

static void check_copy(struct world *world)
{
	int64_t sum;

	EXPECT(mitogen_call(world->children[3], add, NULL, &err, 1, 2) == MITOGEN_ERR_FORKED);
	mitogen_after_fork();
	EXPECT(count_descriptors() == descriptors);
	EXPECT(handled == 0); /* the last call is the original's */
	EXPECT_FAILURE(mitogen_call(world->children[3], add, NULL, &err, 1, 2), MITOGEN_ERR_CLOSED,
		       "closed");
	EXPECT_OK(mitogen_read(world->message, &err, &sum));
	EXPECT(sum >= 1 && sum <= CHILDREN); /* the first that answered */
	mitogen_message_unref(world->message);
	err.code = 0;
	mitogen_router_close(world->router);
	expect_router();
	EXPECT(count_descriptors() == descriptors);
	/* what the threads held that are not here is lost */
	fprintf(stderr, "%zu\n", mallinfo2().uordblks - memory);
	_exit(0);
}

static void drops(void)
{
	struct world world = {0};
	pid_t pid;

	build(&world);
	pid = fork();
	if (pid == 0)
		check_copy(&world);
	expect_copy_ended(pid);
	expect_whole(&world);
}

static void copy_of_a_copy(void)
{
	struct world world = {0};
	pid_t pid, inner;

	build(&world);
	pid = fork();
	if (pid == 0) {
		inner = fork();
		if (inner == 0)
			check_copy(&world);
		expect_copy_ended(inner);
		mitogen_after_fork();
		inner = fork();
		if (inner == 0) {
			mitogen_after_fork(); /* there is nothing to drop */
			expect_router();
			_exit(0);
		}
		expect_copy_ended(inner);
		expect_router();
		_exit(0);
	}
	expect_copy_ended(pid);
	expect_whole(&world);
}

static void not_forked(void)
{
	struct world world = {0};

	build(&world);
	mitogen_after_fork();
	expect_whole(&world);
}

static bool is_over; /* atomic */

static void *call_all_the_time(void *argument)
{
	mitogen_context child = *(mitogen_context *)argument;
	mitogen_error mine = {0};

	for (int i = 0; !__atomic_load_n(&is_over, __ATOMIC_RELAXED); i++) {
		int64_t sum = 0;

		if (mitogen_call(child, add, &sum, &mine, i, 1) < 0 || sum != i + 1)
			return argument;
	}
	return NULL;
}

/* In the middle of everything, again and again. */
static void while_busy(void)
{
	mitogen_router busy = mitogen_router_new(&err);
	mitogen_context children[3];
	pthread_t threads[3];

	for (int i = 0; i < 3; i++) {
		children[i] = mitogen_local(busy, &err);
		expect_call(children[i]);
		EXPECT(pthread_create(&threads[i], NULL, call_all_the_time, &children[i]) == 0);
	}
	for (int i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			mitogen_after_fork();
			EXPECT(count_descriptors() == descriptors);
			expect_router();
			_exit(0);
		}
		expect_copy_ended(pid);
	}
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++) {
		void *failed;

		EXPECT(pthread_join(threads[i], &failed) == 0 && !failed);
	}
	mitogen_router_close(busy);
}

static unsigned forked_in_log; /* atomic */

/* On the broker thread, in the middle of handing over a line. */
static void fork_in_log(mitogen_log_level level, const char *context, const char *line, void *user)
{
	pid_t pid;

	(void)level;
	(void)context;
	(void)user;
	if (!strstr(line, "for the log"))
		return;
	pid = fork();
	if (pid == 0) {
		mitogen_after_fork();
		EXPECT(count_descriptors() == descriptors);
		expect_router();
		_exit(0);
	}
	expect_copy_ended(pid);
	__atomic_add_fetch(&forked_in_log, 1, __ATOMIC_RELAXED);
}

static void in_a_log_callback(void)
{
	mitogen_router logs = mitogen_router_new(&err, .log = fork_in_log);
	mitogen_context child = mitogen_local(logs, &err);

	EXPECT_OK(mitogen_call(child, warn, NULL, &err));
	EXPECT_OK(mitogen_context_shutdown(child, &err));
	EXPECT(__atomic_load_n(&forked_in_log, __ATOMIC_RELAXED) == 1);
	mitogen_router_close(logs);
}

static void in_a_function(void)
{
	mitogen_router here = mitogen_router_new(&err);
	MITOGEN_AUTO(text, text);

	EXPECT_OK(mitogen_call(mitogen_local(here, &err), fork_in_function, &text, &err));
	EXPECT(strcmp(text, "well") == 0);
	mitogen_router_close(here);
}

static int pipes[2];
static int done; /* by the broker thread */

static int wait_for_byte(mitogen_router here, void *user, mitogen_error *error)
{
	char byte;

	(void)here;
	(void)user;
	(void)error;
	return read(pipes[0], &byte, 1) == 1 ? 0 : -1;
}

static int note(mitogen_router here, void *user, mitogen_error *error)
{
	(void)here;
	(void)user;
	(void)error;
	done++;
	return 0;
}

/* What the original's broker thread has still to do it does, and the copy does not. */
static void deferred_work(void)
{
	mitogen_router here = mitogen_router_new(&err);
	pid_t pid;

	EXPECT(pipe2(pipes, O_CLOEXEC) == 0);
	EXPECT_OK(mitogen_defer(here, wait_for_byte, NULL, &err));
	for (int i = 0; i < 10; i++)
		EXPECT_OK(mitogen_defer(here, note, NULL, &err));
	pid = fork();
	if (pid == 0) {
		mitogen_after_fork();
		EXPECT(done == 0);
		expect_router();
		_exit(0);
	}
	expect_copy_ended(pid);
	EXPECT(write(pipes[1], "", 1) == 1);
	EXPECT_OK(mitogen_defer_wait(here, note, NULL, &err));
	EXPECT(done == 11);
	mitogen_router_close(here);
}

static void with_a_fork_server(void)
{
	mitogen_router here = mitogen_router_new(&err, .fork_server = true);
	mitogen_context child = mitogen_fork(here, &err);
	pid_t pid;

	expect_call(child);
	pid = fork();
	if (pid == 0) {
		mitogen_after_fork();
		EXPECT(count_descriptors() == descriptors);
		here = mitogen_router_new(&err, .fork_server = true);
		expect_call(mitogen_fork(here, &err));
		mitogen_router_close(here);
		_exit(0);
	}
	expect_copy_ended(pid);
	expect_call(child);
	expect_call(mitogen_fork(here, &err));
	mitogen_router_close(here);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"drops", drops},
		{"copy_of_a_copy", copy_of_a_copy},
		{"not_forked", not_forked},
		{"while_busy", while_busy},
		{"in_a_log_callback", in_a_log_callback},
		{"in_a_function", in_a_function},
		{"deferred_work", deferred_work},
		{"with_a_fork_server", with_a_fork_server},
		{NULL, NULL},
	};

	mitogen_init(argc, argv);
	descriptors = count_descriptors();
	memory = mallinfo2().uordblks;
	return scenario_run(scenarios, argc, argv);
}
