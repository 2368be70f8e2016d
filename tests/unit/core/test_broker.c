/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/broker.h"
#include "fixture.h"

#define THREADS 4
#define TASKS   1000

static struct broker broker;
static sem_t done;

static int setup(void **state)
{
	(void)state;
	sem_init(&done, 0, 0);
	return broker_init(&broker) == 0 && broker_start(&broker) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	broker_lock(&broker);
	broker_stop(&broker);
	broker_unlock(&broker);
	pthread_join(broker.thread, NULL);
	broker_clear(&broker);
	return 0;
}

/* ---- Tasks ---- */

struct job {
	struct task task;
	int runs;
	bool on_thread;
};

static void run_job(struct task *task)
{
	struct job *job = LIST_OWNER(task, struct job, task);

	job->runs++;
	job->on_thread = broker_is_current(&broker);
	sem_post(&done);
}

static void *defer_many(void *argument)
{
	struct job *jobs = argument;

	for (int i = 0; i < TASKS; i++) {
		broker_lock(&broker);
		broker_defer(&broker, &jobs[i].task);
		broker_unlock(&broker);
	}
	return NULL;
}

static void tasks_of_many_threads_run_once(void **state)
{
	static struct job jobs[THREADS * TASKS];
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS * TASKS; i++)
		jobs[i] = (struct job){.task.run = run_job};
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, defer_many, &jobs[i * TASKS]),
				 0);
	for (int i = 0; i < THREADS * TASKS; i++)
		sem_wait(&done);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	broker_lock(&broker);
	for (int i = 0; i < THREADS * TASKS; i++)
		assert_true(jobs[i].runs == 1 && jobs[i].on_thread);
	broker_unlock(&broker);
	assert_false(broker_is_current(&broker));
}

static void a_task_deferred_twice_runs_once(void **state)
{
	struct job job = {.task.run = run_job}, last = {.task.run = run_job};

	(void)state;
	broker_lock(&broker);
	broker_defer(&broker, &job.task);
	broker_defer(&broker, &job.task);
	broker_defer(&broker, &last.task);
	broker_unlock(&broker);
	sem_wait(&done);
	sem_wait(&done);
	broker_lock(&broker);
	assert_int_equal(job.runs, 1);
	assert_int_equal(last.runs, 1);
	broker_unlock(&broker);
}

static void run_again(struct task *task)
{
	struct job *job = LIST_OWNER(task, struct job, task);

	if (++job->runs < 3)
		broker_defer(&broker, task);
	else
		sem_post(&done);
}

static void a_task_may_defer_itself(void **state)
{
	struct job job = {.task.run = run_again};

	(void)state;
	broker_lock(&broker);
	broker_defer(&broker, &job.task);
	broker_unlock(&broker);
	sem_wait(&done);
	broker_lock(&broker);
	assert_int_equal(job.runs, 3);
	broker_unlock(&broker);
}

/* ---- Timers ---- */

static void timer_due(struct timer *timer)
{
	(void)timer;
	sem_post(&done);
}

/* The broker sleeps for ever, then has to be woken for a timer that comes sooner. */
static void a_sleeping_broker_learns_of_timers(void **state)
{
	struct timer later = {.due = timer_due}, sooner = {.due = timer_due};

	(void)state;
	broker_lock(&broker);
	broker_set_timer(&broker, &later, clock_ms() + 3600000);
	broker_unlock(&broker);
	broker_lock(&broker);
	broker_set_timer(&broker, &sooner, clock_ms() + 1);
	broker_unlock(&broker);
	sem_wait(&done);
	broker_lock(&broker);
	assert_ptr_equal(broker.timers.first, &later);
	assert_null(sooner.timers);
	timer_cancel(&later);
	broker_unlock(&broker);
}

/* ---- Descriptors, and the closing phase ---- */

struct watched {
	struct source source;
	struct watched *partner;
	struct closing closing;
	struct task task;
	int calls;
	bool is_destroyed;
};

static struct watched left, right;

static void destroy(struct closing *closing)
{
	LIST_OWNER(closing, struct watched, closing)->is_destroyed = true;
	sem_post(&done);
}

