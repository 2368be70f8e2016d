/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/ids.h"

#include "base/sys.h"
#include "core/latch.h"
#include "tree.h"
#include "wire/handles.h"

static int teardown(void **state)
{
	sys.realloc = realloc;
	return tree_teardown(state);
}

/* The master has the IDs from next_id on, up to but not including end_id. */
static void holds(uint32_t next_id, uint32_t end_id)
{
	id_blocks_clear(&master->router.supply);
	if (end_id > next_id)
		assert_int_equal(id_blocks_add(&master->router.supply, next_id, end_id - next_id),
				 0);
}

static void assert_taken(struct node *node, uint32_t first, uint32_t count)
{
	struct id_block block;

	assert_int_equal(ids_take(&node->router, &block), 0);
	assert_int_equal(block.first, first);
	assert_int_equal(block.count, count);
}

static void assert_exhausted(struct node *node)
{
	struct id_block block = {7, 8};

	assert_int_equal(ids_take(&node->router, &block), MITOGEN_ERR_NO_IDS);
	assert_int_equal(block.first, 7);
}

/* ---- Taking ---- */

static void c10_the_master_gives_blocks(void **state)
{
	(void)state;
	holds(1, UINT32_MAX);
	assert_taken(master, 1, IDS_PER_BLOCK);
	assert_taken(master, 1 + IDS_PER_BLOCK, IDS_PER_BLOCK);
}

/* The last block is smaller; no number is given twice, nor is UINT32_MAX, which is nobody. */
static void c10_the_supply_ends_without_a_wrap(void **state)
{
	(void)state;
	holds(UINT32_MAX - IDS_PER_BLOCK - 5, UINT32_MAX);
	assert_taken(master, UINT32_MAX - IDS_PER_BLOCK - 5, IDS_PER_BLOCK);
	assert_taken(master, UINT32_MAX - 5, 5);
	assert_exhausted(master);
	assert_exhausted(master);
	assert_int_equal(ids_request(&master->router), MITOGEN_ERR_NO_IDS);
}

static void a_child_gives_single_ones(void **state)
{
	struct node *a = tree_add(master, 1, 3, "a");

	(void)state;
	assert_taken(a, 2, 1);
	assert_taken(a, 3, 1);
	assert_exhausted(a);
}

/* ---- ALLOCATE_ID and GRANT_ID ---- */

/* Somebody at node waits for IDs. */
static struct id_waiter waiter;

static void ask(struct node *node)
{
	waiter = (struct id_waiter){.latch = latch_new()};
	assert_int_equal(ids_request(&node->router), 0);
	list_append(&node->router.id_waiters, &waiter.link);
	tree_pump();
}

/* It is told, once; whether there are any. */
static void assert_told(bool has_ids)
{
	struct mitogen_message *m = take(waiter.latch);

	assert_false(list_is_linked(&waiter.link));
	assert_int_equal(message_failure(m) == NULL, has_ids);
	if (!has_ids)
		assert_int_equal(message_failure(m)->code, MITOGEN_ERR_NO_IDS);
	message_unref(m);
	assert_true(latch_is_empty(waiter.latch));
	latch_unref(waiter.latch);
}

/* Each router on the way knows then whose they are. */
static void c10_a_grandchild_gets_a_block_hop_by_hop(void **state)
{
	struct node *a = tree_add(master, 1, 3, "a"), *b = tree_add(a, 2, 1, "b"),
		    *other = tree_add(master, 1001, 1, "other");

	(void)state;
	holds(2001, 9001);
	assert_exhausted(b);
	ask(b);
	assert_told(true);
	assert_taken(b, 2001, 1);
	assert_true(id_blocks_contain(&a->below.blocks, 2001) &&
		    id_blocks_contain(&a->below.blocks, 3000));
	assert_true(id_blocks_contain(&b->below.blocks, 3000));
	assert_false(id_blocks_contain(&b->below.blocks, 3001));
	assert_false(id_blocks_contain(&other->below.blocks, 2001));
	assert_taken(a, 2, 1); /* its own supply is as it was */
	assert_taken(master, 3001, IDS_PER_BLOCK);
}

static void several_waiters_ask_once(void **state)
{
	struct node *a = tree_add(master, 1, 1, "a");
	struct id_waiter second = {.latch = latch_new()};

	(void)state;
	holds(1001, 9001);
	waiter = (struct id_waiter){.latch = latch_new()};
	assert_int_equal(ids_request(&a->router), 0);
	list_append(&a->router.id_waiters, &waiter.link);
	assert_int_equal(ids_request(&a->router), 0);
	list_append(&a->router.id_waiters, &second.link);
	tree_pump();
	assert_told(true);
	assert_false(latch_is_empty(second.latch));
	message_unref(take(second.latch));
	latch_unref(second.latch);
	assert_taken(master, 2001, IDS_PER_BLOCK);
}

