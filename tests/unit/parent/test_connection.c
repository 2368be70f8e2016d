/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of a child from its start to its end; shell scripts are the children, the time is ours. */
#include "base/error.h"
#include "base/sys.h"
#include "core/call.h"
#include "core/forward_log.h"
#include "parent/connection.h"
#include "parent/launch.h"

#include "../core/fixture.h"

#define READY "printf 'MITO001 1\\n';"
#define STAY  "cat >/dev/null" /* up to the end of its input */
#define HANG  "kill -STOP $$"  /* whatever happens */

static struct router router;
static struct context *child;
static struct latch *answers;
static const char *script;
static int64_t now;
static int closed;
static mitogen_error err;

static int fake_clock(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = clock_timespec(now);
	return 0;
}

static int command(const struct connect_options *options, const char *context_path,
		   struct launch_command *ret, mitogen_error *error)
{
	(void)options;
	if (!script)
		return error_set(error, MITOGEN_ERR_USAGE, "there is no command");
	ret->path = sys_strdup("/bin/sh");
	ret->argv = sys.calloc(4, sizeof(*ret->argv));
	ret->argv[0] = sys_strdup(context_path);
	ret->argv[1] = sys_strdup("-c");
	ret->argv[2] = sys_strdup(script);
	return 0;
}

static const struct connect_method method = {.name = "script", .command = command};

static void on_closed(struct router *of)
{
	assert_ptr_equal(of, &router);
	closed++;
}

static int setup(void **state)
{
	(void)state;
	now = 1000;
	closed = 0;
	child = NULL;
	logged[0] = '\0';
	log_set(LOG_WARNING, keep_log, NULL);
	sys.clock_gettime = fake_clock;
	answers = latch_new();
	if (router_init(&router, 0, NULL, 0, "") < 0)
		return -1;
	router.on_closed = on_closed;
	return forward_log_open(&router);
}

/* The broker does what there is to do, and waits for what comes, until the context is in this state. */
static void pump_until(enum context_state state)
{
	pump(&router.broker);
	while (child->state < state) {
		pump_once(&router.broker, -1);
		pump(&router.broker);
	}
}

/* Until its process is reaped, too. */
static void pump_until_gone(void)
{
	pump_until(CONTEXT_GONE);
	assert_null(child->connection);
}

static int teardown(void **state)
{
	(void)state;
	router_close(&router, true);
	pump(&router.broker);
	while (closed == 0) {
		pump_once(&router.broker, -1);
		pump(&router.broker);
	}
	latch_unref(answers);
	forward_log_close(&router);
	launcher_free(router.launcher);
	router_clear(&router);
	sys.clock_gettime = clock_gettime;
	return 0;
}

static int start_with(const struct connect_options *options)
{
	const struct id_block ids = {1, 1000};

	return connection_start(&router, &method, options, &ids, &child, &err);
}

static void start(const char *what)
{
	const struct connect_options options = {.connect_timeout_ms = 500, .shutdown_ms = 300};

	script = what;
	assert_int_equal(start_with(&options), 0);
}

/* Somebody calls and waits for the answer. */
static void call(void)
{
	struct call_target target = {.latch = answers, .deadline = CLOCK_NEVER};
	struct mitogen_writer w;
	int error;

	message_writer_init(&w);
	call_write_head(&w, false, NULL, "f", 0);
	call_write_tail(&w);
	assert_int_equal(call_start(&router, child, message_from_writer(&w, &error), "f", &target,
				    false, NULL),
			 0);
}

/* It is lost; the only answer says why, and so does the context. */
static void assert_lost(int code, const char *text)
{
	mitogen_error why;

	pump_until(CONTEXT_LOST);
	assert_failure(answers, code, text);
	assert_int_equal(context_loss(child, &why), code);
	assert_string_equal(why.where, "script.1");
}

/* ---- Coming up ---- */

