/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the library's own log lines go: one sink per process. Lines below the level are not even
 * formatted. Any thread.
 */
#pragma once

#include <stdbool.h>

enum log_level { /* numbers of mitogen_log_level */
	LOG_ERROR = 1,
	LOG_WARNING,
	LOG_INFO,
	LOG_DEBUG,
};

/* context: the name of the process that logged, "" for this one. */
typedef void log_sink(enum log_level level, const char *context, const char *line, void *user);

/* sink NULL: stderr, as "mitogen: [context] line". */
void log_set(enum log_level level, log_sink *sink, void *user);
enum log_level log_get_level(void);
/* A name ("debug") or number; fallback for anything else, NULL included. */
enum log_level log_parse_level(const char *text, enum log_level fallback);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line that came from elsewhere, already escaped. */
void log_relay(enum log_level level, const char *context, const char *line);
