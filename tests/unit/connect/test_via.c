/* SPDX-License-Identifier: BSD-3-Clause */
/* The master has children started by its child a; shell scripts are the children, the time is ours. */
#include "connect/via.h"

#include <sys/stat.h>
#include <unistd.h>

#include "../parent/tree.h"
#include "base/environment.h"
#include "base/sys.h"
#include "connect/methods.h"
#include "core/call.h"
#include "core/dispatch.h"
#include "parent/method_options.h"
#include "wire/handles.h"

#define READY "printf 'MITO001 1\\n';"
#define STAY  "cat >/dev/null" /* up to the end of its input; it does not understand SHUTDOWN */
#define HANG  "kill -STOP $$"  /* whatever happens */
#define IDS   ((struct id_block){5000, 1000})

static const struct builtin *const builtins[] = {via_builtins, NULL};
static struct node *a;
static struct context *child; /* as the master knows it */
static struct latch *answers;
static char image[64]; /* the script */
static int64_t now;
static mitogen_error err;

static int fake_clock(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = clock_timespec(now);
	return 0;
}

static int setup(void **state)
{
	now = 1000;
	child = NULL;
	sys.clock_gettime = fake_clock;
	answers = latch_new();
	tree_setup(state);
	a = tree_add(master, 1, 1000, "a");
	a->router.builtins = builtins;
	a->router.environment = environment_copy();
	a->router.patience_ms = 5000;
	snprintf(image, sizeof(image), "/tmp/test-via-%d", getpid());
	return dispatch_open(&a->router);
}

/* What a has started is gone. */
static void pump_until_empty(void)
{
	tree_pump();
	while (!list_is_empty(&a->router.residents)) {
		pump_once(&a->router.broker, 1000);
		tree_pump();
	}
}

static int teardown(void **state)
{
	router_close(&a->router, true);
	pump_until_empty();
	dispatch_close(&a->router);
	unlink(image);
	latch_unref(answers);
	sys.clock_gettime = clock_gettime;
	return tree_teardown(state);
}

static void write_script(const char *what)
{
	FILE *file = fopen(image, "we");

	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", what);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(image, 0700), 0);
}

static int start_with(const struct connect_method *method, const char *name)
{
	const mitogen_local_options own = {.image = image};
	const struct connect_options options = {
		.name = name, .connect_timeout_ms = 500, .shutdown_ms = 300, .own = &own};

	return via_start(&master->router, a->context, method, &options, &IDS, &child, &err);
}

static void start(const char *what)
{
	write_script(what);
	assert_int_equal(start_with(&connect_local, NULL), 0);
	assert_int_equal(child->state, CONTEXT_CONNECTING);
}

static void pump_until(enum context_state state)
{
	tree_pump();
	while (child->state < state) {
		pump_once(&a->router.broker, 1000);
		tree_pump();
	}
}

/* Somebody calls it and waits for the answer. */
static void call(void)
{
	struct call_target target = {.latch = answers, .deadline = CLOCK_NEVER};
	struct mitogen_writer w;
	int error;

	message_writer_init(&w);
	call_write_head(&w, false, NULL, "f", 0);
	call_write_tail(&w);
	assert_int_equal(call_start(&master->router, child, message_from_writer(&w, &error), "f",
				    &target, false, NULL),
			 0);
}

/* It is lost; the only answer to the call says why; no way to it is left. */
static void assert_lost(int code, const char *text)
{
	pump_until(CONTEXT_GONE);
	assert_failure(answers, code, text);
	assert_null(routes_find(&master->router, 5000));
	pump_until_empty();
	assert_null(routes_find(&a->router, 5000));
}

/* ---- Coming up ---- */

static void comes_up(void **state)
{
	(void)state;
	start(READY STAY);
	assert_string_equal(child->path, "a/local.1");
	assert_int_equal(child->id, 5000);
	assert_int_equal(child->via_id, 1);
	pump_until(CONTEXT_READY);
	assert_ptr_equal(routes_neighbour(&master->router, 5000), &a->below);
	assert_true(id_blocks_contain(&a->below.blocks, 5999));
	assert_string_equal(context_known(&a->router, 5000)->path, "a/local.1");
	assert_null(master->router.broker.timers.first);
}