static void comes_up(void **state)
{
	(void)state;
	start(READY STAY);
	assert_int_equal(child->state, CONTEXT_CONNECTING);
	assert_string_equal(child->path, "script.1");
	assert_int_equal(child->id, 1);
	pump_until(CONTEXT_READY);
	assert_ptr_equal(routes_neighbour(&router, 1)->name, child->path);
	assert_null(router.broker.timers.first);
}

static void is_sent_what_waited_for_it(void **state)
{
	(void)state;
	/* the magic of a first frame, and its handle, CONFIG */
	start(READY "head -c 20 | od -An -tx1 >&2; " STAY);
	call();
	while (!strchr(logged, '\n') || !strchr(strchr(logged, '\n') + 1, '\n'))
		pump_once(&router.broker, -1);
	assert_non_null(strstr(logged, "script.1:  4d 49 01 00 00 00 00 01"));
	assert_non_null(strstr(logged, "00 00 00 70"));
}

static void what_it_prints_before_is_no_part_of_it(void **state)
{
	(void)state;
	start("echo welcome; echo to stderr >&2; " READY "echo later >&2; exit 3");
	call();
	assert_lost(MITOGEN_ERR_LOST, "exited with status 3");
	assert_null(strstr(logged, "welcome"));
	assert_non_null(strstr(logged, "script.1: later\n"));
}

/* ---- Not coming up ---- */

static void exits_at_once(void **state)
{
	(void)state;
	start("echo one; echo two >&2; printf three; exit 5");
	call();
	assert_lost(MITOGEN_ERR_CONNECT,
		    "script.1: f: script.1 could not be started: its process exited with status 5");
	pump_until_gone();
	call();
	assert_failure(answers, MITOGEN_ERR_CONNECT, "; it printed: ");
}

static void last_words_are_quoted(void **state)
{
	(void)state;
	start("printf 'no newline'; exit 5");
	call();
	assert_lost(MITOGEN_ERR_CONNECT, "it printed: no newline");
}

static void is_killed_at_once(void **state)
{
	(void)state;
	start("kill -SEGV $$");
	call();
	assert_lost(MITOGEN_ERR_CONNECT, "was killed by SIGSEGV");
}

static void cannot_be_run(void **state)
{
	(void)state;
	start(NULL);
	call();
	assert_lost(MITOGEN_ERR_CONNECT, "script.1 could not be started: there is no command");
	pump_until_gone();
}

static void does_not_answer_in_time(void **state)
{
	(void)state;
	start("echo waiting for something; echo ready >&2; " HANG);
	call();
	pump_once(&router.broker, 0); /* starts it */
	now += 499;
	pump(&router.broker);
	assert_int_equal(child->state, CONTEXT_CONNECTING);
	now += 1;
	assert_lost(MITOGEN_ERR_TIMEOUT,
		    "script.1 could not be started: it has not answered in 500");
	pump_until_gone();
}

static void rubbish_is_quoted(void **state)
{
	(void)state;
	start("printf 'MITO001 2\\n\\033[31mMITO001 1 \\n'; exit 1");
	call();
	assert_lost(MITOGEN_ERR_CONNECT, "it printed: MITO001 2 | \\x1b[31mMITO001 1 ");
}

static void is_shut_down_while_it_starts(void **state)
{
	(void)state;
	start(HANG);
	call();
	pump_once(&router.broker, 0);
	connection_shutdown(&router, child); /* what it was asked to do before comes first */
	pump(&router.broker);
	now += 299;
	pump(&router.broker);
	assert_int_equal(child->state, CONTEXT_CONNECTING);
	now += 1;
	assert_lost(MITOGEN_ERR_CLOSED, "the context was shut down");
	pump_until_gone();
}

/* ---- Being lost ---- */

static void is_killed(void **state)
{
	(void)state;
	start(READY "kill -KILL $$");
	call();
	assert_lost(MITOGEN_ERR_LOST,
		    "script.1: f: the context was lost: its process was killed by SIGKILL");
	pump_until_gone();
}

static void breaks_the_protocol(void **state)
{
	(void)state;
	start(READY "printf 'HTTP/1.1 200 OK'; " STAY);
	call();
	assert_lost(MITOGEN_ERR_LOST, "its process broke the protocol: ");
	assert_non_null(strstr(logged, "script.1: the stream is corrupt: "));
	pump_until_gone();
}

