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
#include "core/context.h"
#include "core/router.h"
#include "parent/output.h"

#define ID 1u

static struct router router;
static struct output output;
static int writer; /* the other end of its pipe */
static char logged[256 * 1024];

static void keep_log(enum log_level level, const char *context, const char *line, void *user)
{
	size_t used = strlen(logged);

	(void)user;
	assert_int_equal(level, LOG_WARNING);
	snprintf(logged + used, sizeof(logged) - used, "%s: %s\n", context, line);
}

static int setup(void **state)
{
	int fds[2];

	(void)state;
	logged[0] = '\0';
	log_set(LOG_WARNING, keep_log, NULL);
	if (router_init(&router, 0, NULL, 0, "") < 0 || forward_log_open(&router) < 0 ||
	    !context_new(&router, ID, strdup("web")) || fd_pipe(fds) < 0)
		return -1;
	writer = fds[1];
	output_init(&output, &router);
	return output_open(&output, fds[0]);
}

static int teardown(void **state)
{
	(void)state;
	output_close(&output);
	output_clear(&output);
	fd_close(writer);
	forward_log_close(&router);
	router_clear(&router);
	return 0;
}

/* What was logged so far, as the broker hands it over. */
static const char *get_log(void)
{
	forward_log_idle(&router.broker);
	return logged;
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

	if (router.broker.ops->wait(router.broker.poller, ready, 4, 0) > 0)
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
	assert_string_equal(get_log(), "");
}

static void control_bytes_are_escaped(void **state)
{
	(void)state;
	add("\x1b[31mred\n");
	assert_string_equal(quote(), "; it printed: \\x1b[31mred");
}

static void what_is_meant_for_a_terminal_ends_as_all_lines(void **state)
{
	(void)state;
	add("one\r\n\r\ntwo\r\rthree\r\n");
	assert_string_equal(quote(), "; it printed: one | two\\r\\rthree");
}

static bool take_what_begins_with_a_hash(struct output *from, const char *line, size_t size)
{
	assert_ptr_equal(from, &output);
	return size > 0 && line[0] == '#';
}

static void some_lines_go_elsewhere(void **state)
{
	(void)state;
	output.take = take_what_begins_with_a_hash;
	add("one\n#two\nth#ree\n");
	assert_string_equal(quote(), "; it printed: one | th#ree");
	output_forward(&output, ID);
	add("#four\r\nfive\r\n#");
	add("six\n");
	assert_string_equal(get_log(), "web: five\n");
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

/* Of a long line, too. */
static void the_end_of_a_long_line_is_kept(void **state)
{
	char line[3 * OUTPUT_LINE_MAX];

	(void)state;
	memset(line, 'x', sizeof(line));
	output_add(&output, line, sizeof(line));
	add("y\nnext\n");
	assert_non_null(strstr(quote(), "xy | next"));
	assert_true(strlen(quote()) < OUTPUT_LINE_MAX + 32);
}

/* ---- When it is up ---- */

static void logged_with_its_name(void **state)
{
	(void)state;
	output_forward(&output, ID);
	add("one\ntw");
	assert_string_equal(get_log(), "web: one\n");
	add("o\n\n");
	assert_string_equal(get_log(), "web: one\nweb: two\nweb: \n");
}

static void an_incomplete_line_ends_with_the_pipe(void **state)
{
	(void)state;
	output_forward(&output, ID);
	print("last words");
	read_once();
	assert_string_equal(get_log(), "");
	fd_close(writer);
	writer = -1;
	read_once();
	assert_string_equal(get_log(), "web: last words\n");
}

static void a_long_line_comes_in_pieces(void **state)
{
	static char line[3 * OUTPUT_LINE_MAX + 1];
	size_t seen = 0, pieces = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(line); i++)
		line[i] = (char)('a' + i % 26);
	output_forward(&output, ID);
	for (size_t i = 0; i < sizeof(line); i++)
		output_add(&output, line + i, 1);
	add("\nnext\n");
	for (char *at = strtok((char *)(uintptr_t)get_log(), "\n"); at; at = strtok(NULL, "\n")) {
		size_t size = strlen(at);

		assert_memory_equal(at, "web: ", 5);
		at += 5;
		size -= 5;
		if (strcmp(at, "next") == 0)
			break;
		assert_true(size < OUTPUT_LINE_MAX);
		if (pieces++ > 0) {
			assert_memory_equal(at, "...", 3);
			at += 3;
			size -= 3;
		}
		if (strcmp(at + size - 3, "...") == 0)
			size -= 3;
		assert_memory_equal(at, line + seen, size);
		seen += size;
	}
	assert_int_equal(seen, sizeof(line));
	assert_int_equal(pieces, 4);
}

