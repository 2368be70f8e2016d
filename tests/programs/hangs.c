/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that hang or crash, and what they say about it. */
#include <pthread.h>
#include <signal.h>

#include "scenario.h"

/* Seen in back-traces: the compiler makes it no part of its caller, and knows nothing of it there. */
#ifdef __clang__
#define SEEN __attribute__((noinline, optnone))
#else
#define SEEN __attribute__((noipa))
#endif

/* ---- Functions ---- */

static volatile int zero, *volatile nothing;

SEEN int hang_in_here(const char *started, const char *go_on)
{
	meet_as_writer(started);
	meet_as_reader(go_on);
	return zero;
}

static int hang(mitogen_message *m, mitogen_error *error)
{
	const char *started, *go_on;
	int r = mitogen_read(m, error, &started, &go_on);

	return r < 0 ? r : hang_in_here(started, go_on);
}
MITOGEN_EXPORT(hang, MITOGEN_TEXT, MITOGEN_TEXT);

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

SEEN int write_nowhere(void)
{
	*nothing = 1;
	return zero;
}

SEEN int divide_by_zero(void)
{
	return 100 / zero;
}

SEEN int give_up(void)
{
	abort();
}

SEEN int send_itself(int number)
{
	raise(number);
	return zero;
}

SEEN int go_deeper(volatile char *above)
{
	volatile char room[4096];

	room[0] = *above;
	return zero ? 0 : go_deeper(room) + room[0];
}

static int crash(mitogen_message *m, mitogen_error *error)
{
	const char *how;
	int r = mitogen_read(m, error, &how);

	if (r < 0)
		return r;
	if (strcmp(how, "write_nowhere") == 0)
		r = write_nowhere();
	else if (strcmp(how, "divide_by_zero") == 0)
		r = divide_by_zero();
	else if (strcmp(how, "give_up") == 0)
		r = give_up();
	else if (strcmp(how, "go_deeper") == 0)
		r = go_deeper(&(char){0});
	else
		r = send_itself(atoi(how));
	return r + zero; /* no jump instead of a call */
}
MITOGEN_EXPORT(crash, MITOGEN_TEXT);

SEEN int crash_broker(mitogen_router here, void *user, mitogen_error *error)
{
	(void)here;
	(void)user;
	(void)error;
	return write_nowhere() + zero;
}

static int crash_on_broker_thread(mitogen_message *m, mitogen_error *error)
{
	return mitogen_defer_wait(mitogen_message_router(m), crash_broker, NULL, error);
}
MITOGEN_EXPORT(crash_on_broker_thread);

static void own_handler(int number)
{
	_exit(100 + number);
}

static int crash_with_own_handler(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	signal(SIGSEGV, own_handler);
	return write_nowhere();
}
MITOGEN_EXPORT(crash_with_own_handler);

/* ---- Scenarios ---- */

/* A child hangs, calls wait for it, and a thread does not take signals; until somebody says go on. */
static void *wait_deaf(void *path)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	meet_as_reader(path);
	return NULL;
}

