/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/random.h"
#include "base/sys.h"
#include "core/queue.h"
#include "core/verify.h"
#include "fixture.h"

static struct queue queue;
static char taken[512]; /* names of what was taken, a letter each */

static int setup(void **state)
{
	(void)state;
	queue_init(&queue);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sys.malloc = malloc;
	sys.calloc = calloc;
	queue_clear(&queue);
	return 0;
}

static struct mitogen_message *named(char name, uint32_t src_id, uint32_t handle, size_t size)
{
	struct mitogen_message *m = message_new(size);

	assert_non_null(m);
	m->header.src_id = src_id;
	m->header.dst_id = 1;
	m->header.handle = handle;
	m->header.flags = FRAME_BULK;
	m->tag = (void *)(uintptr_t)name;
	return m;
}

static void add_bulk(char name, uint32_t src_id, uint32_t handle, size_t size)
{
	assert_int_equal(queue_add(&queue, named(name, src_id, handle, size)), 0);
}

static void add_normal(char name, uint32_t src_id)
{
	struct mitogen_message *m = named(name, src_id, 1, 10);

	m->header.flags = 0;
	assert_int_equal(queue_add(&queue, m), 0);
}

static void add_behind(char name, uint32_t source, uint32_t count)
{
	struct id_block block = {source, count};
	struct id_blocks sources = {&block, 1};
	struct mitogen_message *m = named(name, 9, 1, 10);

	m->header.flags = 0;
	assert_int_equal(queue_add_behind(&queue, m, count ? &sources : NULL), 0);
}

/* Their names, in order. */
static const char *take_some(size_t count)
{
	struct mitogen_message *m;
	size_t left, i = 0;

	while (i < count && (m = queue_take(&queue, &left)) != NULL) {
		taken[i++] = (char)(uintptr_t)m->tag;
		message_unref(m);
	}
	taken[i] = '\0';
	return taken;
}

static const char *take_all(void)
{
	take_some(sizeof(taken) - 1);
	assert_true(queue_is_empty(&queue));
	assert_int_equal(queue.normal_bytes, 0);
	assert_int_equal(queue.bulk_bytes, 0);
	assert_int_equal(queue.flows.count, 0);
	assert_true(list_is_empty(&queue.barriers));
	return taken;
}

static void normal_frames_go_first(void **state)
{
	(void)state;
	add_bulk('a', 1, 1, 10);
	add_normal('1', 1);
	add_bulk('b', 1, 1, 10);
	add_normal('2', 2);
	assert_string_equal(take_some(1), "1");
	add_normal('3', 1);
	assert_string_equal(take_some(3), "23a");
	add_normal('4', 1);
	assert_string_equal(take_all(), "4b");
}

static void flows_take_turns(void **state)
{
	(void)state;
	for (char i = 0; i < 4; i++)
		add_bulk((char)('a' + i), 1, 1, FRAME_PAYLOAD_MAX);
	for (char i = 0; i < 2; i++)
		add_bulk((char)('A' + i), 2, 1, FRAME_PAYLOAD_MAX);
	add_bulk('0', 1, 2, FRAME_PAYLOAD_MAX);
	assert_string_equal(take_all(), "aA0bBcd");
}

/* Turns are of bytes: small frames go together. */
static void turns_are_of_bytes(void **state)
{
	const size_t half = QUEUE_TURN / 2 - FRAME_HEADER_SIZE;

	(void)state;
	for (char i = 0; i < 4; i++)
		add_bulk((char)('a' + i), 1, 1, half);
	for (char i = 0; i < 3; i++)
		add_bulk((char)('A' + i), 2, 1, FRAME_PAYLOAD_MAX);
	assert_string_equal(take_all(), "abAcdBC");
}

