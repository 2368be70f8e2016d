/* SPDX-License-Identifier: BSD-3-Clause */
/* C16: chains of calls, from both sides. */
#include <mitogen/mitogen.h>

#include "base/error.h"
#include "base/sys.h"
#include "core/call.h"
#include "core/chains.h"
#include "core/dispatch.h"
#include "fixture.h"

static struct latch *latch;
static char order[64];

/* ---- What is called ---- */

static int answer(mitogen_message *m, mitogen_error *error, const char *text)
{
	struct mitogen_writer w;

	strcat(order, text);
	message_writer_init(&w);
	writer_string(&w, text);
	return dispatch_reply(&pair.child, m, &w, error);
}

static int a(mitogen_message *m, mitogen_error *error)
{
	return answer(m, error, "a");
}
MITOGEN_EXPORT(a);

static int b(mitogen_message *m, mitogen_error *error)
{
	return answer(m, error, "b");
}
MITOGEN_EXPORT(b);

static int fails(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	strcat(order, "f");
	error_set(error, MITOGEN_ERR_CALL, "no space: %s", "4 KiB left");
	error_set_type(error, "ENOSPC");
	return MITOGEN_ERR_CALL;
}
MITOGEN_EXPORT(fails);

static int fails_late(mitogen_message *m, mitogen_error *error)
{
	answer(m, error, "l");
	return error_set(error, MITOGEN_ERR_CALL, "after the reply");
}
MITOGEN_EXPORT(fails_late);

static struct mitogen_message *begun; /* a builtin that the test ends */

static void wait_start(struct router *router, struct mitogen_message *m)
{
	assert_ptr_equal(router, &pair.child);
	assert_null(begun);
	strcat(order, "w");
	begun = m;
}

static void quick_start(struct router *router, struct mitogen_message *m)
{
	strcat(order, "q");
	dispatch_answer(router, m, message_of_text("q"));
	message_unref(m);
}

static void broken_start(struct router *router, struct mitogen_message *m)
{
	mitogen_error error;

	strcat(order, "x");
	error_set(&error, MITOGEN_ERR_SYSTEM, "it is broken");
	error_set_where(&error, "local.1", "broken");
	dispatch_answer_error(router, m, &error);
	message_unref(m);
}

static const struct builtin builtins[] = {
	{"wait", wait_start}, {"quick", quick_start}, {"broken", broken_start}, {NULL, NULL}};
static const struct builtin *const tables[] = {builtins, NULL};

static void end_wait(bool well)
{
	mitogen_error error;
	struct mitogen_message *m = begun;

	begun = NULL;
	error_set(&error, MITOGEN_ERR_SYSTEM, "it was in vain");
	error_set_where(&error, "local.1", "wait");
	if (well)
		dispatch_answer(&pair.child, m, message_of_text("w"));
	else
		dispatch_answer_error(&pair.child, m, &error);
	message_unref(m);
	pair_pump();
}

/* ---- Calling ---- */

static int setup(void **state)
{
	order[0] = '\0';
	begun = NULL;
	pair_setup(state);
	latch = latch_new();
	pair.child.builtins = tables;
	return dispatch_open(&pair.child);
}

static int teardown(void **state)
{
	sys.malloc = malloc;
	sys.calloc = calloc;
	dispatch_close(&pair.child);
	latch_unref(latch);
	return pair_teardown(state);
}

static uint32_t new_chain(void)
{
	uint32_t chain = call_chain_new(&pair.master, pair.child_context);

	assert_int_not_equal(chain, 0);
	return chain;
}

static struct mitogen_message *make_request(uint32_t chain, const char *module,
					    const char *function)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	call_write_head(&w, chain > 0, module, function, 0);
	call_write_tail(&w);
	m = message_from_writer(&w, &error);
	assert_non_null(m);
	m->chain = chain;
	return m;
}

static uint32_t last_handle; /* of the latest call's answer */

static int start(uint32_t chain, const char *module, const char *function)
{
	struct call_target target = {.latch = latch, .deadline = CLOCK_NEVER};
	struct mitogen_message *m = make_request(chain, module, function);
	int r = call_start(&pair.master, pair.child_context, m, function, &target, false,
			   &last_handle);

	pair_pump();
	return r;
}

static void call(uint32_t chain, const char *function)
{
	assert_int_equal(start(chain, NULL, function), 0);
}

static void call_builtin(uint32_t chain, const char *function)
{
	assert_int_equal(start(chain, "mitogen", function), 0);
}

static void call_no_reply(uint32_t chain, const char *function)
{
	assert_int_equal(call_start(&pair.master, pair.child_context,
				    make_request(chain, NULL, function), function, NULL, false,
				    NULL),
			 0);
	pair_pump();
}

