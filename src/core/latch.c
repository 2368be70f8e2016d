/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/latch.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/sys.h"
#include "core/message.h"

static bool is_distrustful;

void latch_distrust(bool distrust)
{
	is_distrustful = distrust;
}

static void enter(struct latch *latch)
{
	if (!is_distrustful)
		pthread_mutex_lock(&latch->lock);
	else if (pthread_mutex_trylock(&latch->lock) != 0)
		list_init(&latch->messages); /* there is nobody else: what is locked is ours */
}

struct latch *latch_new(void)
{
	struct latch *latch = sys.calloc(1, sizeof(*latch));

	if (!latch)
		return NULL;
	pthread_mutex_init(&latch->lock, NULL);
	event_count_init(&latch->filled);
	list_init(&latch->messages);
	latch->references = 1;
	latch->event_fds[0] = latch->event_fds[1] = -1;
	return latch;
}

struct latch *latch_ref(struct latch *latch)
{
	__atomic_add_fetch(&latch->references, 1, __ATOMIC_RELAXED);
	return latch;
}

void latch_unref(struct latch *latch)
{
	if (!latch || __atomic_sub_fetch(&latch->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	message_unref_all(&latch->messages);
	fd_close(latch->event_fds[0]);
	fd_close(latch->event_fds[1]);
	event_count_clear(&latch->filled);
	pthread_mutex_destroy(&latch->lock);
	sys.free(latch);
}

/* One byte is in the socket pair exactly while there is something to get. Latch lock held. */
static void signal_event(struct latch *latch)
{
	if (latch->event_fds[1] >= 0 && sys.write(latch->event_fds[1], "", 1) < 0)
		return; /* non-blocking, and never more than one byte: it is there already */
}

static void clear_event(struct latch *latch)
{
	char byte;

	if (latch->event_fds[0] >= 0 && sys.read(latch->event_fds[0], &byte, 1) < 0)
		return;
}

/* Both locks held. */
static void wake_later(struct latch *latch, struct latch **wakes)
{
	event_count_advance(&latch->filled);
	if (latch->sleepers == 0 || latch->waking)
		return;
	latch->waking = true;
	latch->next_wake = *wakes;
	*wakes = latch_ref(latch);
}

/* Both locks held. */
static void append(struct latch *latch, struct list *message, struct latch **wakes)
{
	if (list_is_empty(&latch->messages))
		signal_event(latch);
	list_append(&latch->messages, message);
	wake_later(latch, wakes);
}

bool latch_put(struct latch *latch, struct mitogen_message *m, struct latch **wakes)
{
	struct latch *to = latch->target ? latch->target : latch;

	if (latch->ref)
		m->receiver_ref = latch->ref;
	enter(to);
	if (latch->closed || to->closed) {
		pthread_mutex_unlock(&to->lock);
		message_unref(m);
		return false;
	}
	append(to, &m->link, wakes);
	pthread_mutex_unlock(&to->lock);
	return true;
}

void latch_close(struct latch *latch, struct latch **wakes)
{
	enter(latch);
	if (!latch->closed) {
		latch->closed = true;
		if (list_is_empty(&latch->messages))
			signal_event(latch);
		wake_later(latch, wakes);
	}
	pthread_mutex_unlock(&latch->lock);
}

/* Moves messages to a latch, in their order. Router lock held. */
static void move(struct list *messages, struct latch *to, struct latch **wakes)
{
	struct list *node;

	enter(to);
	while ((node = list_pop(messages)) != NULL)
		append(to, node, wakes);
	pthread_mutex_unlock(&to->lock);
}

void latch_join(struct latch *member, struct latch *target, struct latch **wakes)
{
	struct list messages;

	list_init(&messages);
	enter(member);
	if (!list_is_empty(&member->messages) && !member->closed)
		clear_event(member);
	list_splice(&messages, &member->messages);
	member->target = target;
	wake_later(member, wakes);
	pthread_mutex_unlock(&member->lock);
	move(&messages, target, wakes);
}

void latch_leave(struct latch *member, struct latch **wakes)
{
	struct latch *target = member->target;
	struct list messages;
	bool was_empty;

	list_init(&messages);
	enter(target);
	was_empty = list_is_empty(&target->messages);
	LIST_FOR_EACH_SAFE (node, &target->messages) {
		if (LIST_OWNER(node, struct mitogen_message, link)->receiver_ref != member->ref)
			continue;
		list_remove(node);
		list_append(&messages, node);
	}
	if (!was_empty && list_is_empty(&target->messages) && !target->closed)
		clear_event(target);
	pthread_mutex_unlock(&target->lock);
	enter(member);
	member->target = NULL;
	pthread_mutex_unlock(&member->lock);
	move(&messages, member, wakes);
}

void latch_wake_all(struct latch *wakes)
{
	while (wakes) {
		struct latch *latch = wakes;

		enter(latch);
		wakes = latch->next_wake;
		latch->waking = false;
		pthread_mutex_unlock(&latch->lock);
		/* after the unlock, or who wakes up on this CPU would run into it */
		event_count_wake(&latch->filled);
		latch_unref(latch);
	}
}

/* Latch lock held, and dropped meanwhile. */
static void sleep_until_filled(struct latch *latch, int64_t deadline)
{
	bool in_time = true;

	latch->sleepers++;
	while (list_is_empty(&latch->messages) && !latch->closed && !latch->target && in_time) {
		uint32_t seen = event_count_get(&latch->filled);

		pthread_mutex_unlock(&latch->lock);
		in_time = event_count_wait(&latch->filled, seen, deadline);
		enter(latch);
	}
	latch->sleepers--;
}

enum latch_result latch_get(struct latch *latch, int64_t deadline, struct mitogen_message **ret)
{
	enum latch_result result;

	enter(latch);
	sleep_until_filled(latch, deadline);
	if (!list_is_empty(&latch->messages)) {
		*ret = LIST_OWNER(list_pop(&latch->messages), struct mitogen_message, link);
		if (list_is_empty(&latch->messages) && !latch->closed)
			clear_event(latch);
		result = LATCH_MESSAGE;
	} else if (latch->target) {
		result = LATCH_JOINED;
	} else {
		result = latch->closed ? LATCH_CLOSED : LATCH_TIMEOUT;
	}
	pthread_mutex_unlock(&latch->lock);
	return result;
}

bool latch_is_empty(struct latch *latch)
{
	bool empty;

	enter(latch);
	empty = list_is_empty(&latch->messages);
	pthread_mutex_unlock(&latch->lock);
	return empty;
}

int latch_event_fd(struct latch *latch)
{
	int fd;

	enter(latch);
	if (latch->event_fds[0] < 0 && fd_socketpair(latch->event_fds) == 0) {
		fd_set_nonblocking(latch->event_fds[0]);
		fd_set_nonblocking(latch->event_fds[1]);
		if (!list_is_empty(&latch->messages) || latch->closed)
			signal_event(latch);
	}
	fd = latch->event_fds[0];
	pthread_mutex_unlock(&latch->lock);
	return fd;
}