static void speaks_for_another(void **state)
{
	(void)state;
	/* a frame from context 0 */
	start(READY
	      "printf 'MI\\003\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0"
	      "\\0\\0\\0'; " STAY);
	call();
	assert_lost(MITOGEN_ERR_LOST, "a foreign name");
}

/* The end of its output alone says little; its status is waited for, but not for ever. */
static void closes_its_output_and_stays(void **state)
{
	(void)state;
	start(READY "exec <&- >&-; " HANG);
	call();
	pump_until(CONTEXT_READY);
	while (!router.broker.timers.first)
		pump_once(&router.broker, -1);
	assert_int_equal(child->state, CONTEXT_READY);
	now += 249;
	pump(&router.broker);
	assert_int_equal(child->state, CONTEXT_READY);
	now += 1;
	assert_lost(MITOGEN_ERR_LOST, "its process closed its connection");
	assert_non_null(child->connection);
	now += 300; /* then it is killed */
	pump_until_gone();
}

/* ---- Being ended ---- */

static void ends_when_its_input_ends(void **state)
{
	(void)state;
	start(READY STAY);
	call();
	pump_until(CONTEXT_READY);
	router_close(&router, true);
	assert_failure(answers, MITOGEN_ERR_CLOSED, "script.1: f: the router was closed");
	pump_until_gone();
	assert_int_equal(closed, 1);
}

static void is_asked_then_killed(void **state)
{
	(void)state;
	start(READY HANG);
	call();
	pump_until(CONTEXT_READY);
	connection_shutdown(&router, child);
	pump(&router.broker);
	now += 299;
	pump(&router.broker);
	assert_int_equal(child->state, CONTEXT_READY);
	now += 1;
	assert_lost(MITOGEN_ERR_CLOSED, "script.1: f: the context was shut down");
	pump_until_gone();
}

static void closing_waits_for_its_end(void **state)
{
	(void)state;
	start(READY HANG);
	pump_until(CONTEXT_READY);
	router_close(&router, false);
	pump(&router.broker);
	assert_int_equal(closed, 0);
	now += 300;
	pump_until_gone();
	assert_int_equal(closed, 1);
}

/* ---- Mistakes ---- */

static void assert_refused(const char *name, int code)
{
	const struct connect_options options = {.name = name, .connect_timeout_ms = 500};

	assert_int_equal(start_with(&options), code);
	assert_int_equal(err.code, code);
	assert_null(child);
	assert_true(list_is_empty(&router.residents));
}

static void names_are_checked(void **state)
{
	char long_name[202];

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_refused("", MITOGEN_ERR_USAGE);
	assert_refused("a/b", MITOGEN_ERR_USAGE);
	assert_refused("\xff", MITOGEN_ERR_USAGE);
	assert_refused(long_name, MITOGEN_ERR_USAGE);
}

static void no_child_of_a_closing_router(void **state)
{
	(void)state;
	router.closing = true;
	assert_refused(NULL, MITOGEN_ERR_CLOSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_up, setup, teardown),
		cmocka_unit_test_setup_teardown(is_sent_what_waited_for_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_it_prints_before_is_no_part_of_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(exits_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(last_words_are_quoted, setup, teardown),
		cmocka_unit_test_setup_teardown(is_killed_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(cannot_be_run, setup, teardown),
		cmocka_unit_test_setup_teardown(does_not_answer_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(rubbish_is_quoted, setup, teardown),
		cmocka_unit_test_setup_teardown(is_shut_down_while_it_starts, setup, teardown),
		cmocka_unit_test_setup_teardown(is_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(breaks_the_protocol, setup, teardown),
		cmocka_unit_test_setup_teardown(speaks_for_another, setup, teardown),
		cmocka_unit_test_setup_teardown(closes_its_output_and_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_when_its_input_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(is_asked_then_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_waits_for_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(no_child_of_a_closing_router, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