/* The child's main thread does what is queued. */
static void run_calls(void)
{
	latch_close(pair.child.calls, &pair.child.broker.wakes);
	dispatch_run(&pair.child);
	latch_unref(pair.child.calls);
	pair.child.calls = latch_new();
	pair_pump();
}

static void assert_result(const char *text)
{
	struct mitogen_message *m = take(latch);

	assert_null(message_failure(m));
	assert_int_equal(m->size, 1 + strlen(text));
	assert_memory_equal(m->payload + 1, text, strlen(text));
	message_unref(m);
}

/* The next answer is exactly this failure. */
static void assert_fails(int code, const char *where, const char *text)
{
	struct mitogen_message *m = take(latch);

	assert_non_null(message_failure(m));
	assert_int_equal(message_failure(m)->code, code);
	assert_string_equal(message_failure(m)->where, where);
	assert_string_equal(message_failure(m)->text, text);
	message_unref(m);
}

static void assert_space_fails(void)
{
	assert_fails(MITOGEN_ERR_CALL, "local.1: fails", "local.1: fails: no space: 4 KiB left");
}

static const char *const missing =
	"an earlier call of this chain did not arrive, or the chain was forgotten";

static void assert_missing(const char *function)
{
	char where[64], text[256];

	snprintf(where, sizeof(where), "local.1: %s", function);
	snprintf(text, sizeof(text), "%s: %s", where, missing);
	assert_fails(MITOGEN_ERR_LOST, where, text);
}

/* ---- What travels ---- */

static struct handle port;
static char received[64];

static void keep_chain(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	assert_true(m->size >= 10);
	memcpy(received, m->payload, 10);
	message_unref(m);
}

static void the_wire_has_number_and_position(void **state)
{
	static const struct handle_ops ops = {.receive = keep_chain};
	uint32_t chain = new_chain();

	(void)state;
	dispatch_close(&pair.child);
	assert_int_equal(handles_add(&pair.child, &port, 101, &ops, NULL), 0);
	call(chain, "a");
	assert_memory_equal(received, "\x86\x48\0\0\0\1\0\0\0\1", 10);
	call_cancel(&pair.master, last_handle);
	call_chain_skip(&pair.master, chain);
	call(new_chain(), "a");
	assert_memory_equal(received, "\x86\x48\0\0\0\2\0\0\0\1", 10);
	call_cancel(&pair.master, last_handle);
	call(chain, "a");
	assert_memory_equal(received, "\x86\x48\0\0\0\1\0\0\0\3", 10);
	call_cancel(&pair.master, last_handle);
	handles_remove(&pair.child, &port);
}

static void a_malformed_chain_is_no_call(void **state)
{
	struct call_target target = {.latch = latch, .deadline = CLOCK_NEVER};
	struct mitogen_message *m;

	(void)state;
	for (int i = 0; i < 2; i++) {
		m = make_request(1, NULL, "a");
		m->chain = 0; /* stays zero in the message */
		if (i == 1)
			m->payload[1] = 0x68; /* text */
		assert_int_equal(
			call_start(&pair.master, pair.child_context, m, "a", &target, false, NULL),
			0);
		pair_pump();
		assert_failure(latch, MITOGEN_ERR_ARGUMENT, "this is not a call");
	}
	run_calls();
	assert_string_equal(order, "");
}

/* ---- Functions ---- */

static void the_rest_fails_with_the_same_error(void **state)
{
	uint32_t chain = new_chain();

	(void)state;
	call(chain, "a");
	call(chain, "fails");
	call(chain, "b");
	call(chain, "missing");
	call_builtin(chain, "quick");
	run_calls();
	assert_string_equal(order, "af");
	assert_result("a");
	for (int i = 0; i < 4; i++)
		assert_space_fails();
	call(chain, "a"); /* later, too */
	run_calls();
	assert_space_fails();
	assert_string_equal(order, "af");
	assert_true(latch_is_empty(latch));
}

static void the_first_error_is_the_one(void **state)
{
	uint32_t chain = new_chain();

	(void)state;
	call(chain, "missing");
	call(chain, "fails");
	run_calls();
	for (int i = 0; i < 2; i++) {
		struct mitogen_message *m = take(latch);

		assert_int_equal(message_failure(m)->code, MITOGEN_ERR_UNKNOWN);
		assert_string_equal(message_failure(m)->where, "local.1: missing");
		message_unref(m);
	}
	assert_string_equal(order, "");
}

static void chains_do_not_disturb_each_other(void **state)
{
	uint32_t bad = new_chain(), good = new_chain();

	(void)state;
	call(good, "a");
	call(bad, "fails");
	call(good, "b");
	call(bad, "a");
	call(0, "a");
	run_calls();
	assert_string_equal(order, "afba");
	assert_result("a");
	assert_space_fails();
	assert_result("b");
	assert_space_fails();
	assert_result("a");
}

