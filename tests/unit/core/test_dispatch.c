/* SPDX-License-Identifier: BSD-3-Clause */
#include <mitogen/mitogen.h>

#include "base/error.h"
#include "core/call.h"
#include "core/dispatch.h"
#include "fixture.h"
#include "wire/cursor.h"
#include "wire/handles.h"

static struct latch *latch;
static char order[32];

/* ---- Functions ---- */

static int succeed(mitogen_message *m, mitogen_error *error)
{
	struct mitogen_writer w;

	strcat(order, "s");
	message_writer_init(&w);
	writer_string(&w, "done");
	return dispatch_reply(&pair.child, m, &w, error);
}
MITOGEN_EXPORT(succeed);

static int fail_well(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	strcat(order, "f");
	error_set(error, MITOGEN_ERR_CALL, "the reason");
	error_set_type(error, "KeyError");
	return MITOGEN_ERR_CALL;
}
MITOGEN_EXPORT(fail_well);

static int fail_silently(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	return MITOGEN_ERR_LOST;
}
MITOGEN_EXPORT(fail_silently);

static int reply_too_much(mitogen_message *m, mitogen_error *error)
{
	struct mitogen_writer w;

	pair.child.max_message = 3;
	message_writer_init(&w);
	writer_string(&w, "done");
	return dispatch_reply(&pair.child, m, &w, error);
}
MITOGEN_EXPORT(reply_too_much);

static int reply_half(mitogen_message *m, mitogen_error *error)
{
	struct mitogen_writer w;

	message_writer_init(&w);
	writer_begin_list(&w);
	return dispatch_reply(&pair.child, m, &w, error);
}
MITOGEN_EXPORT(reply_half);

static int typed(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	strcat(order, "t");
	return 0;
}
MITOGEN_EXPORT(typed, MITOGEN_INT, MITOGEN_TEXT | MITOGEN_BYTES, MITOGEN_DOUBLE | MITOGEN_NIL,
	       MITOGEN_BOOL | MITOGEN_NIL);

static int variable(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	strcat(order, "v");
	return 0;
}
MITOGEN_EXPORT(variable, MITOGEN_INT, MITOGEN_REST);

static void builtin_start(struct router *router, struct mitogen_message *m)
{
	assert_ptr_equal(router, &pair.child);
	strcat(order, "b");
	router_reply(router, m, message_of_text("built in"), false);
	message_unref(m);
}

static const struct builtin builtins[] = {{"exec", builtin_start}, {NULL, NULL}};

/* ---- Calling ---- */

static const struct builtin *const builtin_tables[] = {builtins, NULL};

static int setup(void **state)
{
	order[0] = '\0';
	pair_setup(state);
	latch = latch_new();
	pair.child.builtins = builtin_tables;
	return dispatch_open(&pair.child);
}

static int teardown(void **state)
{
	dispatch_close(&pair.child);
	dispatch_close(&pair.child);
	latch_unref(latch);
	return pair_teardown(state);
}

static void send_call(struct mitogen_message *m, const char *function)
{
	struct call_target target = {.latch = latch, .deadline = CLOCK_NEVER};

	assert_int_equal(
		call_start(&pair.master, pair.child_context, m, function, &target, false, NULL), 0);
	pair_pump();
}

static void call_in(const char *module, const char *function)
{
	struct mitogen_writer w;
	int error;

	message_writer_init(&w);
	call_write_head(&w, false, module, function, 0);
	call_write_tail(&w);
	send_call(message_from_writer(&w, &error), function);
}

/* Calls with the list of arguments that these bytes are the CBOR of. */
static void call_with(const char *function, const char *arguments)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	call_write_head(&w, false, NULL, function, 0);
	call_write_tail(&w);
	m = message_from_writer(&w, &error);
	m->size -= 2; /* the empty list and the tail */
	m = message_join(m, message_of_bytes(arguments, strlen(arguments)));
	send_call(message_join(m, message_of_bytes("\xf6", 1)), function);
}

/* The child's main thread does what is queued. */
static void run_calls(void)
{
	latch_close(pair.child.calls, &pair.child.broker.wakes);
	dispatch_run(&pair.child);
	pair_pump();
}

static void assert_answer(const char *payload)
{
	struct mitogen_message *m = take(latch);

	assert_null(message_failure(m));
	assert_int_equal(m->size, strlen(payload));
	assert_memory_equal(m->payload, payload, m->size);
	message_unref(m);
}

static void calls_run_in_order(void **state)
{
	(void)state;
	call_in(NULL, "succeed");
	call_in(NULL, "fail_well");
	call_in(NULL, "succeed");
	assert_true(latch_is_empty(latch));
	assert_string_equal(order, "");
	run_calls();
	assert_string_equal(order, "sfs");
	assert_answer("\x64"
		      "done");
	message_unref(take(latch));
	assert_answer("\x64"
		      "done");
}

static void a_failure_tells_type_and_place(void **state)
{
	struct mitogen_message *m;

	(void)state;
	call_in(NULL, "fail_well");
	run_calls();
	m = take(latch);
	assert_int_equal(message_failure(m)->code, MITOGEN_ERR_CALL);
	assert_string_equal(message_failure(m)->type, "KeyError");
	assert_string_equal(message_failure(m)->text, "local.1: fail_well: the reason");
	message_unref(m);
}

