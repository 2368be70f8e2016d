/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"
#include "base/sys.h"
#include "core/call.h"
#include "fixture.h"
#include "wire/handles.h"

/* The child's CALL_FUNCTION port: keeps the request, for the test to answer. */
static struct handle port;
static struct mitogen_message *request;

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	message_unref(request);
	request = m;
}

static const struct handle_ops ops = {.receive = receive};
static struct latch *latch;
static int64_t now;

static int fake_clock(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = clock_timespec(now);
	return 0;
}

static int setup(void **state)
{
	request = NULL;
	now = 1000;
	sys.clock_gettime = fake_clock;
	pair_setup(state);
	latch = latch_new();
	return handles_add(&pair.child, &port, HANDLE_CALL_FUNCTION, &ops, NULL);
}

static int teardown(void **state)
{
	message_unref(request);
	latch_unref(latch);
	sys.malloc = malloc;
	return pair_teardown(state);
}

static struct mitogen_message *make_request(void)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	call_write_head(&w, false, NULL, "load", 1);
	writer_int(&w, 7);
	call_write_tail(&w);
	m = message_from_writer(&w, &error);
	assert_non_null(m);
	return m;
}

static void a_call_with_a_secret_has_a_port_of_its_own(void **state)
{
	struct call_target target = {.latch = latch, .deadline = CLOCK_NEVER};
	struct handle secret_port = {.ops = &ops};
	struct mitogen_writer w;
	uint32_t handle;
	int error;

	(void)state;
	assert_int_equal(handles_add(&pair.child, &secret_port, HANDLE_CALL_SECRET, &ops, NULL), 0);
	message_writer_init(&w);
	call_write_head(&w, false, NULL, "load", 1);
	writer_secret(&w, "x", 1);
	call_write_tail(&w);
	assert_int_equal(call_start(&pair.master, pair.child_context,
				    message_from_writer(&w, &error), "load", &target, false,
				    &handle),
			 0);
	pair_pump();
	assert_non_null(request);
	assert_int_equal(request->header.handle, HANDLE_CALL_SECRET);
	assert_true(request->is_secret);
	call_cancel(&pair.master, handle);
	handles_remove(&pair.child, &secret_port);
}

static uint32_t call(int64_t deadline)
{
	struct call_target target = {.latch = latch, .tag = &latch, .deadline = deadline};
	uint32_t handle = 0;

	assert_int_equal(call_start(&pair.master, pair.child_context, make_request(), "load",
				    &target, false, &handle),
			 0);
	pair_pump();
	return handle;
}

static void reply_with_error(int code, const char *text)
{
	mitogen_error error = {.code = code, .type = "KeyError", .where = "elsewhere: f"};

	strcpy(error.text, text);
	router_reply_error(&pair.child, request, &error, false);
	pair_pump();
}

/* No port is left behind, and no timer. */
static void assert_nothing_left(void)
{
	assert_int_equal(pair.master.handles.count, 0);
	assert_null(pair.master.broker.timers.first);
	assert_true(list_is_empty(&pair.child_context->handles));
}

static void the_request_is_as_documented(void **state)
{
	uint32_t handle = call(CLOCK_NEVER);

	(void)state;
	assert_non_null(request);
	assert_int_equal(request->header.reply_to, handle);
	assert_int_equal(request->size, 12);
	assert_memory_equal(request->payload, "\x86\xf6\xf6\xf6\x64load\x81\x07\xf6", 12);
	call_cancel(&pair.master, handle);
}

static void an_answer(void **state)
{
	struct mitogen_message *m;

	(void)state;
	call(CLOCK_NEVER);
	router_reply(&pair.child, request, message_of_text("done"), false);
	pair_pump();
	m = take(latch);
	assert_null(message_failure(m));
	assert_ptr_equal(m->tag, &latch);
	assert_memory_equal(m->payload,
			    "\x64"
			    "done",
			    5);
	message_unref(m);
	assert_nothing_left();
}