/* What cannot run does not overtake what can. */
static void a_refusal_keeps_its_place(void **state)
{
	uint32_t chain = new_chain();

	(void)state;
	call(chain, "a");
	call(chain, "missing");
	call(chain, "b");
	assert_true(latch_is_empty(latch));
	run_calls();
	assert_string_equal(order, "a");
	assert_result("a");
	assert_int_equal(latch_get(latch, 0, &begun), LATCH_MESSAGE);
	assert_int_equal(message_failure(begun)->code, MITOGEN_ERR_UNKNOWN);
	message_unref(begun);
	begun = NULL;
	assert_failure(latch, MITOGEN_ERR_UNKNOWN, "local.1: missing: ");
}

static void a_failure_after_the_reply_counts(void **state)
{
	uint32_t chain = new_chain();

	(void)state;
	call(chain, "fails_late");
	call(chain, "a");
	run_calls();
	assert_string_equal(order, "l");
	assert_result("l");
	assert_fails(MITOGEN_ERR_CALL, "local.1: fails_late",
		     "local.1: fails_late: after the reply");
}

static void without_reply_only_the_first_failure_is_logged(void **state)
{
	uint32_t chain = new_chain();
	char *line;

	(void)state;
	call_no_reply(chain, "a");
	call_no_reply(chain, "fails");
	call_no_reply(chain, "a");
	call(chain, "b");
	run_calls();
	assert_string_equal(order, "af");
	assert_space_fails();
	line = strstr(logged, "a call without reply failed: local.1: fails: no space");
	assert_non_null(line);
	assert_null(strstr(line + 1, "a call"));
}

/* ---- Calls that are missing ---- */

static void a_call_that_was_not_sent_has_failed(void **state)
{
	uint32_t chain = new_chain();

	(void)state;
	call(chain, "a");
	call_chain_skip(&pair.master, chain);
	call(chain, "b");
	call(chain, "a");
	run_calls();
	assert_string_equal(order, "a");
	assert_result("a");
	assert_missing("b");
	assert_missing("b");
}

static void nothing_of_it_runs_if_the_first_is_missing(void **state)
{
	uint32_t chain = new_chain();

	(void)state;
	call_chain_skip(&pair.master, chain);
	call(chain, "b");
	run_calls();
	assert_string_equal(order, "");
	assert_missing("b");
}

static void *no_calloc(size_t count, size_t size)
{
	(void)count;
	(void)size;
	return NULL;
}

/* The callee has no memory for what it must know of the chain. */
static void without_memory_it_fails(void **state)
{
	uint32_t chain = new_chain();

	(void)state;
	call(0, "a"); /* so that tables need not grow */
	run_calls();
	assert_result("a");
	order[0] = '\0';
	sys.calloc = no_calloc;
	call(chain, "a");
	sys.calloc = calloc;
	call(chain, "b");
	run_calls();
	assert_string_equal(order, "");
	assert_fails(MITOGEN_ERR_MEMORY, "local.1: a", "local.1: a: out of memory");
	assert_missing("b");
	sys.calloc = no_calloc;
	assert_int_equal(call_chain_new(&pair.master, pair.child_context), 0);
	sys.calloc = calloc;
}

/* ---- Builtins ---- */

static void a_builtin_waits_for_what_is_before_it(void **state)
{
	uint32_t chain = new_chain();

	(void)state;
	call(chain, "a");
	call_builtin(chain, "wait");
	call(chain, "b");
	call_builtin(chain, "quick");
	call(0, "b"); /* of no chain: it does not wait */
	assert_string_equal(order, "");
	run_calls();
	assert_string_equal(order, "awb");
	assert_result("a");
	assert_result("b");
	end_wait(true);
	assert_string_equal(order, "awb");
	assert_result("w");
	run_calls();
	assert_string_equal(order, "awbbq");
	assert_result("b");
	assert_result("q");
}

static void builtins_run_one_after_the_other(void **state)
{
	uint32_t chain = new_chain(), other = new_chain();

	(void)state;
	call_builtin(chain, "wait");
	call_builtin(chain, "quick");
	call_builtin(chain, "quick");
	call_builtin(other, "quick");
	assert_string_equal(order, "wq");
	end_wait(true);
	assert_string_equal(order, "wqqq");
}