/* Whichever of two ready ones comes first takes the other away and lets both be destroyed. */
static void close_both(struct source *source, unsigned events)
{
	struct watched *watched = LIST_OWNER(source, struct watched, source);

	(void)events;
	watched->calls++;
	broker_unwatch(&broker, source);
	broker_unwatch(&broker, &watched->partner->source);
	broker_close_later(&broker, &watched->closing);
	broker_close_later(&broker, &watched->partner->closing);
	assert_false(watched->is_destroyed || watched->partner->is_destroyed);
}

static void watch_both(struct task *task)
{
	(void)task;
	assert_int_equal(broker_watch(&broker, &left.source, POLLER_READ), 0);
	assert_int_equal(broker_watch(&broker, &right.source, POLLER_READ), 0);
}

static void nothing_is_destroyed_while_an_event_names_it(void **state)
{
	struct task watch = {.run = watch_both};
	int fds[2];

	(void)state;
	assert_int_equal(fd_pipe(fds), 0);
	assert_int_equal(write(fds[1], "a", 1), 1);
	left = (struct watched){.source = {.fd = fds[0], .ready = close_both},
				.closing.destroy = destroy,
				.partner = &right};
	right = left;
	right.source.fd = fd_dup_high(fds[0]);
	right.partner = &left;
	broker_lock(&broker);
	broker_defer(&broker, &watch);
	broker_unlock(&broker);
	sem_wait(&done);
	sem_wait(&done);
	broker_lock(&broker);
	assert_true(left.is_destroyed && right.is_destroyed);
	assert_int_equal(left.calls + right.calls, 1);
	broker_unlock(&broker);
	fd_close(right.source.fd);
	fd_close(fds[0]);
	fd_close(fds[1]);
}

/* ---- The thread ---- */

static sigset_t mask;

static void keep_mask(struct task *task)
{
	(void)task;
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	sem_post(&done);
}

static void its_thread_blocks_signals(void **state)
{
	struct task task = {.run = keep_mask};
	sigset_t before;

	(void)state;
	broker_lock(&broker);
	broker_defer(&broker, &task);
	broker_unlock(&broker);
	sem_wait(&done);
	assert_true(sigismember(&mask, SIGTERM) && sigismember(&mask, SIGPIPE) &&
		    sigismember(&mask, SIGCHLD));
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	assert_false(sigismember(&before, SIGTERM));
}

static void leaves_no_descriptor(void **state)
{
	struct broker other;
	int next = dup(0), after;

	(void)state;
	close(next);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(broker_init(&other), 0);
		broker_clear(&other);
	}
	after = dup(0);
	close(after);
	assert_int_equal(after, next);
}

static struct job late;

/* In a forked copy of the process, where the thread is not. */
static int adopt(void)
{
	broker_adopt(&broker);
	if (!broker_may_act(&broker) || broker_is_current(&broker))
		return 1;
	broker_lock(&broker);
	broker_defer(&broker, &late.task);
	broker_unlock(&broker);
	broker_settle(&broker);
	if (late.runs != 1)
		return 2;
	broker_clear(&broker);
	return 0;
}

static void a_copy_adopts_it(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	late = (struct job){.task.run = run_job};
	broker_lock(&broker);
	pid = fork();
	if (pid == 0)
		_exit(adopt());
	broker_unlock(&broker);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	broker_lock(&broker);
	broker_defer(&broker, &late.task);
	broker_unlock(&broker);
	sem_wait(&done);
	assert_true(late.on_thread);
}

static void call_out(void *argument)
{
	struct job *job = argument;

	broker_lock(&broker); /* it is free */
	assert_true(broker.calling_out);
	job->on_thread = broker_is_current(&broker);
	broker_unlock(&broker);
}

static void run_callout(struct task *task)
{
	broker_call_out(&broker, call_out, LIST_OWNER(task, struct job, task));
	assert_false(broker.calling_out);
	sem_post(&done);
}

static void calls_out_without_the_lock(void **state)
{
	struct job job = {.task.run = run_callout};

	(void)state;
	broker_lock(&broker);
	broker_defer(&broker, &job.task);
	broker_unlock(&broker);
	sem_wait(&done);
	assert_true(job.on_thread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tasks_of_many_threads_run_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_task_deferred_twice_runs_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_task_may_defer_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sleeping_broker_learns_of_timers, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nothing_is_destroyed_while_an_event_names_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(its_thread_blocks_signals, setup, teardown),
		cmocka_unit_test(leaves_no_descriptor),
		cmocka_unit_test_setup_teardown(a_copy_adopts_it, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_out_without_the_lock, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
