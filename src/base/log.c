/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/sys.h"

#define LINE_MAX_BYTES 2304

static const char *const names[] = {"", "error", "warning", "info", "debug"};

static void sink_stderr(enum log_level level, const char *context, const char *line, void *user)
{
	char text[LINE_MAX_BYTES];
	int n;

	(void)user;
	if (*context)
		n = snprintf(text, sizeof(text), "[%s] %s\n", context, line);
	else
		n = snprintf(text, sizeof(text), "mitogen: %s: %s\n", names[level], line);
	if (n >= (int)sizeof(text)) {
		n = sizeof(text);
		text[n - 1] = '\n';
	}
	/* who logs may hold the router lock: rather lose a line than wait for a reader of stderr; one
	 * write, so that lines of several processes do not mix */
	if (poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, 0) == 1 &&
	    sys.write(STDERR_FILENO, text, (size_t)n) < 0)
		return;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf: taken last, held briefly */
static enum log_level current = LOG_WARNING;
static log_sink *current_sink = sink_stderr;
static void *current_user;

void log_set(enum log_level level, log_sink *sink, void *user)
{
	pthread_mutex_lock(&lock);
	__atomic_store_n(&current, level, __ATOMIC_RELAXED);
	current_sink = sink ? sink : sink_stderr;
	current_user = user;
	pthread_mutex_unlock(&lock);
}

enum log_level log_get_level(void)
{
	return __atomic_load_n(&current, __ATOMIC_RELAXED);
}

enum log_level log_parse_level(const char *text, enum log_level fallback)
{
	for (int i = LOG_ERROR; text && i <= LOG_DEBUG; i++)
		if (strcasecmp(text, names[i]) == 0 || (text[0] == '0' + i && !text[1]))
			return (enum log_level)i;
	return fallback;
}

void log_relay(enum log_level level, const char *context, const char *line)
{
	log_sink *sink;
	void *user;

	if (level > log_get_level())
		return;
	pthread_mutex_lock(&lock);
	sink = current_sink;
	user = current_user;
	pthread_mutex_unlock(&lock);
	sink(level, context, line, user);
}

void log_write(enum log_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;

	if (level > log_get_level())
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	log_relay(level, "", line);
}