static void a_failure_without_words_is_one(void **state)
{
	struct mitogen_message *m;

	(void)state;
	call_in(NULL, "fail_silently");
	run_calls();
	m = take(latch);
	assert_int_equal(message_failure(m)->code, MITOGEN_ERR_CALL);
	assert_string_equal(message_failure(m)->type, "MITOGEN_ERR_LOST");
	message_unref(m);
}

static void a_result_that_cannot_be_sent_is_a_failure(void **state)
{
	(void)state;
	call_in(NULL, "reply_half");
	call_in(NULL, "reply_too_much");
	run_calls();
	assert_string_equal(
		message_failure(LIST_OWNER(latch->messages.next, struct mitogen_message, link))
			->type,
		"MITOGEN_ERR_TYPE");
	message_unref(take(latch));
	assert_failure(latch, MITOGEN_ERR_CALL, "the result has 5 bytes, the limit is 3");
}

static void nothing_said_is_nil(void **state)
{
	(void)state;
	call_with("variable", "\x81\x01");
	run_calls();
	assert_answer("\xf6");
}

static void unknown_functions_are_answered_at_once(void **state)
{
	(void)state;
	call_in(NULL, "succee");
	assert_failure(latch, MITOGEN_ERR_UNKNOWN, "\"succee\"");
	call_in("mitogen", "succeed");
	assert_failure(latch, MITOGEN_ERR_UNKNOWN, "no builtin function \"succeed\"");
	call_in(NULL, "exec");
	assert_failure(latch, MITOGEN_ERR_UNKNOWN, "\"exec\"");
}

static void builtins_run_at_once(void **state)
{
	(void)state;
	call_in("mitogen", "exec");
	assert_string_equal(order, "b");
	assert_answer("\x68"
		      "built in");
}

static void what_is_no_call_is_refused(void **state)
{
	static const char *const requests[] = {
		"\x01",
		"\x80",
		"\x85\xf6\xf6\xf6\x61"
		"f\x80",
		"\x86\xf6\xf6\xf6\x01\x80\xf6",
		"\x86\xf6\xf6\xf6\x61"
		"f\xa0\xf6",
		"\x86\xf6\x01\xf6\x61"
		"f\x80\xf6",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct mitogen_message *m = message_of_bytes(requests[i], strlen(requests[i]));

		m->header.kind = FRAME_CBOR;
		send_call(m, "x");
		assert_failure(latch, MITOGEN_ERR_ARGUMENT, "this is not a call");
	}
	send_call(message_of_bytes("abc", 3), "x");
	assert_failure(latch, MITOGEN_ERR_ARGUMENT, "this is not a call");
}

/* The arguments as CBOR, and what is said of them; NULL: they fit. */
static void arguments_are_checked(void **state)
{
	static const struct {
		const char *arguments, *text;
	} cases[] = {
		{"\x82\x01\x61x", NULL},
		{"\x82\x20\x41x", NULL},
		{"\x83\x01\x61x\xf6", NULL},
		{"\x83\x01\x61x\xf9\x3c\x01", NULL},
		{"\x83\x01\x61x\x02", NULL},     /* an integer is a fine double, */
		{"\x84\x01\x61x\xf6\x01", NULL}, /* and bool */
		{"\x84\x01\x61x\xf6\xf5", NULL},
		{"\x80", "argument 1 is missing"},
		{"\x81\x01", "argument 2 is missing"},
		{"\x82\x01\x02", "argument 2 is of another type"},
		{"\x82\x61x\x61x", "argument 1 is of another type"},
		{"\x82\xf6\x61x", "argument 1 is of another type"},
		{"\x82\xf5\x61x", "argument 1 is of another type"},
		{"\x83\x01\x61x\x61x", "argument 3 is of another type"},
		{"\x84\x01\x61x\xf6\x61x", "argument 4 is of another type"},
		{"\x85\x01\x61x\xf6\xf6\xf6", "5 arguments, but it is declared with 4"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		call_with("typed", cases[i].arguments);
		run_calls();
		if (cases[i].text) {
			assert_failure(latch, MITOGEN_ERR_ARGUMENT, cases[i].text);
			assert_string_equal(order, "");
		} else {
			assert_answer("\xf6");
			assert_string_equal(order, "t");
		}
		teardown(state);
		setup(state);
	}
}

static void the_rest_is_not_checked(void **state)
{
	(void)state;
	call_with("variable", "\x81\x01");
	call_with("variable", "\x83\x01\x61x\xf6");
	call_with("variable", "\x80");
	run_calls();
	assert_string_equal(order, "vv");
	message_unref(take(latch));
	message_unref(take(latch));
	assert_failure(latch, MITOGEN_ERR_ARGUMENT, "argument 1 is missing");
}

static void refuse_a_stranger(uint32_t handle, const char *why)
{
	struct mitogen_message *m;
	struct mitogen_writer w;
	int error;

	message_writer_init(&w);
	call_write_head(&w, false, NULL, "succeed", 0);
	call_write_tail(&w);
	m = message_from_writer(&w, &error);
	m->header = (struct frame_header){.kind = FRAME_CBOR,
					  .dst_id = CHILD_ID,
					  .src_id = 5000,
					  .auth_id = 5000,
					  .handle = handle};
	stream_send(&pair.below.stream, m, false);
	pair_pump();
	run_calls();
	assert_string_equal(order, "");
	assert_non_null(strstr(logged, why));
}

static void only_ancestors_call(void **state)
{
	(void)state;
	refuse_a_stranger(HANDLE_CALL_FUNCTION, "context 5000 may not send to handle 101");
	refuse_a_stranger(HANDLE_CALL_SECRET, "context 5000 may not send to handle 115");
}

static void the_master_runs_no_calls(void **state)
{
	(void)state;
	assert_int_equal(dispatch_open(&pair.master), 0);
	pair.child_context = context_of_id(&pair.master, 0);
	call_in(NULL, "succeed");
	assert_failure(latch, MITOGEN_ERR_REFUSED, "the master runs no calls");
	dispatch_close(&pair.master);
}

static void a_closing_router_takes_no_calls(void **state)
{
	(void)state;
	router_close(&pair.child, false);
	call_in(NULL, "succeed");
	assert_failure(latch, MITOGEN_ERR_CLOSED, "shutting down");
}

/* Nobody waits for it, so the log has it. */
static void failures_without_reply_are_logged(void **state)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	(void)state;
	for (int i = 0; i < 2; i++) {
		message_writer_init(&w);
		call_write_head(&w, false, NULL, i ? "fail_well" : "missing", 0);
		call_write_tail(&w);
		m = message_from_writer(&w, &error);
		assert_int_equal(
			call_start(&pair.master, pair.child_context, m, "x", NULL, false, NULL), 0);
	}
	pair_pump();
	run_calls();
	assert_non_null(strstr(logged, "\"missing\""));
	assert_non_null(strstr(logged, "local.1: fail_well: the reason"));
}

