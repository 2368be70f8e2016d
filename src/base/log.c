/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/quota.h"
#include "base/sys.h"

#define QUEUE_MAX   (256u * 1024) /* bytes that wait to be handed over */
#define BURST       10000u        /* lines at once; then */
#define PER_SECOND  1000u
#define PREFIX_ROOM 1024

struct line {
	struct list link;
	enum log_level level;
	char text[];
};

struct place { /* at most one is set; none: stderr */
	log_sink *sink;
	log_forward *forward;
	void *user;
};

static const char *const names[] = {"", "error", "warning", "info", "debug"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf: taken last, held briefly */
static pthread_cond_t handed_over = PTHREAD_COND_INITIALIZER;
static enum log_level current_level = LOG_WARNING;
static struct place place;
static struct list queue = {&queue, &queue};
static size_t queued; /* bytes */
static struct list couriers = {&couriers, &couriers};
static bool is_handing_over; /* some thread is */
static bool was_kept_out;    /* another thread wanted to meanwhile */
static __thread bool is_inside_sink;
static struct quota quota = {.burst = BURST, .per_second = PER_SECOND};
static unsigned long dropped; /* lines that nobody was told of yet */
static unsigned long total_dropped;
static unsigned long total_taken; /* of those that were handed over; may be read without the lock */
static bool is_empty = true;      /* the queue; may be read without the lock */

/* ---- stderr ---- */

/* False: it would have to wait. Where nobody can ever read it, it counts as written. */
static bool write_stderr(enum log_level level, const char *context, const char *line)
{
	char text[LOG_LINE_MAX + PREFIX_ROOM];
	struct iovec piece = {.iov_base = text};
	struct pollfd pollfd = {.fd = STDERR_FILENO, .events = POLLOUT};
	int n;

	if (*context)
		n = snprintf(text, sizeof(text), "[%s] %s\n", context, line);
	else
		n = snprintf(text, sizeof(text), "mitogen: %s: %s\n", names[level], line);
	if (n >= (int)sizeof(text)) {
		n = sizeof(text);
		text[n - 1] = '\n';
	}
	if (poll(&pollfd, 1, 0) != 1)
		return false;
	/* one write, so that lines of several processes do not mix */
	piece.iov_len = (size_t)n;
	return fd_writev_quietly(STDERR_FILENO, &piece, 1) >= 0 ||
	       (errno != EAGAIN && errno != EINTR);
}

/* ---- Handing over ---- */

static void wake(struct list *which)
{
	struct log_courier *courier = LIST_OWNER(which, struct log_courier, link);

	courier->wake(courier);
}

/* Lock held. False: another thread is at it. */
static bool begin(void)
{
	if (is_handing_over) {
		was_kept_out = true;
		return false;
	}
	is_handing_over = true;
	return true;
}

/* Lock held. */
static void end(void)
{
	is_handing_over = false;
	pthread_cond_broadcast(&handed_over);
	if (!was_kept_out)
		return;
	was_kept_out = false;
	LIST_FOR_EACH (node, &couriers)
		wake(node);
}

/* Lock held, and dropped meanwhile; begin was called. False: it is not taken now. */
static bool hand_over(enum log_level level, const char *context, const char *line)
{
	const struct place to = place;
	bool taken = true;

	pthread_mutex_unlock(&lock);
	is_inside_sink = true;
	if (to.sink)
		to.sink(level, context, line, to.user);
	else if (to.forward)
		taken = to.forward(level, line, to.user);
	else
		taken = write_stderr(level, context, line);
	is_inside_sink = false;
	pthread_mutex_lock(&lock);
	__atomic_store_n(&total_taken, total_taken + taken, __ATOMIC_RELAXED);
	return taken;
}

bool log_relay(enum log_level level, const char *context, const char *line)
{
	bool taken = true;

	if (level > log_get_level())
		return true;
	pthread_mutex_lock(&lock);
	if (begin()) {
		taken = hand_over(level, context, line);
		end();
	} else {
		taken = false;
	}
	pthread_mutex_unlock(&lock);
	return taken;
}

/* Lock held, and dropped meanwhile. False: nobody was told. */
static bool report_dropped(bool (*to)(enum log_level level, const char *context, const char *line))
{
	unsigned long count = dropped;
	char text[64];
	bool taken;

	if (count == 0)
		return true;
	dropped = 0;
	snprintf(text, sizeof(text), "%lu log lines were dropped", count);
	taken = to(LOG_WARNING, "", text);
	if (!taken)
		dropped += count;
	return taken;
}

static size_t line_size(const char *text)
{
	return sizeof(struct line) + strlen(text) + 1;
}

static bool deliver(bool is_last)
{
	bool taken = true;

	pthread_mutex_lock(&lock);
	if (!begin()) {
		pthread_mutex_unlock(&lock);
		return false;
	}
	while (taken && !list_is_empty(&queue)) {
		/* nobody else takes lines out meanwhile */
		struct line *line = LIST_OWNER(queue.next, struct line, link);

		taken = hand_over(line->level, "", line->text);
		if (!taken)
			break;
		list_remove(&line->link);
		queued -= line_size(line->text);
		__atomic_store_n(&is_empty, list_is_empty(&queue), __ATOMIC_RELAXED);
		sys.free(line);
	}
	if (taken && is_last)
		taken = report_dropped(hand_over);
	end();
	pthread_mutex_unlock(&lock);
	return taken;
}

unsigned long log_dropped(void)
{
	unsigned long count;

	pthread_mutex_lock(&lock);
	count = total_dropped;
	pthread_mutex_unlock(&lock);
	return count;
}

unsigned long log_count_taken(void)
{
	return __atomic_load_n(&total_taken, __ATOMIC_RELAXED);
}

bool log_is_empty(void)
{
	return __atomic_load_n(&is_empty, __ATOMIC_RELAXED);
}

bool log_deliver(void)
{
	return log_is_empty() || deliver(false);
}

void log_forward_now(void)
{
	bool is_forwarded;

	pthread_mutex_lock(&lock);
	is_forwarded = place.forward && !is_inside_sink;
	pthread_mutex_unlock(&lock);
	if (is_forwarded)
		deliver(false);
}

void log_add_courier(struct log_courier *courier)
{
	pthread_mutex_lock(&lock);
	list_append(&couriers, &courier->link);
	pthread_mutex_unlock(&lock);
}

void log_remove_courier(struct log_courier *courier)
{
	bool is_last;

	pthread_mutex_lock(&lock);
	list_remove(&courier->link);
	is_last = list_is_empty(&couriers);
	if (!is_last)
		wake(couriers.next);
	pthread_mutex_unlock(&lock);
	if (is_last)
		deliver(true);
}

/* ---- Logging ---- */

/* Lock held. */
static bool enqueue(enum log_level level, const char *context, const char *text)
{
	size_t size = line_size(text);
	struct line *line = queued + size <= QUEUE_MAX ? sys.malloc(size) : NULL;

	(void)context; /* it is ours */
	if (!line)
		return false;
	line->level = level;
	memcpy(line->text, text, size - sizeof(*line));
	list_append(&queue, &line->link);
	queued += size;
	__atomic_store_n(&is_empty, false, __ATOMIC_RELAXED);
	if (!list_is_empty(&couriers))
		wake(couriers.next);
	return true;
}

/* Lock held, and dropped meanwhile. At once, unless stderr is full, or others wait for it already. */
static bool write_or_enqueue(enum log_level level, const char *context, const char *line)
{
	bool taken = false;

	if (list_is_empty(&queue)) {
		pthread_mutex_unlock(&lock);
		taken = write_stderr(level, context, line);
		pthread_mutex_lock(&lock);
	}
	return taken || enqueue(level, context, line);
}

void log_write(enum log_level level, const char *format, ...)
{
	bool (*to)(enum log_level level, const char *context, const char *line);
	bool delivers;
	char text[LOG_LINE_MAX];
	va_list args;

	if (level > log_get_level() || is_inside_sink)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pthread_mutex_lock(&lock);
	to = place.sink || place.forward ? enqueue : write_or_enqueue;
	if (!quota_take(&quota, 1, clock_ms()) || !report_dropped(to) || !to(level, "", text)) {
		dropped++;
		total_dropped++;
	}
	delivers = list_is_empty(&couriers) && !list_is_empty(&queue);
	pthread_mutex_unlock(&lock);
	if (delivers)
		deliver(false);
}

/* ---- Settings ---- */

static void set(enum log_level level, struct place to)
{
	pthread_mutex_lock(&lock);
	__atomic_store_n(&current_level, level, __ATOMIC_RELAXED);
	place = to;
	pthread_mutex_unlock(&lock);
}

void log_set(enum log_level level, log_sink *sink, void *user)
{
	set(level, (struct place){.sink = sink, .user = sink ? user : NULL});
}

void log_set_forward(enum log_level level, log_forward *forward, void *user)
{
	set(level, (struct place){.forward = forward, .user = user});
}

void log_unset(const void *user)
{
	pthread_mutex_lock(&lock);
	if (place.user == user)
		place = (struct place){0};
	while (is_handing_over && !is_inside_sink)
		pthread_cond_wait(&handed_over, &lock);
	pthread_mutex_unlock(&lock);
}

void log_set_level(enum log_level level)
{
	__atomic_store_n(&current_level, level, __ATOMIC_RELAXED);
}

enum log_level log_get_level(void)
{
	return __atomic_load_n(&current_level, __ATOMIC_RELAXED);
}

enum log_level log_parse_level(const char *text, enum log_level fallback)
{
	for (int i = LOG_ERROR; text && i <= LOG_DEBUG; i++)
		if (strcasecmp(text, names[i]) == 0 || (text[0] == '0' + i && !text[1]))
			return (enum log_level)i;
	return fallback;
}

void log_before_fork(void)
{
	pthread_mutex_lock(&lock);
}

void log_after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

void log_forget(void)
{
	pthread_cond_init(&handed_over, NULL);
	place = (struct place){0};
	while (list_pop(&couriers))
		;
	is_handing_over = was_kept_out = is_inside_sink = false;
	dropped = queued = 0;
	is_empty = true;
	for (struct list *node; (node = list_pop(&queue)) != NULL;)
		sys.free(LIST_OWNER(node, struct line, link));
}
