/* SPDX-License-Identifier: BSD-3-Clause */
/* Children that are up and say nothing; shell scripts are the children, the time is ours. */
#include "base/error.h"
#include "base/sys.h"
#include "core/forward_log.h"
#include "parent/connection.h"
#include "parent/launch.h"

#include "../core/fixture.h"

#define INTERVAL_MS 1000
#define COUNT       2

static struct router router;
static struct context *child;
static int64_t now;
static int closed, interval_ms;
static mitogen_error err;

static int fake_clock(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = clock_timespec(now);
	return 0;
}

/* It says that it is up, and nothing else. */
static int command(const struct connect_options *options, const char *context_path,
		   struct launch_command *ret, mitogen_error *error)
{
	(void)options;
	(void)error;
	ret->path = sys_strdup("/bin/sh");
	ret->argv = sys.calloc(4, sizeof(*ret->argv));
	ret->argv[0] = sys_strdup(context_path);
	ret->argv[1] = sys_strdup("-c");
	ret->argv[2] = sys_strdup("printf 'MITO001 1\\n'; cat >/dev/null; :");
	return 0;
}

static int keepalive(const struct connect_options *options, int *ret_count)
{
	(void)options;
	*ret_count = COUNT;
	return interval_ms;
}

static const struct connect_method method = {
	.name = "script",
	.command = command,
	.keepalive = keepalive,
};

static void pump_until(enum context_state state)
{
	pump(&router.broker);
	while (child->state < state) {
		pump_once(&router.broker, -1);
		pump(&router.broker);
	}
}

static int setup(void **state)
{
	const struct connect_options options = {.connect_timeout_ms = 500, .shutdown_ms = 300};
	const struct id_block ids = {1, 1000};

	now = 1000;
	closed = 0;
	interval_ms = *state ? *(const int *)*state : INTERVAL_MS;
	sys.clock_gettime = fake_clock;
	if (router_init(&router, 0, NULL, 0, "") < 0 || forward_log_open(&router) < 0 ||
	    connection_start(&router, &method, &options, &ids, &child, &err) < 0)
		return -1;
	pump_until(CONTEXT_READY);
	return 0;
}

static void on_closed(struct router *of)
{
	(void)of;
	closed++;
}

static int teardown(void **state)
{
	(void)state;
	router.on_closed = on_closed;
	router_close(&router, true);
	pump(&router.broker);
	while (closed == 0) {
		pump_once(&router.broker, -1);
		pump(&router.broker);
	}
	forward_log_close(&router);
	launcher_free(router.launcher);
	router_clear(&router);
	sys.clock_gettime = clock_gettime;
	return 0;
}

static void pass(int ms)
{
	now += ms;
	pump(&router.broker);
}

static void silence_is_questioned_and_then_the_end(void **state)
{
	(void)state;
	for (int i = 0; i < COUNT + 1; i++) {
		assert_int_equal(router.stats.calls_sent, i);
		pass(INTERVAL_MS);
		assert_int_equal(child->state, CONTEXT_READY);
	}
	pass(INTERVAL_MS);
	assert_int_equal(child->state, CONTEXT_LOST);
	assert_int_equal(context_loss(child, &err), MITOGEN_ERR_LOST);
	assert_non_null(strstr(err.text, "script does not: nothing has come for 4 s"));
	pump_until(CONTEXT_GONE); /* without that time passes: it is killed at once */
}

/* This process was stopped, the machine asleep: that nothing was read says nothing. */
static void silence_while_we_were_away_does_not_count(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * COUNT; i++) {
		pass(10 * INTERVAL_MS);
		assert_int_equal(child->state, CONTEXT_READY);
	}
}

static void nobody_is_asked_who_is_not_to_be(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * COUNT; i++)
		pass(INTERVAL_MS);
	assert_int_equal(child->state, CONTEXT_READY);
	assert_int_equal(router.stats.calls_sent, 0);
	assert_null(router.broker.timers.first);
}

int main(void)
{
	static const int never = 0;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(silence_is_questioned_and_then_the_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(silence_while_we_were_away_does_not_count, setup,
						teardown),
		cmocka_unit_test_prestate_setup_teardown(nobody_is_asked_who_is_not_to_be, setup,
							 teardown, (void *)(uintptr_t)&never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
