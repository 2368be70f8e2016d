/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "parent/output.h"

static struct broker broker;
static struct output output;
static int writer; /* the other end of its pipe */
static char logged[16384];

static void keep_log(enum log_level level, const char *context, const char *line, void *user)
{
	size_t used = strlen(logged);

	(void)level;
	(void)user;
	snprintf(logged + used, sizeof(logged) - used, "%s: %s\n", context, line);
}

static int setup(void **state)
{
	int fds[2];

	(void)state;
	logged[0] = '\0';
	log_set(LOG_WARNING, keep_log, NULL);
	if (broker_init(&broker) < 0 || fd_pipe(fds) < 0)
		return -1;
	writer = fds[1];
	output_init(&output, &broker);
	return output_open(&output, fds[0]);
}

static int teardown(void **state)
{
	(void)state;
	output_close(&output);
	output_clear(&output);
	fd_close(writer);
	broker_clear(&broker);
	return 0;
}

static void add(const char *text)
{
	output_add(&output, text, strlen(text));
}

static void print(const char *text)
{
	assert_int_equal(write(writer, text, strlen(text)), strlen(text));
}

/* What there is to read is read, as the broker does it. */
static void read_once(void)
{
	struct poller_ready ready[4];

	if (broker.ops->wait(broker.poller, ready, 4, 0) > 0)
		ready[0].source->ready(ready[0].source, ready[0].events);
}

static const char *quote(void)
{
	static char out[OUTPUT_LINE_MAX + 64];

	return output_quote(&output, out, sizeof(out));
}

/* ---- While it connects ---- */

static void quoted_line_by_line(void **state)
{
	(void)state;
	assert_string_equal(quote(), "");
	add("one\ntwo\n\nthree\npart");
	assert_string_equal(quote(), "; it printed: one | two | three");
	output_close(&output);
	assert_string_equal(quote(), "; it printed: one | two | three | part");
	assert_string_equal(logged, "");
}

static void control_bytes_are_escaped(void **state)
{
	(void)state;
	add("\x1b[31mred\n");
	assert_string_equal(quote(), "; it printed: \\x1b[31mred");
}

/* The last lines tell more than the first ones. */
static void the_end_of_much_output_is_kept(void **state)
{
	char line[32];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "this is line %d\n", i);
		add(line);
	}
	assert_true(strlen(quote()) < OUTPUT_LINE_MAX + 32);
	assert_non_null(strstr(quote(), "this is line 999"));
	assert_null(strstr(quote(), "this is line 1 "));
}

static void a_long_line_is_cut(void **state)
{
	char line[3 * OUTPUT_LINE_MAX];

	(void)state;
	memset(line, 'x', sizeof(line));
	output_add(&output, line, sizeof(line));
	add("y\nnext\n");
	assert_non_null(strstr(quote(), "next"));
	assert_null(strchr(quote(), 'y'));
}

/* ---- When it is up ---- */

static void logged_with_its_name(void **state)
{
	(void)state;
	output_set_name(&output, "web");
	add("one\ntw");
	assert_string_equal(logged, "web: one\n");
	add("o\n\n");
	assert_string_equal(logged, "web: one\nweb: two\nweb: \n");
}

static void an_incomplete_line_ends_with_the_pipe(void **state)
{
	(void)state;
	output_set_name(&output, "web");
	print("last words");
	read_once();
	assert_string_equal(logged, "");
	fd_close(writer);
	writer = -1;
	read_once();
	assert_string_equal(logged, "web: last words\n");
}

static void long_lines_are_logged_once_and_cut(void **state)
{
	char line[3 * OUTPUT_LINE_MAX + 1];

	(void)state;
	memset(line, 'x', sizeof(line));
	output_set_name(&output, "web");
	for (size_t i = 0; i < sizeof(line); i++)
		output_add(&output, line + i, 1);
	add("\nnext\n");
	assert_memory_equal(logged, "web: xxx", 8);
	assert_true(strlen(logged) < OUTPUT_LINE_MAX + 32);
	assert_non_null(strstr(logged, "...\nweb: next\n"));
}

static void drained_after_the_death_of_its_writer(void **state)
{
	(void)state;
	output_set_name(&output, "web");
	print("one\ntwo\nthree");
	output_drain(&output);
	assert_string_equal(logged, "web: one\nweb: two\n");
	output_close(&output);
	assert_string_equal(logged, "web: one\nweb: two\nweb: three\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(quoted_line_by_line, setup, teardown),
		cmocka_unit_test_setup_teardown(control_bytes_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_of_much_output_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_line_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(logged_with_its_name, setup, teardown),
		cmocka_unit_test_setup_teardown(an_incomplete_line_ends_with_the_pipe, setup,
						teardown),
		cmocka_unit_test_setup_teardown(long_lines_are_logged_once_and_cut, setup,
						teardown),
		cmocka_unit_test_setup_teardown(drained_after_the_death_of_its_writer, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
