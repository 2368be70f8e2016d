/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/broker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/fd.h"
#include "base/profile.h"
#include "base/sys.h"
#include "base/threads.h"
#include "core/latch.h"

#define READY_MAX         64
#define BROKER_STACK_SIZE (256 * 1024)
#define LAST_IDLE_MS      2000 /* for the log at the end, when nobody seems to read it */
#define SETTLE_ROUNDS     10   /* tasks may defer tasks */

static _Thread_local struct broker *own; /* whose loop this thread runs */

static void run_tasks(struct broker *broker);
static void destroy_closing(struct broker *broker);

static void drain_wake(struct source *source, unsigned events)
{
	char bytes[64];

	(void)events;
	/* the descriptor does not block: this ends when it is empty */
	while (sys.read(source->fd, bytes, sizeof(bytes)) > 8)
		;
}

static int open_wake(int ret[2])
{
#ifdef __linux__
	ret[0] = ret[1] = fd_move_high(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	return ret[0] < 0 ? -1 : 0;
#else
	if (fd_pipe(ret) < 0)
		return -1;
	fd_set_nonblocking(ret[0]);
	fd_set_nonblocking(ret[1]);
	return 0;
#endif
}

static void close_wake(const int fds[2])
{
	fd_close(fds[0]);
	if (fds[1] != fds[0])
		fd_close(fds[1]);
}

static int deliver_log(struct broker *broker)
{
	(void)broker;
	log_deliver();
	return -1;
}

/* Without the lock, which the caller may hold or not. */
static void wake_for_log(struct log_courier *courier)
{
	static const uint64_t one = 1;
	struct broker *broker = LIST_OWNER(courier, struct broker, courier);

	/* the thread itself looks before it waits; and full means that it wakes up anyway */
	if (!broker_is_current(broker) && sys.write(broker->wake_fds[1], &one, sizeof(one)) < 0)
		return;
}

int broker_init(struct broker *broker)
{
	*broker = (struct broker){
		.ops = poller_choose(), .courier.wake = wake_for_log, .idle = deliver_log};
	list_init(&broker->tasks);
	list_init(&broker->closing);
	list_init(&broker->processes);
	broker->scratch = sys.malloc(BROKER_SCRATCH);
	if (!broker->scratch || open_wake(broker->wake_fds) < 0)
		goto no_wake;
	broker->poller = broker->ops->create();
	if (!broker->poller)
		goto no_poller;
	broker->wake.fd = broker->wake_fds[0];
	broker->wake.ready = drain_wake;
	broker->wake.wanted = POLLER_READ;
	if (broker->ops->update(broker->poller, &broker->wake, 0) < 0)
		goto no_watch;
	pthread_mutex_init(&broker->lock, NULL);
	return 0;
no_watch:
	broker->ops->destroy(broker->poller);
no_poller:
	close_wake(broker->wake_fds);
no_wake:
	sys.free(broker->scratch);
	return -1;
}

void broker_clear(struct broker *broker)
{
	broker->ops->destroy(broker->poller);
	close_wake(broker->wake_fds);
	sys.free(broker->scratch);
	pthread_mutex_destroy(&broker->lock);
}

bool broker_is_current(const struct broker *broker)
{
	return own == broker && broker->running;
}

struct broker *broker_of_thread(void)
{
	return own;
}

bool broker_may_act(const struct broker *broker)
{
	return !broker->running || broker_is_current(broker);
}

/* ---- Forks of the host program ---- */

static int update_nothing(struct poller *poller, struct source *source, unsigned before)
{
	(void)poller;
	(void)source;
	(void)before;
	return 0;
}

static void destroy_nothing(struct poller *poller)
{
	(void)poller;
}

void broker_adopt(struct broker *broker)
{
	static const struct poller_ops nothing = {
		.name = "nothing", .destroy = destroy_nothing, .update = update_nothing};

	pthread_mutex_unlock(&broker->lock);
	own = NULL; /* if its thread made the copy */
	broker->is_copy = true;
	broker->running = broker->polling = broker->calling_out = false;
	broker->ops->destroy(broker->poller);
	broker->ops = &nothing;
	broker->wakes = NULL;
}

void broker_settle(struct broker *broker)
{
	broker_lock(broker);
	for (int i = 0; i < SETTLE_ROUNDS; i++) {
		run_tasks(broker);
		destroy_closing(broker);
	}
	broker_unlock(broker);
}

/* ---- */

void broker_lock(struct broker *broker)
{
	pthread_mutex_lock(&broker->lock);
}

void broker_unlock(struct broker *broker)
{
	struct latch *wakes = TAKE_PTR(broker->wakes);

	pthread_mutex_unlock(&broker->lock);
	latch_wake_all(wakes);
}

/* Unless it is about to look at tasks and timers anyway. */
void broker_wake(struct broker *broker)
{
	static const uint64_t one = 1;

	if (!broker->polling || broker->kicked)
		return;
	broker->kicked = true;
	/* full means that it wakes up anyway */
	if (sys.write(broker->wake_fds[1], &one, sizeof(one)) < 0)
		return;
}

void broker_defer(struct broker *broker, struct task *task)
{
	if (list_is_linked(&task->link))
		return;
	list_append(&broker->tasks, &task->link);
	broker_wake(broker);
}

void broker_set_timer(struct broker *broker, struct timer *timer, int64_t deadline)
{
	timer_insert(&broker->timers, timer, deadline);
	if (broker->timers.first == timer)
		broker_wake(broker);
}

void broker_stop(struct broker *broker)
{
	broker->stopping = true;
	broker_wake(broker);
}

int broker_watch(struct broker *broker, struct source *source, unsigned events)
{
	source->wanted = 0;
	return broker_want(broker, source, events);
}

int broker_want(struct broker *broker, struct source *source, unsigned events)
{
	unsigned before = source->wanted;

	if (events == before)
		return 0;
	assert(broker_may_act(broker));
	source->wanted = events;
	if (broker->ops->update(broker->poller, source, before) == 0)
		return 0;
	source->wanted = before;
	return -1;
}

void broker_unwatch(struct broker *broker, struct source *source)
{
	broker_want(broker, source, 0);
	source->ready = NULL;
}

void broker_close_later(struct broker *broker, struct closing *closing)
{
	list_append(&broker->closing, &closing->link);
	broker_wake(broker);
}

void broker_call_out(struct broker *broker, void (*function)(void *argument), void *argument)
{
	assert(broker_may_act(broker));
	if (broker->is_copy)
		return;
	broker->calling_out = true;
	broker_unlock(broker);
	function(argument);
	broker_lock(broker);
	broker->calling_out = false;
}

static void run_tasks(struct broker *broker)
{
	struct list tasks, *node;

	list_init(&tasks);
	list_splice(&tasks, &broker->tasks);
	while ((node = list_pop(&tasks)) != NULL) {
		struct task *task = LIST_OWNER(node, struct task, link);

		task->run(task);
	}
}

static void destroy_closing(struct broker *broker)
{
	struct list *node;

	while ((node = list_pop(&broker->closing)) != NULL) {
		struct closing *closing = LIST_OWNER(node, struct closing, link);

		closing->destroy(closing);
	}
}

/* Lock not held. */
static int idle(struct broker *broker)
{
	int again_ms;

	broker->calling_out = true; /* of interest to this thread alone */
	again_ms = broker->idle(broker);
	broker->calling_out = false;
	return again_ms;
}

static void poll_once(struct broker *broker, int timeout_ms)
{
	struct poller_ready ready[READY_MAX];
	int count, idle_ms;

	broker->polling = true;
	broker->kicked = false;
	broker_unlock(broker);
	idle_ms = idle(broker);
	if (idle_ms >= 0 && (timeout_ms < 0 || idle_ms < timeout_ms))
		timeout_ms = idle_ms;
	count = broker->ops->wait(broker->poller, ready, READY_MAX, timeout_ms);
	broker_lock(broker);
	broker->polling = false;
	for (int i = 0; i < count; i++)
		if (ready[i].source->ready) /* not unwatched by one before it */
			ready[i].source->ready(ready[i].source, ready[i].events);
}

/* What is in the log is written, as long as somebody reads it. */
static void finish(struct broker *broker)
{
	unsigned long before = log_count_taken(), taken;
	int64_t deadline = clock_deadline(LAST_IDLE_MS);

	for (int again_ms; (again_ms = idle(broker)) >= 0 && clock_ms() < deadline;) {
		taken = log_count_taken();
		if (taken != before)
			deadline = clock_deadline(LAST_IDLE_MS);
		before = taken;
		sys.poll(NULL, 0, again_ms);
	}
}

static void *loop(void *argument)
{
	struct broker *broker = argument;

	own = broker;
	prctl(PR_SET_NAME, "mitogen:broker");
	crash_enter_thread();
	threads_enter();
	profile_enter_thread();
	broker_lock(broker);
	while (!broker->stopping) {
		int timeout_ms;

		run_tasks(broker);
		timeout_ms = timer_run(&broker->timers);
		destroy_closing(broker);
		if (!list_is_empty(&broker->tasks))
			timeout_ms = 0;
		if (!broker->stopping)
			poll_once(broker, timeout_ms);
	}
	destroy_closing(broker);
	broker_unlock(broker);
	finish(broker);
	log_remove_courier(&broker->courier);
	crash_leave_thread();
	return NULL;
}

/* All but those that this thread causes itself, which cannot wait. */
static void fill_blocked(sigset_t *set)
{
	static const int caused[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

	sigfillset(set);
	for (size_t i = 0; i < sizeof(caused) / sizeof(caused[0]); i++)
		sigdelset(set, caused[i]);
}

int broker_start(struct broker *broker)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, BROKER_STACK_SIZE);
	fill_blocked(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	broker_lock(broker); /* the thread must not run before its ID is written */
	error = pthread_create(&broker->thread, &attributes, loop, broker);
	broker->running = error == 0;
	if (broker->running)
		log_add_courier(&broker->courier);
	broker_unlock(broker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	errno = error;
	return error ? -1 : 0;
}