/* ---- Channels ---- */

static bool no_channel_opens;

static int open_channel(struct router *router, struct mitogen_message *call, mitogen_error *err)
{
	assert_ptr_equal(router, &pair.child);
	assert_int_not_equal(call->header.reply_to, 0);
	strcat(order, "o");
	return no_channel_opens ? error_set(err, MITOGEN_ERR_MEMORY, "no room for one") : 0;
}

static void close_channel(struct router *router, struct mitogen_message *call)
{
	(void)router;
	(void)call;
	strcat(order, "c");
}

static const struct channel_ops channel_ops = {.open = open_channel, .close = close_channel};

static void call_with_channel(const char *function)
{
	struct mitogen_writer w;
	int error;

	message_writer_init(&w);
	call_write_head(&w, false, NULL, function, 0);
	call_write_channel_tail(&w);
	send_call(message_from_writer(&w, &error), function);
}

static void a_channel_is_open_from_when_the_call_comes_to_its_end(void **state)
{
	(void)state;
	pair.child.channels = &channel_ops;
	call_with_channel("succeed");
	call_with_channel("fail_well");
	call_in(NULL, "succeed");
	assert_string_equal(order, "oo");
	run_calls();
	assert_string_equal(order, "oo"
				   "sc"
				   "fc"
				   "s");
	for (int i = 0; i < 3; i++)
		message_unref(take(latch));
}

static void who_has_no_channels_runs_the_function(void **state)
{
	(void)state;
	call_with_channel("succeed");
	run_calls();
	assert_answer("\x64"
		      "done");
}

static void what_does_not_run_has_no_channel(void **state)
{
	(void)state;
	pair.child.channels = &channel_ops;
	call_with_channel("missing");
	assert_string_equal(order, "");
	assert_failure(latch, MITOGEN_ERR_UNKNOWN, "missing");
	no_channel_opens = true;
	call_with_channel("succeed");
	no_channel_opens = false;
	assert_string_equal(order, "o");
	assert_failure(latch, MITOGEN_ERR_MEMORY, "no room for one");
}

/* It is open, and closed by the time when the call is refused. */
static void a_refused_call_closes_its_channel(void **state)
{
	(void)state;
	pair.child.channels = &channel_ops;
	router_close(&pair.child, false);
	call_with_channel("succeed");
	assert_string_equal(order, "oc");
	assert_failure(latch, MITOGEN_ERR_CLOSED, "shutting down");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(calls_run_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_tells_type_and_place, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_without_words_is_one, setup, teardown),
		cmocka_unit_test_setup_teardown(a_result_that_cannot_be_sent_is_a_failure, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nothing_said_is_nil, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_functions_are_answered_at_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(builtins_run_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_call_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(arguments_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(the_rest_is_not_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(only_ancestors_call, setup, teardown),
		cmocka_unit_test_setup_teardown(the_master_runs_no_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(a_closing_router_takes_no_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(failures_without_reply_are_logged, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_channel_is_open_from_when_the_call_comes_to_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(who_has_no_channels_runs_the_function, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_does_not_run_has_no_channel, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refused_call_closes_its_channel, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
