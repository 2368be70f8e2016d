/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "../core/fixture.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/pty.h"
#include "base/sys.h"
#include "core/router.h"
#include "parent/terminal.h"

static struct broker broker;
static struct terminal *terminal;
static int tool;                                     /* the tool's side */
static char said[8192], last[TERMINAL_LINE_MAX + 1]; /* whole lines, and what came last */
static unsigned times;
static bool closes; /* at what it hears next */

static void hear(void *owner, const char *text, size_t size, bool is_complete)
{
	size_t used = strlen(said);

	assert_ptr_equal(owner, &broker);
	times++;
	last[0] = '\0';
	if (is_complete)
		snprintf(said + used, sizeof(said) - used, "%.*s\n", (int)size, text);
	else
		snprintf(last, sizeof(last), "%.*s", (int)size, text);
	if (closes)
		terminal_close(TAKE_PTR(terminal));
}

static int no_idle(struct broker *unused)
{
	(void)unused;
	return -1;
}

static int setup(void **state)
{
	struct pty pty;

	(void)state;
	said[0] = last[0] = '\0';
	times = 0;
	closes = false;
	if (broker_init(&broker) < 0 || pty_open(&pty) < 0)
		return -1;
	broker.idle = no_idle;
	tool = fd_dup_high(pty.slave);
	terminal = terminal_open(&broker, &pty, hear, &broker);
	return terminal && pty.master == -1 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	terminal_close(TAKE_PTR(terminal));
	pump(&broker);
	fd_close(tool);
	broker_clear(&broker);
	return 0;
}

static void set_echo(bool is_on)
{
	struct termios settings;

	assert_int_equal(tcgetattr(tool, &settings), 0);
	settings.c_lflag = is_on ? settings.c_lflag | ECHO : settings.c_lflag & ~(tcflag_t)ECHO;
	assert_int_equal(tcsetattr(tool, TCSANOW, &settings), 0);
}

static void write_out(const char *text)
{
	assert_int_equal(write(tool, text, strlen(text)), strlen(text));
}

/* What is written arrives in its own time, in pieces as the kernel likes. */
static void expect(const char *lines, const char *incomplete)
{
	int64_t end = clock_deadline(10000);

	while (clock_ms() < end && (strcmp(said, lines) != 0 || strcmp(last, incomplete) != 0))
		pump_once(&broker, 100);
	assert_string_equal(said, lines);
	assert_string_equal(last, incomplete);
}

/* A line that the tool has been typed; it comes. */
static const char *typed(void)
{
	static char data[256];
	ssize_t n = read(tool, data, sizeof(data) - 1);

	assert_true(n > 0);
	data[n] = '\0';
	return data;
}

static bool is_typed(void)
{
	struct pollfd wait = {.fd = tool, .events = POLLIN};

	return poll(&wait, 1, 0) > 0;
}

/* ---- What it says ---- */

static void lines_and_what_comes_last(void **state)
{
	(void)state;
	write_out("one\ntwo\nPass");
	expect("one\ntwo\n", "Pass");
	write_out("word: ");
	expect("one\ntwo\n", "Password: ");
	write_out("\n\nnext");
	expect("one\ntwo\nPassword: \n\n", "next");
}

static void nothing_is_said_after_a_close(void **state)
{
	(void)state;
	closes = true;
	write_out("one\ntwo\nthree");
	expect("one\n", "");
	pump(&broker);
	assert_int_equal(times, 1);
}

static void closed_at_what_is_incomplete(void **state)
{
	(void)state;
	closes = true;
	write_out("Password: ");
	while (times == 0)
		pump_once(&broker, 100);
	pump(&broker);
	assert_int_equal(times, 1);
	assert_null(terminal);
}

static void long_lines_come_in_pieces(void **state)
{
	char line[2 * TERMINAL_LINE_MAX + 2], lines[2 * TERMINAL_LINE_MAX + 8];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	write_out(line);
	snprintf(lines, sizeof(lines), "%.*s\n%.*s\n", TERMINAL_LINE_MAX, line, TERMINAL_LINE_MAX,
		 line);
	expect(lines, "x");
	write_out("\n");
	strcat(lines, "x\n");
	expect(lines, "");
}

static void drained_when_its_writer_is_dead(void **state)
{
	(void)state;
	write_out("last\nwords");
	while (times == 0)
		terminal_drain(terminal);
	assert_string_equal(said, "last\nwords\n");
	times = 0;
	terminal_drain(terminal);
	assert_int_equal(times, 0);
}

static int interruptions;

static ssize_t interrupted_read(int fd, void *data, size_t size)
{
	if (interruptions-- > 0) {
		errno = EINTR;
		return -1;
	}
	return read(fd, data, size < 2 ? size : 2);
}

static void reads_that_are_interrupted_or_short(void **state)
{
	(void)state;
	interruptions = 2;
	sys.read = interrupted_read;
	write_out("abc\n");
	expect("abc\n", "");
	sys.read = read;
	assert_true(interruptions < 0);
	assert_true(times >= 3); /* with the ends of the line, five bytes */
}

/* As vhangup(2) does it. */
static ssize_t broken_read(int fd, void *data, size_t size)
{
	(void)fd;
	(void)data;
	(void)size;
	errno = EIO;
	return -1;
}

static void one_that_was_taken_away_is_watched_no_more(void **state)
{
	(void)state;
	sys.read = broken_read;
	write_out("lost");
	assert_true(pump_once(&broker, 10000));
	sys.read = read;
	assert_false(pump_once(&broker, 0));
	assert_int_equal(times, 0);
}

/* ---- What is typed ---- */

