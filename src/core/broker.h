/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The I/O loop of a router and its thread. It holds the router lock all the time but while it waits
 * in the poller and while it wakes sleeping threads. docs/adr/0001-threads-and-locks.md has the
 * rules; every function says on which thread it may be called.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/log.h"
#include "core/poller.h"
#include "core/timer.h"

struct latch;

#define BROKER_SCRATCH (2u * 1024 * 64 + 64) /* a frame that has come in parts, and a read */

/* Work for the broker thread; sits in its owner. */
struct task {
	struct list link;
	void (*run)(struct task *task); /* router lock held */
};

/* Something that may be named by an event of the current round: destroyed when that is over. */
struct closing {
	struct list link;
	void (*destroy)(struct closing *closing); /* router lock held */
};

struct broker {
	pthread_mutex_t lock; /* the router lock */
	pthread_t thread;
	const struct poller_ops *ops;
	struct poller *poller;
	int wake_fds[2]; /* an eventfd twice, or a pipe */
	struct source wake;
	struct timers timers;
	struct list tasks, closing;
	struct list processes; /* that are watched */
	struct latch *wakes;   /* with sleepers; woken when the lock is dropped */
	bool running, polling, kicked, stopping;
	bool is_copy;     /* in a forked process: calls nothing of the program */
	bool calling_out; /* the broker thread runs a function of the program, without the lock */
	struct log_courier courier;
	/* Called before each wait and after the last one, on the thread, without the lock: log lines
	 * are handed over, and what the user gave us is called. Returns in how many ms it wants to be
	 * called again even if nothing happens; -1: never. */
	int (*idle)(struct broker *broker);
	uint8_t *scratch; /* BROKER_SCRATCH bytes for reading; of whoever's callback runs */
};

/* 0, or -1 with errno; then nothing is left. */
int broker_init(struct broker *broker);
/* Starts the thread, all signals blocked. 0 or -1, errno. */
int broker_start(struct broker *broker);
/* Makes the loop go round, also if it is about to wait. Lock held. */
void broker_wake(struct broker *broker);
/* Makes the loop end after this round. Lock held. */
void broker_stop(struct broker *broker);
/* After the thread has ended, or if it never started. */
void broker_clear(struct broker *broker);
bool broker_is_current(const struct broker *broker); /* is this its thread? */
/* Whose thread this is, or NULL. It needs no lock to tell. */
struct broker *broker_of_thread(void);
/* May this thread do what is the broker thread's? Also before that runs and after it has ended. */
bool broker_may_act(const struct broker *broker);

/* In a forked copy, where its thread is not, with the lock that was taken before the fork, and is dropped:
 * whoever calls has the thread's part from now on; nothing is watched any more. */
void broker_adopt(struct broker *broker);
/* There: does what is to be done without waiting. */
void broker_settle(struct broker *broker);

/* Any thread. Dropping the lock wakes the latches that were filled under it. */
void broker_lock(struct broker *broker);
void broker_unlock(struct broker *broker);

/* Any thread, lock held. */
void broker_defer(struct broker *broker, struct task *task); /* once, if it is deferred already */
void broker_set_timer(struct broker *broker, struct timer *timer, int64_t deadline);

/* Broker thread, lock held. */
int broker_watch(struct broker *broker, struct source *source,
		 unsigned events);                                              /* 0 or -1, errno */
int broker_want(struct broker *broker, struct source *source, unsigned events); /* the same */
void broker_unwatch(struct broker *broker, struct source *source);
void broker_close_later(struct broker *broker, struct closing *closing);
/* Runs a function of the program, which may use the library as long as it does not wait. The lock is
 * dropped meanwhile: nothing that was looked up before is sure to be there afterwards. */
void broker_call_out(struct broker *broker, void (*function)(void *argument), void *argument);
