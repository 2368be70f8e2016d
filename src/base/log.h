/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where log lines go: one place for the whole process. Lines below the level are not even formatted.
 * Whoever logs may hold any lock: stderr gets the line at once, if it takes it without waiting;
 * otherwise, and for every other place, it is queued, and the broker threads hand it over when they
 * hold no lock. Lines beyond a quota are dropped and counted. Any thread, unless it says otherwise.
 */
#pragma once

#include <stdbool.h>

#include "base/list.h"

#define LOG_LINE_MAX 2048 /* bytes of one; what is longer is cut */

enum log_level { /* numbers of mitogen_log_level */
	LOG_NOTHING,
	LOG_ERROR,
	LOG_WARNING,
	LOG_INFO,
	LOG_DEBUG,
};

/* Takes a line, one thread at a time, no lock held. context: the name of the process that logged, ""
 * for this one. What the thread logs meanwhile is dropped: it would never end. */
typedef void log_sink(enum log_level level, const char *context, const char *line, void *user);
/* The same for lines of this process, to send them elsewhere. False: it cannot take it now. */
typedef bool log_forward(enum log_level level, const char *line, void *user);

/* sink NULL: stderr, as "mitogen: level: line" or "[context] line". */
void log_set(enum log_level level, log_sink *sink, void *user);
void log_set_forward(enum log_level level, log_forward *forward, void *user);
/* To stderr again, if lines go to this user's sink or forward; when it returns, neither runs. */
void log_unset(const void *user);
enum log_level log_get_level(void);
void log_set_level(enum log_level level);
/* A name ("debug") or number; fallback for anything else, NULL included. */
enum log_level log_parse_level(const char *text, enum log_level fallback);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Around a fork: nobody else holds the lock inside. */
void log_before_fork(void);
void log_after_fork(void);
/* In the copy: lines that wait are the original's, and what they go to is not here. */
void log_forget(void);

/* ---- Handing over: no lock held ---- */

/* A thread that calls log_deliver soon after it was woken. */
struct log_courier {
	struct list link;
	void (*wake)(struct log_courier *courier); /* any thread, any lock held */
};

/* While there is none, whoever logs hands over. */
void log_add_courier(struct log_courier *courier);
void log_remove_courier(struct log_courier *courier);
/* Hands over what is queued. False: something is left, since it is not taken now. */
bool log_deliver(void);
/* The same for lines that are forwarded; a sink is left to the couriers, whose thread it expects. */
void log_forward_now(void);
/* How many lines were dropped so far. */
unsigned long log_dropped(void);
/* Is nothing queued? */
bool log_is_empty(void);
/* How many lines were handed over: as long as that grows, somebody reads. */
unsigned long log_count_taken(void);
/* Hands over a line that came from elsewhere, already escaped. False: it is not taken now; couriers
 * are woken when it may be, unless it is stderr that does not take it. */
bool log_relay(enum log_level level, const char *context, const char *line);