/* Only the first one counts. */
static void a_second_answer_is_nothing(void **state)
{
	(void)state;
	call(CLOCK_NEVER);
	router_reply(&pair.child, request, message_of_text("done"), false);
	router_reply(&pair.child, request, message_of_text("again"), false);
	reply_with_error(MITOGEN_ERR_CALL, "and again");
	message_unref(take(latch));
	assert_true(latch_is_empty(latch));
}

static void a_call_error(void **state)
{
	struct mitogen_message *m;

	(void)state;
	call(CLOCK_NEVER);
	reply_with_error(MITOGEN_ERR_CALL, "no such key");
	m = take(latch);
	assert_int_equal(message_failure(m)->code, MITOGEN_ERR_CALL);
	assert_string_equal(message_failure(m)->type, "KeyError");
	assert_string_equal(message_failure(m)->where, "local.1: load");
	assert_string_equal(message_failure(m)->text, "local.1: load: no such key");
	assert_ptr_equal(m->tag, &latch);
	message_unref(m);
	assert_nothing_left();
}

static void a_dead_answer(void **state)
{
	(void)state;
	call(CLOCK_NEVER);
	router_reply_dead(&pair.child, request, MITOGEN_ERR_REFUSED, "not you");
	pair_pump();
	assert_failure(latch, MITOGEN_ERR_REFUSED, "local.1: load: not you");
	assert_nothing_left();
}

static void a_malformed_answer(void **state)
{
	struct mitogen_message *m = message_of_bytes("\xff", 1);

	(void)state;
	call(CLOCK_NEVER);
	m->header.kind = FRAME_CBOR;
	router_reply(&pair.child, request, m, false);
	pair_pump();
	assert_failure(latch, MITOGEN_ERR_TYPE, "local.1: load: ");
	assert_nothing_left();
}

static void raw_bytes_are_no_answer(void **state)
{
	(void)state;
	call(CLOCK_NEVER);
	router_reply(&pair.child, request, message_of_bytes("abc", 3), false);
	pair_pump();
	assert_failure(latch, MITOGEN_ERR_CLOSED, "local.1: load: ");
	assert_nothing_left();
}

static void loss_of_the_context(void **state)
{
	(void)state;
	call(CLOCK_NEVER);
	call(CLOCK_NEVER);
	pair_lose_child();
	for (int i = 0; i < 2; i++) {
		struct mitogen_message *m = take(latch);

		assert_int_equal(message_failure(m)->code, MITOGEN_ERR_LOST);
		assert_string_equal(message_failure(m)->text,
				    "local.1: load: was killed by SIGKILL");
		message_unref(m);
	}
	assert_true(latch_is_empty(latch));
	assert_nothing_left();
}

static void a_lost_context_fails_at_once(void **state)
{
	(void)state;
	pair_lose_child();
	call(CLOCK_NEVER);
	assert_failure(latch, MITOGEN_ERR_LOST, "local.1: load: was killed by SIGKILL");
	assert_nothing_left();
}

static void no_way_to_the_context(void **state)
{
	(void)state;
	routes_remove_all(&pair.master, &pair.below);
	call(CLOCK_NEVER);
	assert_failure(latch, MITOGEN_ERR_LOST, "local.1: load: ");
	assert_nothing_left();
}

static void a_time_limit(void **state)
{
	(void)state;
	call(1010);
	assert_true(latch_is_empty(latch));
	now = 1010;
	pair_pump();
	assert_failure(latch, MITOGEN_ERR_TIMEOUT, "local.1: load: no answer in time");
	assert_nothing_left();
	router_reply(&pair.child, request, message_of_text("late"), false);
	pair_pump();
	assert_true(latch_is_empty(latch));
}

static void an_answer_in_time(void **state)
{
	(void)state;
	call(1010);
	router_reply(&pair.child, request, message_of_text("done"), false);
	pair_pump();
	now = 2000;
	pair_pump();
	message_unref(take(latch));
	assert_true(latch_is_empty(latch));
	assert_nothing_left();
}

static void cancelled(void **state)
{
	uint32_t handle = call(1010);

	(void)state;
	call_cancel(&pair.master, handle);
	call_cancel(&pair.master, handle);
	assert_nothing_left();
	router_reply(&pair.child, request, message_of_text("done"), false);
	pair_pump();
	assert_true(latch_is_empty(latch));
}

