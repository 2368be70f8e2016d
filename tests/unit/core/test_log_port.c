/* SPDX-License-Identifier: BSD-3-Clause */
/* Records that a child sends to the master, by hand. */
#include "core/flow.h"
#include "core/forward_log.h"
#include "core/log_port.h"
#include "fixture.h"
#include "wire/handles.h"

static int setup(void **state)
{
	pair_setup(state);
	assert_int_equal(flow_open(&pair.master), 0);
	assert_int_equal(forward_log_open(&pair.master), 0);
	return 0;
}

static int teardown(void **state)
{
	forward_log_close(&pair.master);
	flow_close(&pair.master);
	return pair_teardown(state);
}

/* Takes m over. */
static void send_from(uint32_t src_id, struct mitogen_message *m)
{
	m->header.src_id = m->header.auth_id = src_id;
	m->header.handle = HANDLE_FORWARD_LOG;
	m->header.flags |= FRAME_BULK;
	stream_send(&pair.above.stream, m, false);
}

static void send_record(uint32_t src_id, int level, uint32_t id, const char *text)
{
	send_from(src_id, forward_log_record((enum log_level)level, id, text, strlen(text)));
	pair_pump();
}

static bool refuse(enum log_level level, const char *line, void *user)
{
	(void)level;
	(void)line;
	(void)user;
	return false;
}

/* ---- Names ---- */

static void named_as_we_call_it(void **state)
{
	(void)state;
	routes_add(&pair.master, 2, &pair.below, "a/b");
	context_new(&pair.master, 3, strdup("web"));
	send_record(1, LOG_WARNING, 1, "one");
	send_record(1, LOG_WARNING, 2, "two");
	send_record(2, LOG_ERROR, 3, "three");
	send_record(1, LOG_WARNING, 4, "four");
	assert_string_equal(logged,
			    "local.1: one\nlocal.1/a/b: two\nweb: three\nlocal.1/4: four\n");
}

/* What the lost have printed may come after the news of their loss. */
static void names_of_the_lost_are_kept(void **state)
{
	(void)state;
	routes_add(&pair.master, 2, &pair.below, "two");
	routes_remove(&pair.master, routes_find(&pair.master, 2));
	send_record(1, LOG_WARNING, 2, "last words");
	assert_string_equal(logged, "local.1/two: last words\n");
}

static void not_for_ever(void **state)
{
	(void)state;
	id_blocks_add(&pair.below.blocks, 100000, 100000);
	for (uint32_t id = 100000; id < 110000; id++) {
		routes_add(&pair.master, id, &pair.below, "name");
		routes_remove(&pair.master, routes_find(&pair.master, id));
	}
	send_record(1, LOG_WARNING, 109999, "one");
	send_record(1, LOG_WARNING, 100000, "two");
	assert_string_equal(logged, "local.1/name: one\nlocal.1/100000: two\n");
}

static void names_and_lines_are_escaped(void **state)
{
	(void)state;
	routes_add(&pair.master, 2, &pair.below, "\033[2J");
	send_record(1, LOG_WARNING, 2, "a\r\nb\xc2\x9b\n\nc");
	assert_string_equal(logged, "local.1/\\x1b[2J: a\\r\nlocal.1/\\x1b[2J: b\\xc2\\x9b\n"
				    "local.1/\\x1b[2J: \nlocal.1/\\x1b[2J: c\n");
}