static void hangs(void)
{
	mitogen_context child = mitogen_local(router, &err);
	mitogen_context chain = mitogen_chain(child);
	mitogen_receiver replies = mitogen_receiver_new(router, &err);
	const char *started = make_fifo("started"), *go_on = make_fifo("go_on");
	const char *deaf = make_fifo("deaf");
	MITOGEN_AUTO(message, m);
	pthread_t thread;

	EXPECT(pthread_create(&thread, NULL, wait_deaf, (void *)(uintptr_t)deaf) == 0);
	EXPECT_OK(mitogen_call_async(mitogen_within(chain, 3600000), hang, replies, NULL, &err,
				     started, go_on));
	EXPECT_OK(mitogen_call_async(chain, add, replies, NULL, &err, 1, 2));
	meet_as_reader(started);
	printf("%d\n", getpid());
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		EXPECT(mitogen_receiver_get(replies, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_OK(mitogen_read(m, &err));
	}
	meet_as_writer(deaf);
	EXPECT(pthread_join(thread, NULL) == 0);
}

static const char *policy_paths[2];

SEEN bool policy_that_hangs(mitogen_router here, uint32_t source, uint32_t authority, void *user)
{
	(void)here;
	(void)source;
	(void)authority;
	(void)user;
	meet_as_writer(policy_paths[0]);
	meet_as_reader(policy_paths[1]);
	return !zero;
}

/* The broker thread hangs in what it must not hang in, with its lock. */
static void broker_hangs(void)
{
	mitogen_receiver receiver;
	mitogen_sender sender;
	MITOGEN_AUTO(message, m);
	int number;

	policy_paths[0] = make_fifo("started");
	policy_paths[1] = make_fifo("go_on");
	receiver = mitogen_receiver_new(router, &err);
	sender = mitogen_receiver_listen(receiver, &err, .policy = policy_that_hangs);
	EXPECT_OK(mitogen_send(sender, &err, 7));
	meet_as_reader(policy_paths[0]);
	printf("%d\n", getpid());
	fflush(stdout);
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err, &number));
	EXPECT(number == 7);
}

/* What takes no signals unless it is asked to. */
static void waits(void)
{
	const char *go_on = make_fifo("go_on");

	EXPECT_OK(mitogen_call(mitogen_local(router, &err), add, NULL, &err, 1, 2));
	printf("%d\n", getpid());
	fflush(stdout);
	meet_as_reader(go_on);
}

static void crashes(void)
{
	static const struct {
		const char *how, *signal;
	} ways[] = {
		{"write_nowhere", "SIGSEGV"},
		{"divide_by_zero", "SIGFPE"},
		{"give_up", "SIGABRT"},
		{"go_deeper", "SIGSEGV"},
		{"7", "SIGBUS"},
		{"4", "SIGILL"},
		{"9", "SIGKILL"},
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		mitogen_context child = mitogen_local(router, &err, .name = ways[i].how);

		EXPECT_FAILURE(mitogen_call(child, crash, NULL, &err, ways[i].how),
			       MITOGEN_ERR_LOST, ways[i].signal);
		EXPECT(strstr(err.text, "was killed by"));
	}
}

static void crash_on_broker(void)
{
	mitogen_context child = mitogen_local(router, &err);

	EXPECT_FAILURE(mitogen_call(child, crash_on_broker_thread, NULL, &err), MITOGEN_ERR_LOST,
		       "was killed by SIGSEGV");
}

static void crash_handled(void)
{
	mitogen_context child = mitogen_local(router, &err);

	EXPECT_FAILURE(mitogen_call(child, crash_with_own_handler, NULL, &err), MITOGEN_ERR_LOST,
		       "exited with status 111");
}

static void crash_in_a_copy(void)
{
	mitogen_router here = mitogen_router_new(&err, .fork_server = true);

	for (int i = 0; i < 2; i++)
		EXPECT_FAILURE(
			mitogen_call(mitogen_fork(here, &err), crash, NULL, &err, "write_nowhere"),
			MITOGEN_ERR_LOST, "was killed by SIGSEGV");
	mitogen_router_close(here);
}

/* In the process itself. */
static void crash_here(void)
{
	write_nowhere();
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"hangs", hangs},
		{"broker_hangs", broker_hangs},
		{"waits", waits},
		{"crashes", crashes},
		{"crash_on_broker", crash_on_broker},
		{"crash_handled", crash_handled},
		{"crash_here", crash_here},
		{NULL, NULL},
	};

	if (argc > 1 && strcmp(argv[1], "crash_in_a_copy") == 0) { /* while there is one thread */
		mitogen_init(argc, argv);
		for (int i = 0; i < 2; i++)
			crash_in_a_copy();
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "waits_with_handlers") == 0) {
		signal(SIGUSR1, own_handler);
		argv[1] = (char *)(uintptr_t) "waits";
	}
	return scenario_main(scenarios, argc, argv);
}