/* So that two outputs of one program stay in order while there is room for them. */
static void little_of_several_flows_goes_as_it_came(void **state)
{
	(void)state;
	for (char i = 0; i < 20; i++)
		add_bulk((char)('a' + i), 1, (uint32_t)i % 3, 100 + 50 * (size_t)i);
	assert_string_equal(take_some(10), "abcdefghij");
	for (char i = 20; i < 26; i++)
		add_bulk((char)('a' + i), 1, (uint32_t)i % 2, 500);
	assert_string_equal(take_all(), "klmnopqrstuvwxyz");
}

/* Who has nothing left for a moment gets no more than who always has something. */
static void emptying_brings_no_second_turn(void **state)
{
	(void)state;
	add_bulk('a', 1, 1, FRAME_PAYLOAD_MAX);
	for (char i = 0; i < 3; i++)
		add_bulk((char)('A' + i), 2, 1, FRAME_PAYLOAD_MAX);
	assert_string_equal(take_some(1), "a");
	add_bulk('b', 1, 1, FRAME_PAYLOAD_MAX);
	add_bulk('c', 1, 1, FRAME_PAYLOAD_MAX);
	assert_string_equal(take_all(), "ABbCc");
}

/* What was left of a turn counts in the next one. */
static void the_rest_of_a_turn_is_kept(void **state)
{
	const size_t large = QUEUE_TURN * 3 / 4 - FRAME_HEADER_SIZE;

	(void)state;
	for (char i = 0; i < 8; i++)
		add_bulk((char)('a' + i), 1, 1, large);
	for (char i = 0; i < 6; i++)
		add_bulk((char)('A' + i), 2, 1, FRAME_PAYLOAD_MAX);
	assert_string_equal(take_all(), "aAbBcdCeDfEghF");
}

static void what_waits_is_counted(void **state)
{
	size_t left;

	(void)state;
	add_bulk('a', 1, 1, 100);
	add_bulk('b', 1, 1, 200);
	add_bulk('c', 1, 2, 300);
	add_normal('1', 1);
	assert_int_equal(queue_flow_bytes(&queue, 1, 1, 1), 300 + 2 * FRAME_HEADER_SIZE);
	assert_int_equal(queue_flow_bytes(&queue, 1, 1, 2), 300 + FRAME_HEADER_SIZE);
	assert_int_equal(queue_flow_bytes(&queue, 1, 1, 3), 0);
	assert_int_equal(queue_flow_bytes(&queue, 2, 1, 1), 0);
	assert_int_equal(queue_flow_bytes(&queue, 1, 2, 1), 0);
	assert_int_equal(queue.normal_bytes, 10 + FRAME_HEADER_SIZE);
	assert_int_equal(queue.bulk_bytes, 600 + 3 * FRAME_HEADER_SIZE);
	message_unref(queue_take(&queue, &left));
	assert_int_equal(left, 0);
	message_unref(queue_take(&queue, &left));
	assert_int_equal(left, 200 + FRAME_HEADER_SIZE);
	assert_string_equal(take_all(), "bc");
}

/* ---- Barriers ---- */

static void a_barrier_waits_for_its_sources(void **state)
{
	(void)state;
	add_bulk('a', 1, 1, FRAME_PAYLOAD_MAX);
	add_bulk('b', 1, 1, FRAME_PAYLOAD_MAX);
	add_bulk('A', 2, 1, FRAME_PAYLOAD_MAX);
	add_bulk('B', 2, 1, FRAME_PAYLOAD_MAX);
	add_bulk('C', 2, 1, FRAME_PAYLOAD_MAX);
	add_normal('1', 1);
	add_behind('!', 1, 1);
	add_bulk('c', 1, 1, FRAME_PAYLOAD_MAX); /* came later */
	add_normal('2', 1);
	assert_string_equal(take_all(), "12aAb!BCc");
}

