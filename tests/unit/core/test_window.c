/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/window.h"

#define CHUNK  32768u
#define EVENTS 10000
#define KIB    1024u
#define MIB    (1024u * 1024)

struct event { /* on its way */
	uint64_t bytes;
	bool waited;
	int64_t due_ms;
};

struct way {
	struct event events[EVENTS];
	size_t first, end;
};

/* A sender that always has something; a link with a delay each way, and a rate, with a queue before it
 * that takes everything; a receiver that uses up so much in a millisecond. */
struct link {
	size_t rate, consumer; /* bytes a millisecond */
	int64_t reads_every;   /* millisecond; 0: all the time */
	int64_t delay_ms;
	int64_t now_ms;
	struct window window;
	uint64_t sent, granted, unread, backlog;
	bool has_waited;
	struct way forth, back;
	uint32_t largest; /* window, since measure */
	uint64_t most;    /* in the queue before the link */
};

static struct link wire;

static void put(struct way *way, uint64_t bytes, bool waited, int64_t due_ms)
{
	assert_true(way->end - way->first < EVENTS);
	way->events[way->end++ % EVENTS] = (struct event){bytes, waited, due_ms};
}

static const struct event *get(struct way *way)
{
	if (way->first == way->end || way->events[way->first % EVENTS].due_ms > wire.now_ms)
		return NULL;
	return &way->events[way->first++ % EVENTS];
}

static void send_all(void)
{
	const struct event *credit;

	wire.backlog -= wire.backlog < wire.rate ? wire.backlog : wire.rate;
	while ((credit = get(&wire.back)) != NULL)
		wire.granted = credit->bytes;
	while (wire.sent < wire.granted) {
		uint64_t left = wire.granted - wire.sent, size = left < CHUNK ? left : CHUNK;

		wire.backlog += size;
		wire.sent += size;
		put(&wire.forth, size, wire.has_waited,
		    wire.now_ms + wire.delay_ms + (int64_t)(wire.backlog / wire.rate));
		wire.has_waited = false;
	}
	wire.has_waited = true;
	if (wire.backlog > wire.most)
		wire.most = wire.backlog;
}

static void receive_all(void)
{
	const struct event *frame;
	uint64_t size, before;

	while ((frame = get(&wire.forth)) != NULL) {
		assert_true(window_receive(&wire.window, (size_t)frame->bytes, frame->waited,
					   wire.now_ms));
		wire.unread += frame->bytes;
	}
	size = wire.unread < wire.consumer ? wire.unread : wire.consumer;
	if (wire.reads_every && wire.now_ms % wire.reads_every >= 3)
		size = 0;
	wire.unread -= size;
	window_consume(&wire.window, (size_t)size);
	if (!window_is_due(&wire.window))
		return;
	before = wire.window.granted;
	wire.window.granted = window_next(&wire.window, wire.now_ms);
	assert_true(wire.window.granted >= before);
	put(&wire.back, wire.window.granted, false, wire.now_ms + wire.delay_ms);
	if (wire.window.size > wire.largest)
		wire.largest = wire.window.size;
}

/* Returns bytes a millisecond. */
static size_t run(int64_t ms)
{
	uint64_t before = wire.window.consumed;
	int64_t end = wire.now_ms + ms;

	wire.largest = 0;
	wire.most = 0;
	while (wire.now_ms++ < end) {
		send_all();
		receive_all();
	}
	return (size_t)((wire.window.consumed - before) / (uint64_t)ms);
}

static void make_link(size_t rate, int64_t delay_ms, size_t consumer)
{
	wire = (struct link){
		.rate = rate, .delay_ms = delay_ms, .consumer = consumer, .granted = WINDOW_FIRST};
	window_init(&wire.window);
}

/* 250 ms there and back, 100 Mbit/s: 3 MiB are on the way. */
static void it_grows_on_a_long_link(void **state)
{
	(void)state;
	make_link(12500, 125, MIB);
	run(4000);
	assert_in_range(run(10000), 12500 * 3 / 4, 12500);
	assert_in_range(wire.largest, 2 * MIB, 6 * MIB);
}

/* No more than the link needs, or what is too much waits before it. */
static void no_further_than_the_link_needs(void **state)
{
	(void)state;
	make_link(1000, 125, MIB);
	run(10000);
	assert_in_range(run(20000), 750, 1000);
	assert_in_range(wire.largest, 0, 768 * KIB);
}

static void a_slow_link_without_delay_needs_none(void **state)
{
	(void)state;
	make_link(1000, 1, MIB);
	assert_in_range(run(20000), 950, 1001);
	assert_in_range(wire.largest, 0, 512 * KIB);
	assert_in_range(wire.most, 0, 512 * KIB);
}

static void a_fast_link_without_delay_needs_none(void **state)
{
	(void)state;
	make_link(4 * MIB, 0, 4 * MIB);
	run(2000);
	assert_int_equal(wire.largest, WINDOW_FIRST);
}

/* What it does not use up would only wait there. */
static void a_slow_receiver_is_not_sent_more(void **state)
{
	(void)state;
	make_link(MIB, 20, 500);
	assert_in_range(run(20000), 480, 501);
	assert_in_range(wire.largest, 0, 512 * KIB);
}

/* Who now and then reads all that is there has the sender wait, not the link. */
static void a_receiver_that_pauses_is_not_sent_more(void **state)
{
	(void)state;
	make_link(4 * MIB, 1, 64 * MIB);
	wire.reads_every = 300;
	run(60000);
	assert_in_range(wire.largest, 0, 512 * KIB);
}

static void what_is_not_needed_is_taken_back(void **state)
{
	(void)state;
	make_link(125000, 125, MIB);
	run(10000);
	assert_int_equal(wire.largest, WINDOW_LAST);
	wire.delay_ms = 0;
	run(5000);
	run(1000);
	assert_in_range(wire.largest, 0, 4 * WINDOW_FIRST);
}

static void more_than_granted_is_noticed(void **state)
{
	struct window window;

	(void)state;
	window_init(&window);
	assert_true(window_receive(&window, WINDOW_FIRST, false, 1));
	assert_false(window_receive(&window, 1, false, 1));
	window.consumed = window.granted = window.received = UINT64_C(1) << 40;
	window.granted += 10;
	assert_true(window_receive(&window, 10, false, 1));
	assert_false(window_receive(&window, 1, false, 1));
}

static void granted_in_steps(void **state)
{
	struct window window;

	(void)state;
	window_init(&window);
	window_receive(&window, WINDOW_FIRST, false, 1);
	window_consume(&window, WINDOW_FIRST / 2 - 1);
	assert_false(window_is_due(&window));
	window_consume(&window, 1);
	assert_true(window_is_due(&window));
	assert_int_equal(window_next(&window, 1), WINDOW_FIRST * 3 / 2);
	assert_true(window_is_due(&window)); /* until it is granted */
	window.granted = WINDOW_FIRST * 3 / 2;
	assert_false(window_is_due(&window));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_grows_on_a_long_link),
		cmocka_unit_test(no_further_than_the_link_needs),
		cmocka_unit_test(a_slow_link_without_delay_needs_none),
		cmocka_unit_test(a_fast_link_without_delay_needs_none),
		cmocka_unit_test(a_slow_receiver_is_not_sent_more),
		cmocka_unit_test(a_receiver_that_pauses_is_not_sent_more),
		cmocka_unit_test(what_is_not_needed_is_taken_back),
		cmocka_unit_test(more_than_granted_is_noticed),
		cmocka_unit_test(granted_in_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