/* A line that fills the buffer exactly is whole. */
static void a_line_that_just_fits(void **state)
{
	char line[OUTPUT_LINE_MAX];
	size_t size = 1;

	(void)state;
	memset(line, 'x', sizeof(line));
	output_forward(&output, ID);
	do { /* the largest one that is no piece */
		logged[0] = '\0';
		output_add(&output, line, ++size);
		add("\n");
	} while (!strstr(get_log(), "..."));
	logged[0] = '\0';
	output_add(&output, line, size - 1);
	assert_string_equal(get_log(), "");
	add("\n");
	assert_int_equal(strlen(get_log()), strlen("web: ") + size - 1 + strlen("\n"));
	assert_null(strstr(logged, "..."));
}

/* Where it is cut, no character is torn. */
static void pieces_are_whole_characters(void **state)
{
	(void)state;
	output_forward(&output, ID);
	for (int shift = 0; shift < 4; shift++) {
		logged[0] = '\0';
		output_add(&output, "xxx", (size_t)shift);
		for (int i = 0; i < OUTPUT_LINE_MAX; i++)
			add("\xf0\x9f\x98\x80");
		add("\n");
		assert_null(strstr(get_log(), "\\x"));
		assert_non_null(strstr(logged, "..."));
	}
}

/* Bytes that are no text at all are cut somewhere. */
static void rubbish_is_cut_too(void **state)
{
	static char rubbish[3 * OUTPUT_LINE_MAX];

	(void)state;
	output_forward(&output, ID);
	for (int byte = 0x80; byte <= 0xff; byte += 0x1f) {
		logged[0] = '\0';
		memset(rubbish, byte, sizeof(rubbish));
		output_add(&output, rubbish, sizeof(rubbish));
		add("\n");
		assert_non_null(strstr(get_log(), "\\x"));
		assert_true(strlen(logged) <= 4 * (OUTPUT_LINE_MAX + 8));
	}
}

/* Who prints waits while the log has no room; what the dead have printed is read all the same. */
static void not_read_while_the_log_is_full(void **state)
{
	static char lines[100 * 700];

	(void)state;
	memset(lines, 'x', sizeof(lines));
	for (size_t i = 99; i < sizeof(lines); i += 100)
		lines[i] = '\n';
	output_forward(&output, ID);
	output_add(&output, lines, sizeof(lines));
	print("later\n");
	read_once();
	read_once(); /* nothing is wanted of the pipe any more */
	assert_null(strstr(get_log(), "later"));
	read_once(); /* now there is room */
	assert_non_null(strstr(get_log(), "web: later\n"));
	logged[0] = '\0';
	output_add(&output, lines, sizeof(lines));
	print("last words");
	read_once();
	output_drain(&output);
	output_close(&output);
	assert_non_null(strstr(get_log(), "web: last words\n"));
}

static void drained_after_the_death_of_its_writer(void **state)
{
	(void)state;
	output_forward(&output, ID);
	print("one\ntwo\nthree");
	output_drain(&output);
	assert_string_equal(get_log(), "web: one\nweb: two\n");
	output_close(&output);
	assert_string_equal(get_log(), "web: one\nweb: two\nweb: three\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(quoted_line_by_line, setup, teardown),
		cmocka_unit_test_setup_teardown(control_bytes_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_meant_for_a_terminal_ends_as_all_lines,
						setup, teardown),
		cmocka_unit_test_setup_teardown(some_lines_go_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_of_much_output_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_of_a_long_line_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(logged_with_its_name, setup, teardown),
		cmocka_unit_test_setup_teardown(an_incomplete_line_ends_with_the_pipe, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_long_line_comes_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(a_line_that_just_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(pieces_are_whole_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(rubbish_is_cut_too, setup, teardown),
		cmocka_unit_test_setup_teardown(not_read_while_the_log_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(drained_after_the_death_of_its_writer, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