static void c11_somebody_has_asked_for_it_before(void **state)
{
	struct context *early = context_of_id(&master->router, 5000),
		       *there = context_of_id(&a->router, 5000);

	(void)state;
	start(READY STAY);
	assert_ptr_equal(child, early);
	pump_until(CONTEXT_READY);
	assert_ptr_equal(context_known(&a->router, 5000), there);
	assert_non_null(there->connection);
	assert_int_equal(there->depth, 1);
	assert_string_equal(early->path, "a/local.1");
}

static void names_count_up(void **state)
{
	const struct id_block more = {7000, 1000};
	const mitogen_local_options own = {.image = image};
	const struct connect_options options = {.name = "inner", .own = &own};

	(void)state;
	start(READY STAY);
	assert_int_equal(via_start(&master->router, a->context, &connect_local, &options, &more,
				   &child, &err),
			 0);
	assert_string_equal(child->path, "a/inner");
	assert_int_equal(start_with(&connect_local, "a/b"), MITOGEN_ERR_USAGE);
	assert_int_equal(start_with(&connect_local, ""), MITOGEN_ERR_USAGE);
}

/* The main thread of a may change the present one at any moment. */
static void has_the_environment_that_its_parent_began_with(void **state)
{
	char mark[] = "MARK=of the start", path[] = "PATH=/usr/bin:/bin";
	char *const environment[] = {mark, path, NULL};

	(void)state;
	sys.free(a->router.environment);
	a->router.environment = environment_copy_of(environment);
	setenv("MARK", "of now", 1);
	start(READY "echo \"mark $MARK\" >&2;" STAY);
	tree_pump();
	while (!strstr(logged, "mark")) {
		pump_once(&a->router.broker, 1000);
		tree_pump();
	}
	unsetenv("MARK");
	assert_non_null(strstr(logged, "a/local.1: mark of the start\n"));
}

/* ---- Not coming up ---- */

static void exits_at_once(void **state)
{
	(void)state;
	start("echo sorry; exit 5");
	call();
	assert_lost(MITOGEN_ERR_CONNECT,
		    "a/local.1: f: a/local.1 could not be started: its process "
		    "exited with status 5");
	call();
	assert_failure(answers, MITOGEN_ERR_CONNECT, "it printed: sorry");
}

static void does_not_answer_in_time(void **state)
{
	(void)state;
	start(HANG);
	call();
	tree_pump();
	now += 500;
	assert_lost(MITOGEN_ERR_TIMEOUT, "a/local.1 could not be started: it has not answered in "
					 "500 ms");
}

static void the_method_is_not_known_there(void **state)
{
	static const struct connect_method unknown = {.name = "warp"};

	(void)state;
	assert_int_equal(start_with(&unknown, NULL), 0);
	call();
	assert_lost(MITOGEN_ERR_UNKNOWN, "a/warp.1: f: the context could not be started: the image "
					 "there knows no connection method \"warp\"");
}

/* The method here has more options than the one there, or lets pass more. */
static void assert_options_refused(const mitogen_local_options *own, const char *text)
{
	static const struct method_option other[] = {
		{.name = "image", .offset = offsetof(mitogen_local_options, image)},
		{.name = "colour", .offset = offsetof(mitogen_local_options, name)},
		{.name = NULL},
	};
	static const struct connect_method local = {.name = "local", .options = other};
	const struct connect_options options = {.connect_timeout_ms = 500, .own = own};

	assert_int_equal(
		via_start(&master->router, a->context, &local, &options, &IDS, &child, &err), 0);
	call();
	assert_lost(MITOGEN_ERR_USAGE, text);
}

static void an_option_is_not_known_there(void **state)
{
	const mitogen_local_options own = {.name = "red"};

	(void)state;
	assert_options_refused(
		&own, "a/local.1: f: the context could not be started: local has no option "
		      "'colour'; it has image, name, connect_timeout, timeout, fork_server");
}

static void an_option_is_wrong_there(void **state)
{
	const mitogen_local_options own = {.image = ""};

	(void)state;
	assert_options_refused(&own, "a/local.1: f: the context could not be started: local: image "
				     "'': it is empty");
}

