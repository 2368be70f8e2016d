/* SPDX-License-Identifier: BSD-3-Clause */
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
	assert_string_equal(take_all(), "ab!.?");
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

	(void)state;
	add_bulk('a', 1, 1, 10);
	sys.malloc = no_memory;
	assert_int_equal(queue_add(&queue, old), 0);
	assert_int_equal(queue_add(&queue, message_ref(new)), -1);
	assert_int_equal(queue_add_behind(&queue, message_ref(barrier), NULL), -1);
	sys.malloc = malloc;
	assert_int_equal(new->references, 1);
	assert_int_equal(barrier->references, 1);
	message_unref(new);
	message_unref(barrier);
	assert_string_equal(take_all(), "ab");
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