static void c10_an_empty_supply_is_an_error_at_who_asked(void **state)
{
	struct node *a = tree_add(master, 1, 3, "a"), *b = tree_add(a, 2, 1, "b");

	(void)state;
	ask(b);
	assert_told(false);
	assert_exhausted(b);
	holds(5000, 5003); /* fewer than asked for are better than none */
	ask(b);
	assert_told(true);
	assert_taken(b, 5000, 1);
	assert_taken(b, 5001, 1);
	assert_taken(b, 5002, 1);
	assert_exhausted(b);
	assert_null(a->ended);
}

static void who_waits_at_the_end_is_told(void **state)
{
	struct node *a = tree_add(master, 1, 1, "a");

	(void)state;
	waiter = (struct id_waiter){.latch = latch_new()};
	list_append(&a->router.id_waiters, &waiter.link);
	ids_close(&a->router);
	assert_told(false);
}

/* The other who asks is told; it is not the end of all that is behind the one in the middle. */
static void a_quota_is_not_the_end(void **state)
{
	struct node *a = tree_add(master, 1, 3, "a"), *b = tree_add(a, 2, 1, "b");

	(void)state;
	holds(1001, UINT32_MAX);
	for (uint32_t i = 0; i < IDS_BELOW_MAX / IDS_PER_BLOCK; i++) {
		ask(b);
		assert_told(true);
	}
	for (int i = 0; i < 3; i++) {
		id_blocks_clear(&b->router.supply);
		ask(b);
		assert_told(false);
	}
	assert_non_null(
		strstr(logged, "a/b: it has been given 100000 context IDs and gets no more"));
	assert_null(strstr(strstr(logged, "gets no more") + 1, "gets no more")); /* said once */
	assert_null(a->ended);
	assert_null(b->ended);
	ask(a);
	assert_told(true);
}

/* ---- What a child must not do ---- */

static void assert_dropped(struct node *node, const char *why)
{
	assert_non_null(node->ended);
	assert_string_equal(node->ended, why);
}

static void requests_for_others_drop_the_stream(void **state)
{
	static const uint32_t requests[][2] = {
		{0, 1},    /* the master */
		{1001, 1}, /* a sibling */
		{9999, 1}, /* nobody */
		{1, 0},    /* none */
		{1, 1001}, /* too many */
		{1, 1u << 31},
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct node *a = tree_add(master, 1, 3, "a"),
			    *other = tree_add(master, 1001, 3, "other");

		holds(2001, 9001);
		send_up(a, 1, 0, HANDLE_ALLOCATE_ID, message_of_numbers(requests[i], 2));
		assert_dropped(a, "it asked for context IDs that are not its own to ask for");
		assert_null(other->ended);
		assert_taken(master, 2001, IDS_PER_BLOCK);
		tree_teardown(state);
		tree_setup(state);
	}
}

static void rubbish_drops_the_stream(void **state)
{
	struct node *a = tree_add(master, 1, 3, "a");

	(void)state;
	send_up(a, 1, 0, HANDLE_ALLOCATE_ID, message_of_text("please"));
	assert_dropped(a, "it asked for context IDs that are not its own to ask for");
}

/* The one that is not read is the one that ends. */
static void requests_whose_answers_nobody_reads_drop_the_stream(void **state)
{
	const uint32_t request[] = {1, 1};
	struct node *a = tree_add(master, 1, 3, "a");

	(void)state;
	holds(1001, UINT32_MAX);
	for (int i = 0; i < 30000 && !a->ended; i++) {
		struct mitogen_message *m = message_of_numbers(request, 2);

		m->header = (struct frame_header){.kind = FRAME_CBOR,
						  .src_id = 1,
						  .auth_id = 1,
						  .handle = HANDLE_ALLOCATE_ID};
		stream_send(&a->above.stream, m, true);
		pump(&master->router.broker);
	}
	assert_dropped(a, "it asks and does not read the answers");
}

/* From a child, or from somebody further away, a grant is none. */
static void only_parents_grant(void **state)
{
	const uint32_t to_master[] = {0, 50000, 1000, 0}, to_sibling[] = {1001, 50000, 1000, 1};
	struct node *a = tree_add(master, 1, 3, "a"), *other = tree_add(master, 1001, 3, "other");

	(void)state;
	send_up(a, 1, 0, HANDLE_GRANT_ID, message_of_numbers(to_master, 4));
	send_up(a, 1, 0, HANDLE_GRANT_ID, message_of_numbers(to_sibling, 4));
	send_up(a, 1, 1001, HANDLE_GRANT_ID, message_of_numbers(to_sibling, 4));
	assert_exhausted(master);
	assert_false(id_blocks_contain(&other->below.blocks, 50000));
	assert_null(routes_find(&master->router, 50000));
	assert_taken(other, 1002, 1);
	assert_non_null(strstr(logged, "context 1 may not send to handle 113: refused"));
}

/* ---- The way to a new context ---- */