static void is_too_deep(void **state)
{
	(void)state;
	sys.free(a->router.ancestors);
	a->router.ancestors = sys.calloc(DEPTH_MAX, sizeof(*a->router.ancestors));
	a->router.ancestor_count = DEPTH_MAX;
	start(READY STAY);
	call();
	assert_lost(MITOGEN_ERR_USAGE, "a/local.1: f: the context could not be started: contexts "
				       "are nested 64 deep at most");
}

static void its_parent_is_closing(void **state)
{
	(void)state;
	write_script(READY STAY);
	a->router.closing = true;
	assert_int_equal(start_with(&connect_local, NULL), 0);
	call();
	tree_pump();
	assert_failure(answers, MITOGEN_ERR_CLOSED, "the context is shutting down");
	assert_int_equal(child->state, CONTEXT_GONE);
	tree_kill(a);
	assert_null(routes_find(&master->router, 5000));
}

static void its_parent_is_lost_meanwhile(void **state)
{
	(void)state;
	start(HANG);
	call();
	neighbour_close(&a->above);
	tree_pump();
	assert_failure(
		answers, MITOGEN_ERR_LOST,
		"a/local.1: f: the context was lost with a, through which it was reached: was "
		"killed by SIGKILL");
	assert_int_equal(child->state, CONTEXT_GONE);
}

static void its_parent_is_lost_before(void **state)
{
	(void)state;
	tree_kill(a);
	assert_int_equal(start_with(&connect_local, NULL), MITOGEN_ERR_LOST);
	assert_string_equal(err.text, "was killed by SIGKILL");
	assert_null(child);
}

/* Its parent is stopped and says nothing; when it goes on, it starts nothing that stays. */
static void its_parent_does_not_answer(void **state)
{
	(void)state;
	start(READY STAY);
	call();
	pump(&master->router.broker);
	now += 1499;
	pump(&master->router.broker);
	assert_int_equal(child->state, CONTEXT_CONNECTING);
	now += 1;
	pump(&master->router.broker);
	assert_failure(answers, MITOGEN_ERR_TIMEOUT,
		       "a/local.1: f: a/local.1 could not be started: "
		       "a: connect: no answer in time");
	assert_int_equal(child->state, CONTEXT_GONE);
	tree_pump();
	assert_false(list_is_empty(&a->router.residents)); /* it has just begun */
	now += 300;
	pump_until_empty();
	assert_null(routes_find(&master->router, 5000));
}

/* One that has 2 s is still connecting in front of it: the time of both. */
static void each_hop_has_its_own_time(void **state)
{
	const struct id_block more = {7000, 1000};
	const mitogen_local_options own = {.image = image};
	const struct connect_options slow = {.connect_timeout_ms = 2000, .own = &own};
	const struct connect_options quick = {.connect_timeout_ms = 300, .own = &own};
	struct context *before, *behind;

	(void)state;
	write_script(STAY);
	assert_int_equal(
		via_start(&master->router, a->context, &connect_local, &slow, &IDS, &child, &err),
		0);
	before = child;
	assert_int_equal(
		via_start(&master->router, before, &connect_local, &quick, &more, &behind, &err),
		0);
	pump(&master->router.broker); /* nobody there answers */
	now += 2999;
	pump(&master->router.broker);
	assert_int_equal(before->state, CONTEXT_CONNECTING);
	now += 1;
	pump(&master->router.broker);
	assert_int_equal(before->state, CONTEXT_GONE);
	assert_int_equal(behind->connect_ms, 2300);
	tree_pump();
	pump_until_empty();
}

static void who_asked_is_closed(void **state)
{
	(void)state;
	start(HANG);
	call();
	router_close(&master->router, false);
	assert_failure(answers, MITOGEN_ERR_CLOSED, "the router was closed");
	assert_int_equal(child->state, CONTEXT_GONE);
	assert_int_equal(start_with(&connect_local, NULL), MITOGEN_ERR_CLOSED);
	tree_pump();
}

/* ---- Being ended ---- */

static void ask_for_end(void)
{
	const struct call_target target = {.latch = answers, .deadline = CLOCK_NEVER};

	assert_int_equal(via_shutdown(&master->router, child, &target, &err), 0);
}