static void a_barrier_behind_several_flows_and_sources(void **state)
{
	(void)state;
	add_bulk('a', 4, 1, FRAME_PAYLOAD_MAX);
	add_bulk('b', 5, 1, FRAME_PAYLOAD_MAX);
	add_bulk('c', 5, 2, FRAME_PAYLOAD_MAX);
	add_bulk('x', 6, 2, FRAME_PAYLOAD_MAX);
	add_bulk('d', 5, 2, FRAME_PAYLOAD_MAX);
	add_behind('!', 4, 2);
	add_bulk('y', 6, 2, FRAME_PAYLOAD_MAX);
	add_bulk('z', 6, 2, FRAME_PAYLOAD_MAX);
	assert_string_equal(take_all(), "abcxd!yz");
}

static void a_barrier_with_nothing_before_it_is_a_normal_frame(void **state)
{
	(void)state;
	add_bulk('a', 1, 1, 10);
	add_normal('1', 2);
	add_behind('!', 2, 100);
	add_normal('2', 2);
	assert_string_equal(take_all(), "1!2a");
	add_behind('!', 0, 0);
	assert_string_equal(take_all(), "!");
}

static void a_barrier_behind_all_comes_behind_other_barriers(void **state)
{
	(void)state;
	add_bulk('a', 1, 1, 10);
	add_bulk('b', 2, 1, 10);
	add_behind('!', 2, 1);
	add_behind('.', 0, 0);
	add_behind('?', 1, 2);
	assert_string_equal(take_all(), "ab!?.");
}

static void dropped_as_a_whole(void **state)
{
	struct mitogen_message *m = named('a', 1, 1, 10), *barrier = named('!', 1, 1, 10);

	(void)state;
	queue_add(&queue, message_ref(m));
	barrier->header.flags = 0;
	queue_add_behind(&queue, message_ref(barrier), NULL);
	add_normal('1', 1);
	queue_clear(&queue);
	assert_int_equal(m->references, 1);
	assert_int_equal(barrier->references, 1);
	message_unref(m);
	message_unref(barrier);
	assert_string_equal(take_all(), "");
}

static void *no_memory(size_t size)
{
	(void)size;
	return NULL;
}

/* Of one that is queued nothing is needed; of a barrier or a flow that is new something is. */
static void without_memory(void **state)
{
	struct mitogen_message *old = named('b', 1, 1, 10), *new = named('c', 1, 2, 10),
			       *barrier = named('!', 1, 2, 10);
	struct id_block block = {1, 1};
	struct id_blocks sources = {&block, 1};

	(void)state;
	add_bulk('a', 1, 1, 10);
	sys.malloc = no_memory;
	assert_int_equal(queue_add(&queue, old), 0);
	assert_int_equal(queue_add(&queue, message_ref(new)), -1);
	assert_int_equal(queue_add_behind(&queue, message_ref(barrier), &sources), -1);
	sys.malloc = malloc;
	assert_int_equal(new->references, 1);
	assert_int_equal(barrier->references, 1);
	message_unref(new);
	message_unref(barrier);
	assert_string_equal(take_all(), "ab");
}

/* Or a few small frames would take the memory and the time of many. */
static void barriers_behind_all_take_no_memory(void **state)
{
	struct mitogen_message *barriers[50];
	char expected[102] = {[100] = 'b'};

	(void)state;
	for (uint32_t port = 0; port < 50; port++) {
		barriers[port] = named('!', 9, 1, 10);
		barriers[port]->header.flags = 0;
		add_bulk('a', 1, port, 10);
		expected[port] = 'a';
		expected[50 + port] = '!';
	}
	sys.malloc = no_memory;
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(queue_add_behind(&queue, barriers[i], NULL), 0);
	sys.malloc = malloc;
	add_bulk('b', 1, 1, 10);
	assert_string_equal(take_all(), expected);
}

/* ---- Against a simple model ---- */

#define STEPS   20000
#define SOURCES 3u
#define PORTS   3u
#define FLOWS   (SOURCES * PORTS)
#define WAITING 3000

struct item { /* what waits, as the model has it */
	struct mitogen_message *m;
	uint64_t came, round; /* round 0: a normal frame */
};