static void long_lines_are_cut(void **state)
{
	static char text[60000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	send_record(1, LOG_WARNING, 1, text);
	assert_int_equal(strlen(logged), strlen("local.1: \n") + LOG_LINE_MAX - 1);
	assert_non_null(strstr(logged, "x...\n"));
}

/* ---- What is refused ---- */

static void about_others(void **state)
{
	(void)state;
	send_record(1, LOG_WARNING, 0, "lies");
	send_record(1, LOG_WARNING, CHILD_ID + CHILD_IDS, "lies");
	assert_null(strstr(logged, "lies"));
	assert_string_equal(logged, "a log record of context 1 was refused\n"
				    "a log record of context 1 was refused\n");
}

static void no_records(void **state)
{
	struct mitogen_message *dead = message_new(0);

	(void)state;
	dead->header.kind = FRAME_DEAD;
	send_from(1, message_of_text("no record"));
	send_from(1, message_of_bytes("\x83\x01\x01\x41x", 5));
	send_from(1, dead);
	send_record(1, 0, 1, "lies");
	send_record(1, 5, 1, "lies");
	assert_null(strstr(logged, "lies"));
	for (const char *at = logged; *at; at = strchr(at, '\n') + 1)
		assert_memory_equal(at, "a log record of context 1 was refused\n", 38);
	assert_int_equal(strlen(logged), 5 * 38);
	assert_null(pair.ended);
}

/* Nor is a message that this process sends to its own port. */
static void who_was_not_announced(void **state)
{
	struct mitogen_message *m = forward_log_record(LOG_WARNING, 1, "lies", 4);

	(void)state;
	send_record(5, LOG_WARNING, 1, "lies");
	m->header.handle = HANDLE_FORWARD_LOG;
	router_send(&pair.master, m, false);
	pair_pump();
	assert_string_equal(logged, "context 0 may not send to handle 102: refused\n");
}

/* ---- Too much ---- */

/* Records below the level use up credit, which comes back at once. */
static void below_the_level(void **state)
{
	static char text[30000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < 100; i++)
		send_record(1, LOG_DEBUG, 1, text);
	assert_string_equal(logged, "");
	assert_null(pair.ended);
}

static void more_than_was_granted(void **state)
{
	static char text[30000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	log_set_forward(LOG_WARNING, refuse, &pair); /* nothing is handed over */
	for (int i = 0; i < 9; i++)
		send_record(1, LOG_WARNING, 1, text);
	assert_null(pair.ended);
	send_record(1, LOG_WARNING, 1, text);
	assert_non_null(pair.ended);
	assert_string_equal(pair.ended, "it sent more log records than it was granted");
}

/* Each of many contexts below one child keeps to its credit, all of them together to nothing. */
static void more_than_is_kept(void **state)
{
	static char text[60000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (uint32_t id = 2; id < 202; id++)
		routes_add(&pair.master, id, &pair.below, "x");
	log_set_forward(LOG_WARNING, refuse, &pair);
	for (uint32_t id = 2; id < 202; id++)
		for (int i = 0; i < 4; i++)
			send_record(id, LOG_WARNING, id, text);
	assert_null(pair.ended);
	assert_true(pair.below.log_bytes > 15u << 20 && pair.below.log_bytes < 17u << 20);
	log_set(LOG_WARNING, keep_log, NULL);
	log_deliver();
	assert_string_equal(logged,
			    "local.1: too many log lines come from there; some are dropped\n");
	pair_pump();
	assert_int_equal(pair.below.log_bytes, 0);
	logged[0] = '\0';
	send_record(2, LOG_WARNING, 2, "again");
	assert_string_equal(logged, "local.1/x: again\n");
}

/* What contexts behind it log is limited, what they print is not. */
static void more_than_the_quota(void **state)
{
	(void)state;
	routes_add(&pair.master, 2, &pair.below, "x");
	pair.below.log_quota = (struct quota){.burst = 10, .per_second = 1};
	for (int i = 0; i < 30; i++)
		send_record(i % 2 ? 1 : 2, LOG_WARNING, i % 2 ? 1 : 2, "a");
	for (int i = 0; i < 30; i++)
		send_record(1, LOG_WARNING, 2, "b");
	assert_int_equal(strlen(logged), strlen("local.1: a\nlocal.1/x: a\n") * 5 +
						 strlen("local.1/x: b\n") * 30 +
						 strlen("local.1: too many log lines come from "
							"there; some are dropped\n"));
	assert_null(pair.ended);
}

static size_t count_handed_over(const char *line)
{
	size_t count = 0;

	for (const char *at = logged; (at = strstr(at, line)) != NULL; at++)
		count++;
	return count;
}

/* A record may be many lines. */
static void the_quota_is_of_lines(void **state)
{
	(void)state;
	pair.below.log_quota = (struct quota){.burst = 10, .per_second = 10};
	send_record(1, LOG_WARNING, 1, "a\na\na\na\n");
	send_record(1, LOG_WARNING, 1, "b\n\n\n\n\n\nb"); /* 7 lines */
	send_record(1, LOG_WARNING, 1, "a\na");
	assert_int_equal(count_handed_over("local.1: a\n"), 4);
	assert_int_equal(count_handed_over("local.1: b\n"), 0);
	assert_int_equal(count_handed_over("too many log lines"), 1);
	assert_null(pair.ended);
}

/* Only one's own children's output goes without it: not that of others, nor of who is not known. */
static void other_ids_are_no_way_around_the_quota(void **state)
{
	(void)state;
	routes_add(&pair.master, 2, &pair.below, "x");
	routes_add(&pair.master, 3, &pair.below, "x/y");
	routes_add(&pair.master, 4, &pair.below, "xy/z");
	pair.below.log_quota = (struct quota){.burst = 4, .per_second = 1};
	for (int i = 0; i < 10; i++) {
		send_record(1, LOG_WARNING, 5, "line");
		send_record(1, LOG_WARNING, 3, "line");
		send_record(2, LOG_WARNING, 1, "line");
		send_record(2, LOG_WARNING, 4, "line");
	}
	assert_int_equal(count_handed_over(": line\n"), 4);
	for (int i = 0; i < 10; i++) {
		send_record(1, LOG_WARNING, 2, "printed");
		send_record(2, LOG_WARNING, 3, "printed");
	}
	assert_int_equal(count_handed_over(": printed\n"), 20);
	assert_null(pair.ended);
}

/* What it has sent is handed over, and hurts nobody. */
static void a_lost_child(void **state)
{
	(void)state;
	log_set_forward(LOG_WARNING, refuse, &pair);
	for (int i = 0; i < 3; i++)
		send_record(1, LOG_WARNING, 1, "line");
	assert_false(log_port_is_empty(&pair.master));
	pair_lose_child();
	log_set(LOG_WARNING, keep_log, NULL);
	pump(&pair.master.broker);
	assert_string_equal(logged, "local.1: line\nlocal.1: line\nlocal.1: line\n");
	assert_true(log_port_is_empty(&pair.master));
}

static void closed_with_records(void **state)
{
	(void)state;
	log_set_forward(LOG_WARNING, refuse, &pair);
	send_record(1, LOG_WARNING, 1, "line");
	assert_false(log_port_is_empty(&pair.master)); /* the teardown frees them */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(named_as_we_call_it, setup, teardown),
		cmocka_unit_test_setup_teardown(names_of_the_lost_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(not_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(names_and_lines_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(about_others, setup, teardown),
		cmocka_unit_test_setup_teardown(no_records, setup, teardown),
		cmocka_unit_test_setup_teardown(who_was_not_announced, setup, teardown),
		cmocka_unit_test_setup_teardown(below_the_level, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_was_granted, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_the_quota, setup, teardown),
		cmocka_unit_test_setup_teardown(the_quota_is_of_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(other_ids_are_no_way_around_the_quota, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_lost_child, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_with_records, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
