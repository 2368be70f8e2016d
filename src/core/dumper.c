/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/dumper.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/fork.h"
#include "base/sys.h"
#include "base/threads.h"
#include "core/dump.h"
#include "core/router.h"

#define STACK_SIZE  (128 * 1024)
#define STDERR_MS   1000         /* that a full stderr is waited for; then the rest is lost */
#define SECONDS_MAX (7 * 86400u) /* between dumps */

struct dumped { /* a router that takes part */
	struct list link;
	struct router *router;
};

static pthread_mutex_t changes = PTHREAD_MUTEX_INITIALIZER; /* one at a time starts and ends it */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;    /* then this, then a router's */
static struct list routers = {&routers, &routers};
static uint32_t seconds; /* between dumps; 0: only when asked */
static bool is_ending;
static pthread_t thread; /* while there are routers */
static sem_t wake;       /* by SIGUSR1, and to end */
static struct sigaction action_before;
static bool has_signal;

/* ---- Printing ---- */

/* Never waits for ever: who has a full stderr still wants to end. */
static void write_stderr(const char *data, size_t size)
{
	while (size > 0) {
		struct pollfd pollfd = {.fd = STDERR_FILENO, .events = POLLOUT};
		size_t piece =
			size < PIPE_BUF ? size : PIPE_BUF; /* a pipe with room takes as much */
		ssize_t n;

		if (poll(&pollfd, 1, STDERR_MS) != 1)
			return;
		n = write(STDERR_FILENO, data, piece);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
}

static void dump_one(struct router *router, FILE *out)
{
	if (!fork_lock(&router->broker.lock)) {
		fputs("mitogen: the router's lock is not to be had: the thread that has it hangs\n",
		      out);
		return;
	}
	dump_router(router, out);
	pthread_mutex_unlock(&router->broker.lock);
}

/* Lock held. */
static void dump_all(void)
{
	char *data = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&data, &size);

	if (!out)
		return;
	LIST_FOR_EACH (node, &routers)
		dump_one(LIST_OWNER(node, struct dumped, link)->router, out);
	fprintf(out, "mitogen: the threads of process %d\n", (int)getpid());
	threads_write(out);
	fputs("mitogen: end of the dump\n", out);
	if (fclose(out) == 0)
		write_stderr(data, size);
	free(data);
}

/* ---- The thread ---- */

static void wait_for_turn(uint32_t wait_seconds)
{
	struct timespec deadline;
	int r;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += wait_seconds;
	do
		r = wait_seconds > 0 ? sem_timedwait(&wake, &deadline) : sem_wait(&wake);
	while (r < 0 && errno == EINTR);
}

static void *run(void *unused)
{
	(void)unused;
	prctl(PR_SET_NAME, "mitogen:dump");
	pthread_mutex_lock(&lock);
	while (!is_ending) {
		uint32_t wait_seconds = seconds;

		pthread_mutex_unlock(&lock);
		wait_for_turn(wait_seconds);
		pthread_mutex_lock(&lock);
		if (!is_ending)
			dump_all();
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void on_signal(int number)
{
	int saved = errno;

	(void)number;
	sem_post(&wake);
	errno = saved;
}

/* Unless the program has a handler of its own. */
static void take_signal(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	if (has_signal || sigaction(SIGUSR1, NULL, &action_before) < 0 ||
	    (action_before.sa_handler != SIG_DFL && action_before.sa_handler != SIG_IGN))
		return;
	has_signal = sigaction(SIGUSR1, &action, NULL) == 0;
}

static void give_signal_back(void)
{
	if (has_signal)
		sigaction(SIGUSR1, &action_before, NULL);
	has_signal = false;
}

/* 0 or -1. */
static int start(void)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int error;

	is_ending = false;
	sem_init(&wake, 0, 0);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error ? -1 : 0;
}

static void stop(void)
{
	give_signal_back();
	pthread_mutex_lock(&lock);
	is_ending = true;
	pthread_mutex_unlock(&lock);
	sem_post(&wake);
	pthread_join(thread, NULL);
}

/* ---- Routers ---- */

static struct dumped *take(const struct router *router)
{
	struct dumped *found = NULL;

	pthread_mutex_lock(&lock);
	LIST_FOR_EACH_SAFE (node, &routers) {
		if (LIST_OWNER(node, struct dumped, link)->router != router)
			continue;
		found = LIST_OWNER(node, struct dumped, link);
		list_remove(node);
	}
	pthread_mutex_unlock(&lock);
	return found;
}

/* Before the thread is made, so that it finds what it is there for. */
static void put(struct dumped *dumped)
{
	pthread_mutex_lock(&lock);
	if (dumped->router->diagnosis.dump_seconds > 0)
		seconds = dumped->router->diagnosis.dump_seconds;
	list_append(&routers, &dumped->link);
	pthread_mutex_unlock(&lock);
}

void dumper_add(struct router *router)
{
	const struct diagnosis *diagnosis = &router->diagnosis;
	struct dumped *dumped;
	bool is_first;

	if (diagnosis->dump_seconds == 0 && !diagnosis->dumps_on_signal)
		return;
	dumped = sys.malloc(sizeof(*dumped));
	if (!dumped)
		return;
	dumped->router = router;
	pthread_mutex_lock(&changes);
	is_first = list_is_empty(&routers);
	put(dumped);
	if (is_first && start() < 0)
		sys.free(take(router));
	else if (diagnosis->dumps_on_signal)
		take_signal();
	if (!is_first && diagnosis->dump_seconds > 0)
		sem_post(&wake); /* it may wait for a signal alone */
	pthread_mutex_unlock(&changes);
}

void dumper_remove(const struct router *router)
{
	struct dumped *dumped;

	pthread_mutex_lock(&changes);
	dumped = take(router);
	if (dumped && list_is_empty(&routers)) {
		stop();
		seconds = 0;
	}
	pthread_mutex_unlock(&changes);
	sys.free(dumped);
}

void dumper_forget(void)
{
	struct list *node;

	give_signal_back();
	pthread_mutex_init(&changes, NULL);
	pthread_mutex_init(&lock, NULL);
	while ((node = list_pop(&routers)) != NULL)
		sys.free(LIST_OWNER(node, struct dumped, link));
	seconds = 0;
}

/* ---- What is asked for ---- */

static uint32_t number_of(const char *name)
{
	const char *text = getenv(name);
	unsigned long number = text ? strtoul(text, NULL, 10) : 0;

	return number < SECONDS_MAX ? (uint32_t)number : SECONDS_MAX;
}

void diagnosis_add_environment(struct diagnosis *diagnosis)
{
	uint32_t dump_seconds = number_of("MITOGEN_DUMP_THREAD_STACKS");

	if (dump_seconds > 0)
		diagnosis->dump_seconds = dump_seconds;
	diagnosis->dumps_on_signal |= number_of("MITOGEN_DUMP_ON_SIGUSR1") > 0;
	diagnosis->traces_crashes |= number_of("MITOGEN_TRACE_CRASHES") > 0;
}

void diagnosis_begin(const struct diagnosis *diagnosis, const char *name)
{
	if (diagnosis->dump_seconds > 0 || diagnosis->dumps_on_signal)
		threads_enable();
	if (diagnosis->traces_crashes)
		crash_enable(name);
}