static void closing_the_router(void **state)
{
	(void)state;
	call(2000);
	router_close(&pair.master, false);
	assert_failure(latch, MITOGEN_ERR_CLOSED, "local.1: load: the router was closed");
	assert_nothing_left();
}

static struct mitogen_message *sunk;

static void sink(void *owner, struct mitogen_message *m)
{
	assert_ptr_equal(owner, &sunk);
	assert_null(sunk);
	sunk = m;
}

static void into_a_sink(void **state)
{
	struct call_target target = {.sink = sink, .sink_owner = &sunk, .deadline = CLOCK_NEVER};

	(void)state;
	sunk = NULL;
	assert_int_equal(call_start(&pair.master, pair.child_context, make_request(), "load",
				    &target, false, NULL),
			 0);
	pair_lose_child();
	assert_non_null(sunk);
	assert_int_equal(message_failure(sunk)->code, MITOGEN_ERR_LOST);
	message_unref(sunk);
	assert_nothing_left();
}

static void without_an_answer(void **state)
{
	(void)state;
	assert_int_equal(call_start(&pair.master, pair.child_context, make_request(), "load", NULL,
				    false, NULL),
			 0);
	assert_nothing_left();
	pair_pump();
	assert_non_null(request);
	assert_int_equal(request->header.reply_to, 0);
}

static void *no_memory(size_t size)
{
	(void)size;
	return NULL;
}

static void without_memory_nothing_is_sent(void **state)
{
	struct call_target target = {.latch = latch, .deadline = CLOCK_NEVER};
	struct mitogen_message *m = make_request();

	(void)state;
	sys.malloc = no_memory;
	assert_int_equal(
		call_start(&pair.master, pair.child_context, m, "load", &target, false, NULL),
		MITOGEN_ERR_MEMORY);
	sys.malloc = malloc;
	pair_pump();
	assert_null(request);
	assert_true(latch_is_empty(latch));
	assert_nothing_left();
}

/* A failure that was promised comes, even if there is no memory for its text. */
static void without_memory_the_failure_comes(void **state)
{
	(void)state;
	call(CLOCK_NEVER);
	sys.malloc = no_memory;
	pair_lose_child();
	sys.malloc = malloc;
	assert_failure(latch, MITOGEN_ERR_MEMORY, "memory");
	assert_nothing_left();
}

static int allocations;

static void *limited_malloc(size_t size)
{
	return allocations-- > 0 ? malloc(size) : NULL;
}

static void *no_more_memory(void *p, size_t size)
{
	(void)p;
	(void)size;
	return NULL;
}

/* Neither the request nor word of that can be sent: who waits is told all the same. */
static void without_memory_to_send_the_call_fails(void **state)
{
	struct mitogen_message *m = message_new(200000);
	struct call_target target = {.latch = latch, .deadline = CLOCK_NEVER};

	(void)state;
	memset(m->payload, 0, m->size);
	allocations = 2; /* the call and its spare message */
	sys.malloc = limited_malloc;
	sys.realloc = no_more_memory;
	assert_int_equal(
		call_start(&pair.master, pair.child_context, m, "load", &target, false, NULL), 0);
	sys.malloc = malloc;
	sys.realloc = realloc;
	pair_pump();
	assert_null(request);
	assert_failure(latch, MITOGEN_ERR_MEMORY, "out of memory");
	assert_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_request_is_as_documented, setup, teardown),
		cmocka_unit_test_setup_teardown(a_call_with_a_secret_has_a_port_of_its_own, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_answer_is_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_call_error, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(a_malformed_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(raw_bytes_are_no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(loss_of_the_context, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lost_context_fails_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(no_way_to_the_context, setup, teardown),
		cmocka_unit_test_setup_teardown(a_time_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_the_router, setup, teardown),
		cmocka_unit_test_setup_teardown(into_a_sink, setup, teardown),
		cmocka_unit_test_setup_teardown(without_an_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_nothing_is_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_the_failure_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_to_send_the_call_fails, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