struct wall { /* a barrier */
	struct mitogen_message *m;
	uint64_t came;
	uint32_t source; /* of everything from this one; SOURCES: of all */
	uint64_t round;  /* of all: up to the end of this one */
};

static struct model {
	struct item items[WAITING];
	struct wall walls[WAITING];
	size_t count, wall_count;
	struct {
		uint64_t round; /* 0: in none that is left */
		size_t left;
	} flows[FLOWS];
	uint64_t clock;
} model;

static unsigned roll(unsigned sides)
{
	return (unsigned)rand() / 7 % sides;
}

static size_t item_size(const struct mitogen_message *m)
{
	return FRAME_HEADER_SIZE + m->size;
}

/* The last round of which something waits, or 0. */
static uint64_t last_round(void)
{
	uint64_t last = 0;

	for (size_t i = 0; i < model.count; i++)
		if (model.items[i].round > last)
			last = model.items[i].round;
	return last;
}

/* The first round of which something waits, or 0. */
static uint64_t first_round(void)
{
	uint64_t first = 0;

	for (size_t i = 0; i < model.count; i++)
		if (model.items[i].round && (!first || model.items[i].round < first))
			first = model.items[i].round;
	return first;
}

static uint64_t round_of(const struct mitogen_message *m)
{
	unsigned flow = m->header.src_id * PORTS + m->header.handle;

	if (!model.flows[flow].round) {
		model.flows[flow].round = first_round() ? first_round() : 1;
		model.flows[flow].left = QUEUE_TURN;
	}
	if (model.flows[flow].left < item_size(m)) {
		model.flows[flow].round++;
		model.flows[flow].left += QUEUE_TURN;
	}
	model.flows[flow].left -= item_size(m);
	return model.flows[flow].round;
}

static void model_add(struct mitogen_message *m)
{
	uint64_t round = m->header.flags & FRAME_BULK ? round_of(m) : 0;

	assert_true(model.count < WAITING);
	model.items[model.count++] = (struct item){m, model.clock++, round};
}

static bool is_behind(const struct wall *wall, const struct item *item)
{
	if (wall->source == SOURCES)
		return item->round && (item->round < wall->round ||
				       (item->round == wall->round && item->came < wall->came));
	return item->round && item->came < wall->came && item->m->header.src_id == wall->source;
}

/* Barriers before which nothing is left become normal frames; of some sources or of all. */
static void model_pass_those(bool of_all)
{
	size_t kept = 0;

	for (size_t i = 0; i < model.wall_count; i++) {
		struct wall wall = model.walls[i];
		bool waits = false;

		for (size_t j = 0; j < model.count; j++)
			waits |= is_behind(&wall, &model.items[j]);
		if (waits || (wall.source == SOURCES) != of_all)
			model.walls[kept++] = wall;
		else
			model_add(wall.m);
	}
	model.wall_count = kept;
}

static void model_pass(void)
{
	model_pass_those(false);
	model_pass_those(true);
}

static struct mitogen_message *model_take(void)
{
	struct item *first = NULL, next;

	for (size_t i = 0; i < model.count; i++) {
		struct item *item = &model.items[i];

		if (!first || item->round < first->round ||
		    (item->round == first->round && item->came < first->came))
			first = item;
	}
	if (!first)
		return NULL;
	next = *first;
	*first = model.items[--model.count];
	for (unsigned i = 0; i < FLOWS; i++)
		if (!first_round() || model.flows[i].round < first_round())
			model.flows[i].round = 0;
	if (next.round)
		model_pass();
	return next.m;
}

static void add_random(void)
{
	static const size_t sizes[] = {0, 1, 100, 5000, 32768, FRAME_PAYLOAD_MAX};
	uint32_t source = roll(SOURCES), port = roll(PORTS);
	size_t size = roll((unsigned)sizes[roll(6)] + 1);
	struct mitogen_message *m = named('x', source, port, size);

	if (port == 0)
		m->header.flags = 0;
	assert_int_equal(queue_add(&queue, m), 0);
	model_add(m);
}