static void grant_below(struct node *requester, struct node *via, uint32_t first, uint32_t count)
{
	const struct id_block ids = {first, count};
	struct context *context = context_of_id(&requester->router, via->router.id);

	assert_int_equal(ids_grant_below(&requester->router, context, &ids), 0);
	tree_pump();
}

static void each_hop_knows_the_way_to_a_new_context(void **state)
{
	struct node *a = tree_add(master, 1, 3, "a"), *b = tree_add(a, 2, 1, "b");

	(void)state;
	grant_below(master, b, 5000, 1000);
	assert_ptr_equal(routes_neighbour(&master->router, 5000), &a->below);
	assert_ptr_equal(routes_neighbour(&a->router, 5000), &b->below);
	assert_ptr_equal(routes_neighbour(&a->router, 5001), &a->above); /* not a context yet */
	assert_true(id_blocks_contain(&a->below.blocks, 5999) &&
		    id_blocks_contain(&b->below.blocks, 5999));
	assert_exhausted(b); /* they are the new one's own */
}

/* The loss of via comes up while the grant goes down: then nobody would tell of the new one. */
static void a_way_that_ends_is_taken_back(void **state)
{
	struct node *a = tree_add(master, 1, 3, "a"), *b = tree_add(a, 2, 1, "b");
	const struct id_block ids = {5000, 1000};
	struct context *context = context_of_id(&master->router, 2), *new;
	mitogen_error why;

	(void)state;
	neighbour_close(&b->above);
	pump(&a->router.broker); /* the master does not know yet */
	new = context_new(&master->router, 5000, strdup("a/b/new"));
	assert_int_equal(ids_grant_below(&master->router, context, &ids), 0);
	assert_non_null(routes_find(&master->router, 5000));
	tree_pump();
	assert_null(routes_find(&master->router, 5000));
	assert_int_equal(new->state, CONTEXT_GONE);
	assert_int_equal(context_loss(new, &why), MITOGEN_ERR_LOST);
	assert_string_equal(why.text, "the context could not be started: context 2, via which it "
				      "was to be started, is lost");
	assert_string_equal(why.where, "a/b/new");
	assert_null(a->ended);
}

static void *no_memory(void *p, size_t size)
{
	(void)p;
	(void)size;
	return NULL;
}

/* Who cannot be told ends, and with it what waits beyond. */
static void without_memory_nobody_waits(void **state)
{
	struct node *a = tree_add(master, 1, 3, "a");
	const struct id_block ids = {5000, 1000};

	(void)state;
	holds(5000, 9000);
	sys.realloc = no_memory;
	assert_int_equal(ids_request(&a->router), MITOGEN_ERR_MEMORY);
	assert_int_equal(ids_grant_below(&master->router, a->context, &ids), MITOGEN_ERR_MEMORY);
	sys.realloc = realloc;
	assert_null(routes_find(&master->router, 5000));
	waiter = (struct id_waiter){.latch = latch_new()};
	assert_int_equal(ids_request(&a->router), 0);
	pump(&a->router.broker);
	sys.realloc = no_memory;
	pump(&master->router.broker);
	sys.realloc = realloc;
	tree_pump();
	latch_unref(waiter.latch);
	assert_dropped(a, "out of memory");
}

/* a is let go while it has asked for those below it. */
static void who_waits_below_a_detached_one_is_told(void **state)
{
	struct node *a = tree_add(master, 1, 3, "a"), *b = tree_add(a, 2, 2, "b"),
		    *c = tree_add(b, 3, 1, "c");

	(void)state;
	waiter = (struct id_waiter){.latch = latch_new()};
	assert_int_equal(ids_request(&c->router), 0);
	list_append(&c->router.id_waiters, &waiter.link);
	pump(&c->router.broker);
	pump(&b->router.broker);
	pump(&a->router.broker); /* the master does not get to it */
	parent_lose_above(&a->router);
	pump(&a->router.broker);
	pump(&b->router.broker);
	pump(&c->router.broker);
	assert_told(false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tree_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(c10_the_master_gives_blocks),
		TEST(c10_the_supply_ends_without_a_wrap),
		TEST(a_child_gives_single_ones),
		TEST(c10_a_grandchild_gets_a_block_hop_by_hop),
		TEST(several_waiters_ask_once),
		TEST(c10_an_empty_supply_is_an_error_at_who_asked),
		TEST(who_waits_at_the_end_is_told),
		TEST(a_quota_is_not_the_end),
		TEST(requests_for_others_drop_the_stream),
		TEST(rubbish_drops_the_stream),
		TEST(requests_whose_answers_nobody_reads_drop_the_stream),
		TEST(only_parents_grant),
		TEST(each_hop_knows_the_way_to_a_new_context),
		TEST(a_way_that_ends_is_taken_back),
		TEST(without_memory_nobody_waits),
		TEST(who_waits_below_a_detached_one_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
