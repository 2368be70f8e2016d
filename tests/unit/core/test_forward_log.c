/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of log lines from a child to the master. */
#include "core/flow.h"
#include "core/forward_log.h"
#include "fixture.h"
#include "wire/handles.h"

#define GRANDCHILD 7u
#define LINE       "a line of some length, so that there need not be too many of them\n"

static int setup(void **state)
{
	pair_setup(state);
	broker_lock(&pair.child.broker);
	broker_lock(&pair.master.broker);
	assert_int_equal(flow_open(&pair.master), 0);
	assert_int_equal(flow_open(&pair.child), 0);
	assert_int_equal(forward_log_open(&pair.master), 0);
	assert_int_equal(forward_log_open(&pair.child), 0);
	broker_unlock(&pair.master.broker);
	broker_unlock(&pair.child.broker);
	return 0;
}

static int teardown(void **state)
{
	forward_log_close(&pair.master);
	forward_log_close(&pair.child);
	flow_close(&pair.master);
	flow_close(&pair.child);
	return pair_teardown(state);
}

static void print(const char *text)
{
	forward_log_add(&pair.child, GRANDCHILD, text, strlen(text));
}

static bool refuse(enum log_level level, const char *line, void *user)
{
	(void)level;
	(void)line;
	(void)user;
	return false;
}

/* The master's log takes nothing. */
static void stall(void)
{
	log_set_forward(LOG_WARNING, refuse, &pair);
}

static void go_on(void)
{
	log_set(LOG_WARNING, keep_log, NULL);
	pair_pump();
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (const char *at = logged; (at = strstr(at, text)) != NULL; at++)
		count++;
	return count;
}

/* ---- What travels ---- */

static void own_lines(void **state)
{
	(void)state;
	forward_log_own(&pair.child, LOG_WARNING);
	log_write(LOG_WARNING, "a warning");
	log_write(LOG_ERROR, "an error");
	log_write(LOG_INFO, "not at this level");
	assert_string_equal(logged, "");
	go_on();
	assert_string_equal(logged, "local.1: a warning\nlocal.1: an error\n");
}

static void printed_lines(void **state)
{
	(void)state;
	routes_add(&pair.master, GRANDCHILD, &pair.below, "sub");
	print("one\ntwo\n");
	print("\n\033[2J \\ \xff\n");
	pair_pump();
	assert_string_equal(logged, "local.1/sub: one\nlocal.1/sub: two\n"
				    "local.1/sub: \nlocal.1/sub: \\x1b[2J \\ \\xff\n");
}

static void of_our_own_children(void **state)
{
	(void)state;
	forward_log_add(&pair.master, CHILD_ID, "one\n", 4);
	assert_string_equal(logged, "");
	pump(&pair.master.broker);
	assert_string_equal(logged, "local.1: one\n");
}

/* Nobody would see them: they do not travel. */
static void below_the_level(void **state)
{
	(void)state;
	log_set(LOG_ERROR, keep_log, NULL);
	for (int i = 0; i < 10000; i++)
		print(LINE);
	assert_true(stream_is_idle(&pair.above.stream));
	assert_true(forward_log_has_room(&pair.child));
	assert_true(forward_log_is_empty(&pair.child));
}

/* ---- Room ---- */

static int called;

static void has_room_again(struct forward_log_waiter *waiter)
{
	(void)waiter;
	called++;
	assert_true(forward_log_has_room(&pair.child) || forward_log_has_room(&pair.master));
}

/* While the master's log stands still, who prints is told to wait, and nothing is lost. */
static void who_prints_waits(void **state)
{
	struct forward_log_waiter waiter = {.room = has_room_again};
	size_t lines = 0, left;

	(void)state;
	called = 0;
	stall();
	while (forward_log_has_room(&pair.child)) {
		print(LINE);
		lines++;
		pair_pump();
	}
	print("last\n"); /* of who did not ask */
	forward_log_wait(&pair.child, &waiter);
	pair_pump();
	assert_true(lines * strlen(LINE) > 128 * 1024 && lines * strlen(LINE) < 512 * 1024);
	assert_int_equal(called, 0);
	assert_false(forward_log_is_empty(&pair.child));
	left = lines;
	log_set(LOG_WARNING, keep_log, NULL);
	while (called == 0 || count_lines("local.1/7: last\n") == 0) {
		left -= count_lines(LINE);
		logged[0] = '\0';
		pair_pump();
	}
	left -= count_lines(LINE);
	assert_true(left < lines); /* the log of the test is shorter than all of them */
	assert_int_equal(called, 1);
	assert_true(forward_log_is_empty(&pair.child));
	assert_true(forward_log_has_room(&pair.child));
}

/* What is logged is not sent then; it does not overtake what was printed. */
static void own_lines_without_room(void **state)
{
	(void)state;
	stall();
	while (forward_log_has_room(&pair.child)) {
		print(LINE);
		pair_pump();
	}
	forward_log_own(&pair.child, LOG_WARNING);
	log_write(LOG_WARNING, "later");
	assert_false(log_is_empty());
	log_set(LOG_WARNING, keep_log, NULL);
	while (!forward_log_has_room(&pair.child))
		pair_pump();
	logged[0] = '\0';
	forward_log_own(&pair.child, LOG_WARNING);
	log_write(LOG_WARNING, "now");
	go_on();
	assert_int_equal(count_lines("local.1: now\n"), 1);
}

static void room_of_our_own_children(void **state)
{
	struct forward_log_waiter waiter = {.room = has_room_again};
	size_t bytes = 0;

	(void)state;
	called = 0;
	stall();
	for (; forward_log_has_room(&pair.master); bytes += strlen(LINE)) {
		forward_log_add(&pair.master, CHILD_ID, LINE, strlen(LINE));
		pump(&pair.master.broker);
	}
	forward_log_wait(&pair.master, &waiter);
	pump(&pair.master.broker);
	assert_true(bytes > 32 * 1024 && bytes < 128 * 1024);
	assert_int_equal(called, 0);
	log_set(LOG_WARNING, keep_log, NULL);
	while (called == 0)
		pump(&pair.master.broker);
	assert_true(forward_log_is_empty(&pair.master));
}

/* Who does not wait any more is not called. */
static void a_wait_can_be_given_up(void **state)
{
	struct forward_log_waiter waiter = {.room = has_room_again};

	(void)state;
	called = 0;
	forward_log_wait(&pair.child, &waiter);
	list_remove(&waiter.link);
	pair_pump();
	assert_int_equal(called, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(own_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(printed_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(of_our_own_children, setup, teardown),
		cmocka_unit_test_setup_teardown(below_the_level, setup, teardown),
		cmocka_unit_test_setup_teardown(who_prints_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(own_lines_without_room, setup, teardown),
		cmocka_unit_test_setup_teardown(room_of_our_own_children, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wait_can_be_given_up, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