static void add_random_barrier(void)
{
	struct mitogen_message *m = named('!', 9, 1, 10);
	uint32_t source = roll(SOURCES + 1);
	struct id_block block = {source, 1};
	struct id_blocks sources = {&block, 1};

	m->header.flags = 0;
	assert_int_equal(queue_add_behind(&queue, m, source < SOURCES ? &sources : NULL), 0);
	model.walls[model.wall_count++] = (struct wall){m, model.clock++, source, last_round()};
	model_pass();
}

static void take_one(void)
{
	struct mitogen_message *expected = model_take();
	size_t left;

	assert_ptr_equal(queue_take(&queue, &left), expected);
	message_unref(expected);
}

static void seed_from_environment(void)
{
	const char *given = getenv("MITOGEN_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : random_u32();

	print_message("# MITOGEN_TEST_SEED=%u\n", seed);
	srand(seed);
}

/* Sources, ports, sizes, barriers in any order, with little and much that waits. */
static void in_the_order_of_a_simple_model(void **state)
{
	(void)state;
	seed_from_environment();
	model = (struct model){0};
	for (int i = 0; i < STEPS; i++) {
		bool fills = i / 500 % 2 == 0; /* for a while more comes than goes */

		if (roll(100) < 2)
			add_random_barrier();
		else if (roll(100) < (fills ? 54u : 46u) && model.count < WAITING - 100)
			add_random();
		else
			take_one();
	}
	while (model.count > 0)
		take_one();
	assert_int_equal(model.wall_count, 0);
	assert_string_equal(take_all(), "");
}

/* Of those that always have something no one is ahead of another by more than two turns, whatever the
 * sizes of their frames, and whoever comes and goes beside them. */
static void no_flow_gets_more_than_its_share(void **state)
{
	enum {
		GREEDY = 4
	};
	uint64_t gone[GREEDY] = {0};

	(void)state;
	seed_from_environment();
	for (int i = 0; i < STEPS; i++) {
		struct mitogen_message *m;
		uint32_t source;
		size_t left;

		for (uint32_t flow = 0; flow < GREEDY; flow++)
			while (queue_flow_bytes(&queue, flow, 1, 1) < 2 * QUEUE_TURN)
				add_bulk('g', flow, 1, flow ? roll(1 << (4 * flow + 4)) : 9);
		if (roll(3) == 0)
			add_bulk('o', GREEDY + roll(5), roll(3), roll(FRAME_PAYLOAD_MAX + 1));
		m = queue_take(&queue, &left);
		source = m->header.src_id;
		if (source < GREEDY)
			gone[source] += item_size(m);
		message_unref(m);
		for (uint32_t flow = 0; flow < GREEDY && source < GREEDY; flow++)
			assert_true(gone[source] <= gone[flow] + 2 * QUEUE_TURN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(normal_frames_go_first, setup, teardown),
		cmocka_unit_test_setup_teardown(flows_take_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(turns_are_of_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(little_of_several_flows_goes_as_it_came, setup,
						teardown),
		cmocka_unit_test_setup_teardown(emptying_brings_no_second_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(the_rest_of_a_turn_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_barrier_waits_for_its_sources, setup, teardown),
		cmocka_unit_test_setup_teardown(a_barrier_behind_several_flows_and_sources, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_barrier_with_nothing_before_it_is_a_normal_frame,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_barrier_behind_all_comes_behind_other_barriers,
						setup, teardown),
		cmocka_unit_test_setup_teardown(dropped_as_a_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(barriers_behind_all_take_no_memory, setup,
						teardown),
		cmocka_unit_test_setup_teardown(in_the_order_of_a_simple_model, setup, teardown),
		cmocka_unit_test_setup_teardown(no_flow_gets_more_than_its_share, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