static void typed_at_once_where_nothing_shows_it(void **state)
{
	(void)state;
	set_echo(false);
	assert_int_equal(terminal_type(terminal, "secret"), 0);
	assert_false(terminal_is_waiting(terminal));
	assert_string_equal(typed(), "secret\n");
	write_out("next");
	expect("", "next"); /* nothing was shown */
}

/* What comes next is not taken for the same question again. */
static void the_question_is_forgotten(void **state)
{
	(void)state;
	set_echo(false);
	write_out("Password: ");
	expect("", "Password: ");
	assert_int_equal(terminal_type(terminal, "secret"), 0);
	write_out("***");
	expect("", "***");
}

static void pump_until_typed(void)
{
	while (terminal_is_waiting(terminal))
		pump_once(&broker, 1);
}

static void typed_when_the_echo_is_off(void **state)
{
	(void)state;
	assert_int_equal(terminal_type(terminal, "secret"), 0);
	pump(&broker);
	assert_true(terminal_is_waiting(terminal));
	assert_false(is_typed());
	set_echo(false);
	pump_until_typed();
	assert_string_equal(typed(), "secret\n");
}

static void an_echoing_terminal_gets_nothing(void **state)
{
	int64_t end = clock_deadline(300); /* later than the last of the looks */

	(void)state;
	assert_int_equal(terminal_type(terminal, "secret"), 0);
	while (clock_ms() < end)
		pump_once(&broker, 10);
	assert_true(terminal_is_waiting(terminal));
	assert_false(is_typed());
	assert_int_equal(times, 0); /* no echo of it */
}

static void the_last_answer_counts(void **state)
{
	(void)state;
	assert_int_equal(terminal_type(terminal, "one"), 0);
	assert_int_equal(terminal_type(terminal, "two"), 0);
	set_echo(false);
	pump_until_typed();
	assert_string_equal(typed(), "two\n");
}

static void raw_from_now_on(void **state)
{
	struct termios settings;

	(void)state;
	terminal_set_raw(terminal);
	assert_int_equal(tcgetattr(tool, &settings), 0);
	assert_false(settings.c_lflag & (ECHO | ICANON | ISIG));
}

static void what_is_forgotten_is_not_typed(void **state)
{
	(void)state;
	assert_int_equal(terminal_type(terminal, "secret"), 0);
	terminal_forget_answer(terminal);
	assert_false(terminal_is_waiting(terminal));
	set_echo(false);
	pump(&broker);
	assert_false(is_typed());
	assert_null(broker.timers.first);
}

static int writes;

/* Every second one writes a byte, the others none. */
static ssize_t reluctant_write(int fd, const void *data, size_t size)
{
	(void)size;
	if (writes++ % 2)
		return write(fd, data, 1);
	errno = EAGAIN;
	return -1;
}

static void typed_piece_by_piece(void **state)
{
	(void)state;
	set_echo(false);
	sys.write = reluctant_write;
	assert_int_equal(terminal_type(terminal, "abc"), 0);
	pump_until_typed();
	sys.write = write;
	assert_int_equal(writes, 8);
	assert_string_equal(typed(), "abc\n");
}

static void *freed;
static size_t freed_size;

static void look_and_free(void *p)
{
	const char *bytes = p;

	if (p && p == freed)
		for (size_t i = 0; i < freed_size; i++)
			assert_int_equal(bytes[i], 0);
	free(p);
}

static void *note_and_allocate(size_t size)
{
	freed_size = size;
	freed = malloc(size);
	return freed;
}

static void wiped_afterwards(void **state)
{
	(void)state;
	for (int is_typed = 0; is_typed < 2; is_typed++) {
		sys.malloc = note_and_allocate;
		assert_int_equal(terminal_type(terminal, "secret"), 0);
		sys.malloc = malloc;
		assert_memory_equal(freed, "secret\n", freed_size);
		sys.free = look_and_free;
		set_echo(!is_typed);
		if (is_typed)
			pump_until_typed();
		else
			assert_int_equal(terminal_type(terminal, ""), 0);
		sys.free = free;
	}
	freed = NULL;
}

static void *no_memory(size_t size)
{
	(void)size;
	return NULL;
}

static void *no_zeroed_memory(size_t count, size_t size)
{
	(void)count;
	(void)size;
	return NULL;
}

static void without_memory(void **state)
{
	struct pty pty;

	(void)state;
	sys.malloc = no_memory;
	assert_int_equal(terminal_type(terminal, "secret"), MITOGEN_ERR_MEMORY);
	sys.malloc = malloc;
	assert_false(terminal_is_waiting(terminal));
	assert_int_equal(pty_open(&pty), 0);
	sys.calloc = no_zeroed_memory;
	assert_null(terminal_open(&broker, &pty, hear, &broker));
	sys.calloc = calloc;
	assert_int_equal(pty.master, -1); /* closed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_and_what_comes_last, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_said_after_a_close, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_at_what_is_incomplete, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines_come_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(drained_when_its_writer_is_dead, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_that_are_interrupted_or_short, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_that_was_taken_away_is_watched_no_more, setup,
						teardown),
		cmocka_unit_test_setup_teardown(typed_at_once_where_nothing_shows_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_question_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(raw_from_now_on, setup, teardown),
		cmocka_unit_test_setup_teardown(typed_when_the_echo_is_off, setup, teardown),
		cmocka_unit_test_setup_teardown(an_echoing_terminal_gets_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_answer_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_forgotten_is_not_typed, setup, teardown),
		cmocka_unit_test_setup_teardown(typed_piece_by_piece, setup, teardown),
		cmocka_unit_test_setup_teardown(wiped_afterwards, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