static void a_builtin_that_fails_stops_the_chain(void **state)
{
	uint32_t chain = new_chain(), other = new_chain();

	(void)state;
	call_builtin(chain, "wait");
	call(chain, "a");
	call_builtin(chain, "quick");
	end_wait(false);
	for (int i = 0; i < 3; i++)
		assert_fails(MITOGEN_ERR_SYSTEM, "local.1: wait", "local.1: wait: it was in vain");
	call_builtin(other, "broken");
	call_builtin(other, "quick");
	for (int i = 0; i < 2; i++)
		assert_fails(MITOGEN_ERR_SYSTEM, "local.1: broken",
			     "local.1: broken: it is broken");
	run_calls();
	assert_string_equal(order, "wx");
}

static void what_waits_in_a_closing_context_is_answered(void **state)
{
	uint32_t chain = new_chain();

	(void)state;
	call_builtin(chain, "wait");
	call(chain, "a");
	router_close(&pair.child, false);
	end_wait(true);
	assert_result("w");
	assert_failure(latch, MITOGEN_ERR_CLOSED, "shutting down");
}

/* ---- Memory ---- */

static unsigned remembered(void)
{
	struct map_node *node = map_next(&pair.child.chain_sources, NULL);

	/* the test has one source, and its struct begins with the node and the map */
	return node ? (unsigned)((struct map *)(void *)(node + 1))->count : 0;
}

static void an_ended_chain_is_forgotten(void **state)
{
	uint32_t chain = new_chain();

	(void)state;
	call(chain, "fails");
	call(chain, "a");
	call_chain_end(&pair.master, pair.child_context, chain);
	assert_int_equal(start(chain, NULL, "a"), MITOGEN_ERR_USAGE);
	assert_int_equal(pair.master.call_chains.count, 0);
	pair_pump();
	assert_int_equal(remembered(), 1); /* its calls are not over */
	run_calls();
	assert_string_equal(order, "f");
	assert_space_fails();
	assert_space_fails();
	assert_int_equal(remembered(), 0);
	chain = new_chain();
	call(chain, "a");
	run_calls();
	call_chain_end(&pair.master, pair.child_context, chain);
	pair_pump();
	assert_int_equal(remembered(), 0);
	call_chain_end(&pair.master, pair.child_context, chain);
	call_chain_end(&pair.master, pair.child_context, new_chain());
	pair_pump();
	assert_string_equal(logged, "");
}

static void the_least_recently_used_is_forgotten(void **state)
{
	uint32_t first = new_chain(), second = new_chain();

	(void)state;
	call(second, "fails");
	call(first, "a");
	run_calls();
	for (unsigned i = 0; i < CHAINS_IDLE_MAX - 1; i++)
		call(new_chain(), "missing");
	assert_int_equal(remembered(), CHAINS_IDLE_MAX);
	order[0] = '\0';
	call(first, "b");
	call(second, "b");
	run_calls();
	assert_string_equal(order, "b");
	while (!latch_is_empty(latch))
		message_unref(take(latch));
	call(second, "a"); /* fails still */
	run_calls();
	assert_missing("b");
	assert_int_equal(remembered(), CHAINS_IDLE_MAX);
}

static void a_lost_source_is_forgotten(void **state)
{
	mitogen_error why = {.code = MITOGEN_ERR_LOST, .text = "it is gone"};
	uint32_t chain = new_chain();

	(void)state;
	call(chain, "a");
	run_calls();
	assert_int_equal(remembered(), 1);
	context_set_state(&pair.child, context_of_id(&pair.child, 0), CONTEXT_LOST, &why);
	assert_int_equal(pair.child.chain_sources.count, 0);
}

static void a_lost_context_takes_its_chains_along(void **state)
{
	uint32_t chain = new_chain();

	(void)state;
	pair_lose_child();
	call(chain, "a");
	assert_failure(latch, MITOGEN_ERR_LOST, "local.1: a: was killed by SIGKILL");
	context_clear_all(&pair.master);
	assert_int_equal(pair.master.call_chains.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_wire_has_number_and_position, setup, teardown),
		cmocka_unit_test_setup_teardown(a_malformed_chain_is_no_call, setup, teardown),
		cmocka_unit_test_setup_teardown(the_rest_fails_with_the_same_error, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_first_error_is_the_one, setup, teardown),
		cmocka_unit_test_setup_teardown(chains_do_not_disturb_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_keeps_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_after_the_reply_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(without_reply_only_the_first_failure_is_logged,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_call_that_was_not_sent_has_failed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nothing_of_it_runs_if_the_first_is_missing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(without_memory_it_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(a_builtin_waits_for_what_is_before_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(builtins_run_one_after_the_other, setup, teardown),
		cmocka_unit_test_setup_teardown(a_builtin_that_fails_stops_the_chain, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_waits_in_a_closing_context_is_answered, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_ended_chain_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(the_least_recently_used_is_forgotten, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_lost_source_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lost_context_takes_its_chains_along, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
