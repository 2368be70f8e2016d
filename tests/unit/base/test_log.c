/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/sys.h"

static char got[8192]; /* what the sink was given, or what would be written to stderr */
static int lines;

static void sink(enum log_level level, const char *context, const char *line, void *user)
{
	assert_ptr_equal(user, got);
	snprintf(got, sizeof(got), "%d %s|%s", level, context, line);
	lines++;
}

static ssize_t keep_write(int fd, const void *data, size_t size)
{
	assert_int_equal(fd, 2);
	memcpy(got, data, size);
	got[size] = '\0';
	lines++;
	return (ssize_t)size;
}

static int setup(void **state)
{
	(void)state;
	got[0] = '\0';
	lines = 0;
	sys.write = keep_write;
	return 0;
}

static void only_up_to_the_level(void **state)
{
	(void)state;
	log_set(LOG_WARNING, sink, got);
	assert_int_equal(log_get_level(), LOG_WARNING);
	log_write(LOG_INFO, "%s", "unseen");
	log_relay(LOG_DEBUG, "web", "unseen");
	assert_int_equal(lines, 0);
	log_write(LOG_WARNING, "seen %d", 1);
	assert_string_equal(got, "2 |seen 1");
	log_relay(LOG_ERROR, "web", "its line %s");
	assert_string_equal(got, "1 web|its line %s");
	assert_int_equal(lines, 2);
}

static void to_stderr_if_nobody_takes_it(void **state)
{
	(void)state;
	log_set(LOG_DEBUG, NULL, NULL);
	log_write(LOG_DEBUG, "a line");
	assert_string_equal(got, "mitogen: debug: a line\n");
	log_relay(LOG_WARNING, "web", "its line");
	assert_string_equal(got, "[web] its line\n");
	assert_int_equal(lines, 2);
}

/* One write, and a whole line, whatever its length. */
static void long_lines_are_cut(void **state)
{
	char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_set(LOG_DEBUG, NULL, NULL);
	log_write(LOG_ERROR, "%s", text);
	assert_int_equal(lines, 1);
	assert_true(strlen(got) > 2000);
	assert_int_equal(got[strlen(got) - 1], '\n');
	assert_int_equal(got[strlen(got) - 2], 'x');
}

static void levels_are_parsed(void **state)
{
	(void)state;
	assert_int_equal(log_parse_level("debug", LOG_ERROR), LOG_DEBUG);
	assert_int_equal(log_parse_level("Warning", LOG_ERROR), LOG_WARNING);
	assert_int_equal(log_parse_level("1", LOG_DEBUG), LOG_ERROR);
	assert_int_equal(log_parse_level("4", LOG_ERROR), LOG_DEBUG);
	assert_int_equal(log_parse_level("5", LOG_INFO), LOG_INFO);
	assert_int_equal(log_parse_level("0", LOG_INFO), LOG_INFO);
	assert_int_equal(log_parse_level("44", LOG_INFO), LOG_INFO);
	assert_int_equal(log_parse_level("", LOG_INFO), LOG_INFO);
	assert_int_equal(log_parse_level(NULL, LOG_INFO), LOG_INFO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(only_up_to_the_level, setup),
		cmocka_unit_test_setup(to_stderr_if_nobody_takes_it, setup),
		cmocka_unit_test_setup(long_lines_are_cut, setup),
		cmocka_unit_test_setup(levels_are_parsed, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
