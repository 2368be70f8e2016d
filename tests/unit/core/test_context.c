/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"
#include "base/sys.h"
#include "fixture.h"

static struct context *context;
static struct latch *latch;
static const mitogen_error why = {.code = MITOGEN_ERR_LOST, .text = "its process exited"};

static int setup(void **state)
{
	pair_setup(state);
	context = context_new(&pair.master, 5000, strdup("local.2"));
	latch = latch_new();
	return context && latch ? 0 : -1;
}

static int teardown(void **state)
{
	latch_unref(latch);
	return pair_teardown(state);
}

static void set(enum context_state state)
{
	context_set_state(&pair.master, context, state, state == CONTEXT_LOST ? &why : NULL);
}

static void watch(enum context_state state)
{
	assert_int_equal(context_watch(&pair.master, context, state, latch), 0);
}

/* One message, no failure. */
static void assert_reached(void)
{
	struct mitogen_message *m = take(latch);

	assert_null(message_failure(m));
	message_unref(m);
	assert_true(latch_is_empty(latch));
}

static void found_by_number_and_id(void **state)
{
	(void)state;
	assert_ptr_equal(context_of_id(&pair.master, 5000), context);
	assert_ptr_equal(context_find(&pair.master, context->by_ref.key), context);
	assert_null(context_find(&pair.master, 0));
	assert_null(context_find(&pair.master, context->by_ref.key + 1));
}

/* One that was only heard of has a name, too. */
static void made_when_it_is_named(void **state)
{
	struct context *far = context_of_id(&pair.child, 77);

	(void)state;
	assert_string_equal(far->path, "context 77");
	assert_int_equal(far->state, CONTEXT_READY);
	assert_ptr_equal(context_of_id(&pair.child, 77), far);
	assert_string_equal(context_of_id(&pair.child, 0)->path, "master");
	assert_string_equal(context_of_id(&pair.child, CHILD_ID)->path, "local.1");
}

/* Who has asked for it before sees it come and go. */
static void begins_as_the_one_that_was_asked_for(void **state)
{
	struct context *early = context_of_id(&pair.master, 6000);
	mitogen_error loss;

	(void)state;
	assert_int_equal(early->state, CONTEXT_GONE);
	assert_int_equal(pair.master.lost.count, 1);
	assert_ptr_equal(context_begin(&pair.master, 6000, strdup("local.3")), early);
	assert_int_equal(pair.master.lost.count, 0);
	assert_int_equal(early->state, CONTEXT_CONNECTING);
	assert_string_equal(early->path, "local.3");
	context = early;
	watch(CONTEXT_READY);
	watch(CONTEXT_GONE);
	assert_true(latch_is_empty(latch));
	set(CONTEXT_READY);
	assert_reached();
	set(CONTEXT_LOST);
	set(CONTEXT_GONE);
	assert_reached();
	context_loss(early, &loss);
	assert_string_equal(loss.text, "its process exited");
	assert_int_equal(pair.master.lost.count, 1);
}

/* In a child, an unknown one may be somewhere. */
static void begins_after_it_was_held_to_be_elsewhere(void **state)
{
	struct context *early = context_of_id(&pair.child, 77);

	(void)state;
	assert_int_equal(early->state, CONTEXT_READY);
	assert_ptr_equal(context_begin(&pair.child, 77, strdup("local.1/local.1")), early);
	assert_int_equal(early->state, CONTEXT_CONNECTING);
	assert_ptr_equal(context_of_id(&pair.child, 77), early);
	assert_int_equal(pair.child.lost.count, 0);
	assert_null(context_begin(&pair.child, 77, NULL));
	early = context_begin(&pair.child, 78, strdup("local.1/local.2"));
	assert_ptr_equal(context_of_id(&pair.child, 78), early);
}

static void watchers_are_told_when_it_is_ready(void **state)
{
	(void)state;
	watch(CONTEXT_READY);
	assert_true(latch_is_empty(latch));
	set(CONTEXT_READY);
	assert_reached();
	watch(CONTEXT_READY);
	assert_reached();
}

static void a_failure_comes_instead(void **state)
{
	(void)state;
	watch(CONTEXT_READY);
	set(CONTEXT_LOST);
	assert_failure(latch, MITOGEN_ERR_LOST, "its process exited");
	watch(CONTEXT_READY);
	assert_failure(latch, MITOGEN_ERR_LOST, "its process exited");
}

