/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/dump.h"

#include "core/call.h"
#include "core/flow.h"
#include "fixture.h"

static char *printed;

static void dump(struct router *router)
{
	size_t size;
	FILE *out;

	free(printed);
	printed = NULL;
	out = open_memstream(&printed, &size);
	assert_non_null(out);
	dump_router(router, out);
	fclose(out);
}

static int teardown(void **state)
{
	free(printed);
	printed = NULL;
	return pair_teardown(state);
}

#define assert_printed(part)                                                                       \
	do {                                                                                       \
		if (!strstr(printed, part))                                                        \
			fail_msg("\"%s\" is not in \"%s\"", part, printed);                        \
	} while (0)

static void what_there_is(void **state)
{
	(void)state;
	dump(&pair.master);
	assert_printed("mitogen: dump of the master (context 0, process ");
	assert_printed(" counters: streams=1 contexts=1 routes=1\n");
	assert_printed(" stream local.1 (context 1): idle, descriptors ");
	assert_printed(" context 1 local.1: ready\n");
	dump(&pair.child);
	assert_printed("mitogen: dump of local.1 (context 1, process ");
	assert_printed(" stream parent (context 0): idle, ");
	router_close(&pair.child, false);
	dump(&pair.child);
	assert_printed("), which is closing\n");
}

static void what_waits_to_be_written(void **state)
{
	struct mitogen_message *normal = message_of_text("12345"), *bulk = message_of_text("1");

	(void)state;
	normal->header.dst_id = bulk->header.dst_id = CHILD_ID;
	bulk->header.flags = FRAME_BULK;
	router_send(&pair.master, normal, false);
	router_send(&pair.master, bulk, false);
	dump(&pair.master);
	assert_printed("): has to write, ");
	assert_printed("  waiting to be written: normal 34, bulk 30, begun 0 of 0 bytes\n");
}

static void calls_that_wait(void **state)
{
	struct call_target target = {.latch = latch_new(), .deadline = CLOCK_NEVER};
	struct mitogen_writer w;
	uint32_t handles[2];
	int error;

	(void)state;
	for (int i = 0; i < 2; i++) {
		message_writer_init(&w);
		call_write_head(&w, false, NULL, "f", 0);
		call_write_tail(&w);
		target.deadline = i ? clock_deadline(3600000) : CLOCK_NEVER;
		assert_int_equal(call_start(&pair.master, pair.child_context,
					    message_from_writer(&w, &error), i ? "late" : "load",
					    &target, false, &handles[i]),
				 0);
	}
	dump(&pair.master);
	assert_printed(" call to local.1: load\n");
	assert_printed(" call to local.1: late, 3");
	assert_printed(" ms left\n");
	assert_printed(" timers: 1, the first due in 3");
	dump(&pair.master);
	dump(&pair.master);
	assert_printed(" call to local.1: load, seen in 2 dumps before\n");
	for (int i = 0; i < 2; i++)
		call_cancel(&pair.master, handles[i]);
	dump(&pair.master);
	assert_null(strstr(printed, " call "));
	latch_unref(target.latch);
}

static void credits(void **state)
{
	static const char data[100];
	struct outflow flow;

	(void)state;
	outflow_open(&pair.master, &flow, CHILD_ID, 2000, NULL);
	outflow_send(&pair.master, &flow, message_of_bytes(data, sizeof(data)), false);
	dump(&pair.master);
	assert_printed(" flow to context 1, port 2000: 100 bytes sent, credit for 262044\n");
	outflow_end(&pair.master, &flow);
	dump(&pair.master);
	assert_printed("credit for 262044, ended\n");
	outflow_close(&flow);
}

static void dump_mine(struct resident *resident, FILE *out)
{
	(void)resident;
	fputs(" mine\n", out);
}

static void residents_speak_for_themselves(void **state)
{
	struct resident silent = {.dump = NULL}, mine = {.dump = dump_mine};

	(void)state;
	router_add_resident(&pair.master, &silent);
	router_add_resident(&pair.master, &mine);
	dump(&pair.master);
	assert_printed(" mine\n");
	router_remove_resident(&pair.master, &silent);
	router_remove_resident(&pair.master, &mine);
}

static void names_from_elsewhere_are_escaped(void **state)
{
	(void)state;
	context_new(&pair.master, 7, strdup("web\x1b[31m\n"));
	dump(&pair.master);
	assert_printed(" context 7 web\\x1b[31m\\n: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_there_is, pair_setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_to_be_written, pair_setup, teardown),
		cmocka_unit_test_setup_teardown(calls_that_wait, pair_setup, teardown),
		cmocka_unit_test_setup_teardown(credits, pair_setup, teardown),
		cmocka_unit_test_setup_teardown(residents_speak_for_themselves, pair_setup,
						teardown),
		cmocka_unit_test_setup_teardown(names_from_elsewhere_are_escaped, pair_setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
