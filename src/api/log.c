/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "base/escape.h"
#include "base/log.h"
#include "core/poller.h"

static void hand_over(enum log_level level, const char *context, const char *line, void *user)
{
	const struct api_router *api = user;

	/* both enums have the same numbers */
	api->log((mitogen_log_level)level, context, line, api->log_user);
}

/* The environment is the same for all routers: the first one says what is wrong with it. */
static void check_environment(bool is_level_known, const char *name)
{
	static bool is_checked;
	char quote[64];

	if (__atomic_exchange_n(&is_checked, true, __ATOMIC_RELAXED))
		return;
	poller_check_choice();
	if (!is_level_known)
		log_write(LOG_WARNING,
			  "MITOGEN_LOG_LEVEL is '%s'; it can be error, warning, info or debug; "
			  "using warning",
			  escape_text(quote, sizeof(quote), name, strlen(name)));
}

void api_log_open(struct api_router *api, const mitogen_router_options *options)
{
	enum log_level level = (enum log_level)options->log_level;
	const char *name = NULL;
	bool is_known = true;

	if (options->log_level == MITOGEN_LOG_DEFAULT) {
		name = getenv("MITOGEN_LOG_LEVEL");
		level = log_parse_level(name, LOG_NOTHING);
		is_known = level != LOG_NOTHING || !name || !*name;
		if (level == LOG_NOTHING)
			level = LOG_WARNING;
	}
	api->log = options->log;
	api->log_user = options->log_user;
	log_set(level, options->log ? hand_over : NULL, api);
	check_environment(is_known, name);
}

void api_log_close(const struct api_router *api)
{
	log_unset(api);
}

void mitogen_log(mitogen_log_level level, const char *format, ...)
{
	enum log_level at = level > MITOGEN_LOG_DEFAULT ? (enum log_level)level : LOG_INFO;
	char text[LOG_LINE_MAX], line[LOG_LINE_MAX];
	va_list args;

	if (at > log_get_level() || api_check_fork(NULL) < 0)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *at_line = text, *next; at_line; at_line = next) {
		next = strchr(at_line, '\n');
		if (next)
			*next++ = '\0';
		if (next && !*next)
			next = NULL; /* a newline at the end */
		log_write(at, "%s", escape_again(line, sizeof(line), at_line, strlen(at_line)));
	}
	log_forward_now(); /* the program may be about to crash */
}