static void its_end_can_be_waited_for(void **state)
{
	(void)state;
	set(CONTEXT_READY);
	watch(CONTEXT_GONE);
	set(CONTEXT_LOST);
	assert_true(latch_is_empty(latch));
	set(CONTEXT_GONE);
	assert_reached();
}

static void states_only_go_forward(void **state)
{
	mitogen_error other = {.code = MITOGEN_ERR_CLOSED, .text = "another reason"}, loss;

	(void)state;
	set(CONTEXT_LOST);
	set(CONTEXT_READY);
	assert_int_equal(context->state, CONTEXT_LOST);
	context_set_state(&pair.master, context, CONTEXT_LOST, &other);
	assert_int_equal(context_loss(context, &loss), MITOGEN_ERR_LOST);
	assert_string_equal(loss.text, "its process exited");
	assert_string_equal(context_state_name(CONTEXT_LOST), "lost");
	set(CONTEXT_GONE);
	set(CONTEXT_GONE);
	assert_int_equal(pair.master.lost.count, 1);
}

static void a_loss_without_reason_is_one(void **state)
{
	mitogen_error loss;

	(void)state;
	assert_int_equal(context_loss(context, &loss), MITOGEN_ERR_LOST);
	assert_string_not_equal(loss.text, "");
	assert_int_equal(context_loss(context, NULL), MITOGEN_ERR_LOST);
}

struct waiting {
	struct handle handle;
	int told;
};

static void lost(struct router *router, struct handle *handle, const mitogen_error *error)
{
	assert_string_equal(error->text, "its process exited");
	LIST_OWNER(handle, struct waiting, handle)->told++;
	handles_remove(router, handle);
}

static void ports_that_wait_for_it_are_told(void **state)
{
	static const struct handle_ops ops = {.lost = lost}, deaf = {0};
	struct waiting a = {0}, b = {0}, c = {0};

	(void)state;
	handles_add(&pair.master, &a.handle, 0, &ops, context);
	handles_add(&pair.master, &b.handle, 0, &deaf, context);
	handles_add(&pair.master, &c.handle, 0, &ops, pair.child_context);
	set(CONTEXT_LOST);
	assert_int_equal(a.told, 1);
	assert_int_equal(b.told, 0);
	assert_int_equal(c.told, 0);
	handles_remove(&pair.master, &b.handle);
	handles_remove(&pair.master, &c.handle);
}

/* Of so many the reasons are kept, and no more: it does not grow for ever. */
static void the_oldest_lost_ones_are_forgotten(void **state)
{
	uint32_t first = context->by_ref.key, last = 0;

	(void)state;
	for (uint32_t i = 0; i < 1100; i++) {
		set(CONTEXT_LOST);
		set(CONTEXT_GONE);
		last = context->by_ref.key;
		context = context_new(&pair.master, 10000 + i, strdup("another"));
	}
	assert_null(context_find(&pair.master, first));
	assert_non_null(context_find(&pair.master, last));
	assert_int_equal(context_loss(context_find(&pair.master, last), NULL), MITOGEN_ERR_LOST);
	assert_int_equal(pair.master.lost.count, 1024);
}

static void *no_memory(size_t size)
{
	(void)size;
	return NULL;
}

static void without_memory_nobody_watches(void **state)
{
	(void)state;
	sys.malloc = no_memory;
	assert_int_equal(context_watch(&pair.master, context, CONTEXT_READY, latch),
			 MITOGEN_ERR_MEMORY);
	sys.malloc = malloc;
	set(CONTEXT_READY);
	assert_true(latch_is_empty(latch));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(found_by_number_and_id, setup, teardown),
		cmocka_unit_test_setup_teardown(made_when_it_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(begins_as_the_one_that_was_asked_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(begins_after_it_was_held_to_be_elsewhere, setup,
						teardown),
		cmocka_unit_test_setup_teardown(watchers_are_told_when_it_is_ready, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_failure_comes_instead, setup, teardown),
		cmocka_unit_test_setup_teardown(its_end_can_be_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(states_only_go_forward, setup, teardown),
		cmocka_unit_test_setup_teardown(a_loss_without_reason_is_one, setup, teardown),
		cmocka_unit_test_setup_teardown(ports_that_wait_for_it_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_lost_ones_are_forgotten, setup,
						teardown),
		cmocka_unit_test_setup_teardown(without_memory_nobody_watches, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