static void assert_ended(void)
{
	struct mitogen_message *m;
	mitogen_error why;

	pump_until_empty();
	m = take(answers);
	assert_null(message_failure(m));
	message_unref(m);
	assert_int_equal(child->state, CONTEXT_GONE);
	assert_int_equal(context_loss(child, &why), MITOGEN_ERR_CLOSED);
	assert_string_equal(why.text, "the context was shut down");
	assert_null(routes_find(&master->router, 5000));
}

static void is_asked_then_killed(void **state)
{
	(void)state;
	start(READY HANG);
	pump_until(CONTEXT_READY);
	ask_for_end();
	tree_pump();
	now += 299;
	tree_pump();
	assert_int_equal(child->state, CONTEXT_READY);
	now += 1;
	assert_ended();
}

static void is_ended_while_it_starts(void **state)
{
	(void)state;
	start(HANG);
	ask_for_end();
	tree_pump();
	now += 300;
	assert_ended();
}

static void is_ended_again(void **state)
{
	(void)state;
	start(READY HANG);
	ask_for_end();
	ask_for_end();
	tree_pump();
	now += 300;
	pump_until_empty();
	message_unref(take(answers));
	assert_ended();
	ask_for_end(); /* there is nothing any more */
	assert_ended();
}

/* ---- By hand ---- */

static void wrong_arguments_are_refused(void **state)
{
	static const char *const functions[] = {"connect", "shutdown"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct call_target target = {.latch = answers, .deadline = CLOCK_NEVER};
		struct mitogen_writer w;
		struct mitogen_message *m;
		int error;

		message_writer_init(&w);
		call_write_head(&w, false, "mitogen", functions[i], 1);
		writer_string(&w, "local");
		call_write_tail(&w);
		call_start(&master->router, a->context, message_from_writer(&w, &error), "x",
			   &target, false, NULL);
		tree_pump();
		m = take(answers);
		if (i == 0) {
			assert_int_equal(message_failure(m)->code, MITOGEN_ERR_ARGUMENT);
			assert_string_equal(message_failure(m)->text,
					    "a: x: the context could not be started: connect: "
					    "wrong arguments");
		}
		message_unref(m);
	}
	assert_true(list_is_empty(&a->router.residents));
	assert_null(a->ended);
}

/* ---- Without memory ---- */

static int allocations_left;

static bool has_memory(void)
{
	return allocations_left-- != 0;
}

static void *some_malloc(size_t size)
{
	return has_memory() ? malloc(size) : NULL;
}

static void *some_calloc(size_t count, size_t size)
{
	return has_memory() ? calloc(count, size) : NULL;
}

static void *some_realloc(void *p, size_t size)
{
	return has_memory() ? realloc(p, size) : NULL;
}

static int start_with_memory(int allocations)
{
	int r;

	allocations_left = allocations;
	sys.malloc = some_malloc;
	sys.calloc = some_calloc;
	sys.realloc = some_realloc;
	r = start_with(&connect_local, NULL);
	sys.malloc = malloc;
	sys.calloc = calloc;
	sys.realloc = realloc;
	return r;
}

static void each_allocation_fails_once(void **state)
{
	int failures = 0;

	write_script(READY STAY);
	while (start_with_memory(failures) < 0) {
		assert_int_equal(err.code, MITOGEN_ERR_MEMORY);
		assert_null(child);
		tree_pump();
		assert_null(a->ended);
		assert_true(list_is_empty(&a->router.residents));
		failures++;
		teardown(state);
		setup(state);
		write_script(READY STAY);
	}
	assert_true(failures > 5);
	pump_until(CONTEXT_READY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(comes_up),
		TEST(c11_somebody_has_asked_for_it_before),
		TEST(names_count_up),
		TEST(has_the_environment_that_its_parent_began_with),
		TEST(exits_at_once),
		TEST(does_not_answer_in_time),
		TEST(the_method_is_not_known_there),
		TEST(an_option_is_not_known_there),
		TEST(an_option_is_wrong_there),
		TEST(is_too_deep),
		TEST(its_parent_is_closing),
		TEST(its_parent_is_lost_meanwhile),
		TEST(its_parent_is_lost_before),
		TEST(its_parent_does_not_answer),
		TEST(each_hop_has_its_own_time),
		TEST(who_asked_is_closed),
		TEST(is_asked_then_killed),
		TEST(is_ended_while_it_starts),
		TEST(is_ended_again),
		TEST(wrong_arguments_are_refused),
		TEST(each_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
