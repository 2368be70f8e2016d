/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/sys.h"
#include "child/config.h"
#include "wire/frame.h"
#include "wire/handles.h"
#include "wire/writer.h"

static struct config config;
static struct frame_header header;
static struct mitogen_writer w;

/* Begins a configuration that is right so far. */
static int setup(void **state)
{
	(void)state;
	header = (struct frame_header){.kind = FRAME_CBOR, .handle = HANDLE_CONFIG};
	writer_init(&w, 0, 0);
	writer_begin_map(&w);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	writer_clear(&w);
	sys.free(TAKE_PTR(config.path));
	return 0;
}

static void put_number(const char *key, uint64_t value)
{
	writer_string(&w, key);
	writer_uint(&w, value);
}

static void put_path(const char *path)
{
	writer_string(&w, "path");
	writer_string(&w, path);
}

static void put_parents(uint32_t count)
{
	writer_string(&w, "parents");
	writer_begin_list(&w);
	while (count-- > 0)
		writer_uint(&w, count);
	writer_end(&w);
}

static void put_all(void)
{
	put_number("id", 7);
	put_number("ids", 1000);
	put_number("log", 3);
	put_number("forks", 1);
	put_number("max", 1 << 20);
	put_parents(2);
	put_path("local.1/local.2");
}

/* Sends the first bytes of a frame of what was written, then the end; reads it. */
static int read_first(size_t size)
{
	uint8_t frame[FRAME_HEADER_SIZE + 40000];
	int fds[2], r;

	header.length = (uint32_t)w.size;
	frame_encode(frame, &header);
	memcpy(frame + FRAME_HEADER_SIZE, w.data, w.size);
	assert_int_equal(fd_pipe(fds), 0);
	assert_int_equal(write(fds[1], frame, size), size);
	fd_close(fds[1]);
	sys.free(TAKE_PTR(config.path));
	r = config_read(fds[0], &config);
	fd_close(fds[0]);
	return r;
}

static int read_it(void)
{
	writer_end(&w);
	assert_int_equal(writer_finish(&w), 0);
	return read_first(FRAME_HEADER_SIZE + w.size);
}

static void read_as_it_was_written(void **state)
{
	(void)state;
	put_all();
	assert_int_equal(read_it(), 0);
	assert_int_equal(config.id, 7);
	assert_int_equal(config.ids, 1000);
	assert_int_equal(config.log_level, 3);
	assert_int_equal(config.forks, 1);
	assert_int_equal(config.max_message, 1 << 20);
	assert_int_equal(config.parent_count, 2);
	assert_int_equal(config.parents[0], 1);
	assert_int_equal(config.parents[1], 0);
	assert_string_equal(config.path, "local.1/local.2");
	assert_int_equal(config.is_unidirectional, 0);
}

static void routing_may_be_unidirectional(void **state)
{
	(void)state;
	put_all();
	put_number("unidirectional", 1);
	assert_int_equal(read_it(), 0);
	assert_int_equal(config.is_unidirectional, 1);
}

static void keys_of_a_newer_parent_are_skipped(void **state)
{
	(void)state;
	put_all();
	writer_string(&w, "future");
	writer_begin_list(&w);
	writer_nil(&w);
	writer_end(&w);
	put_number("idx", 9);
	assert_int_equal(read_it(), 0);
	assert_int_equal(config.id, 7);
}

static void what_is_needed_must_be_there(void **state)
{
	(void)state;
	put_number("ids", 1);
	put_parents(1);
	assert_int_equal(read_it(), -1);
	teardown(state);
	setup(state);
	put_number("id", 7);
	put_parents(1);
	assert_int_equal(read_it(), -1);
	teardown(state);
	setup(state);
	put_number("id", 7);
	put_number("ids", 1);
	assert_int_equal(read_it(), -1);
}

/* No child is the master. */
static void id_0_is_refused(void **state)
{
	(void)state;
	put_number("id", 0);
	put_number("ids", 1);
	put_parents(1);
	assert_int_equal(read_it(), -1);
}

static void numbers_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	put_number("id", UINT64_C(1) << 32);
	put_number("ids", 1);
	put_parents(1);
	assert_int_equal(read_it(), -1);
}

static void too_many_parents_are_refused(void **state)
{
	(void)state;
	put_number("id", 7);
	put_number("ids", 1);
	put_parents(DEPTH_MAX + 1);
	assert_int_equal(read_it(), -1);
}

static void too_long_a_path_is_refused(void **state)
{
	char path[CONFIG_PATH_MAX + 1];

	memset(path, 'x', sizeof(path));
	path[CONFIG_PATH_MAX - 1] = '\0';
	put_number("id", 7);
	put_number("ids", 1);
	put_parents(1);
	put_path(path);
	assert_int_equal(read_it(), 0);
	assert_string_equal(config.path, path);
	teardown(state);
	setup(state);
	path[CONFIG_PATH_MAX - 1] = 'x';
	path[CONFIG_PATH_MAX] = '\0';
	put_number("id", 7);
	put_number("ids", 1);
	put_parents(1);
	put_path(path);
	assert_int_equal(read_it(), -1);
}

/* Wherever the parent goes away. */
static void an_early_end(void **state)
{
	(void)state;
	put_all();
	assert_int_equal(read_it(), 0);
	for (size_t size = 0; size < FRAME_HEADER_SIZE + w.size; size++)
		assert_int_equal(read_first(size), -1);
}

static void other_messages_are_refused(void **state)
{
	(void)state;
	put_all();
	assert_int_equal(read_it(), 0);
	header.handle = HANDLE_CALL_FUNCTION;
	assert_int_equal(read_first(FRAME_HEADER_SIZE + w.size), -1);
	header.handle = HANDLE_CONFIG;
	header.kind = FRAME_RAW;
	assert_int_equal(read_first(FRAME_HEADER_SIZE + w.size), -1);
	header.kind = FRAME_CBOR;
	header.flags = FRAME_MORE;
	assert_int_equal(read_first(FRAME_HEADER_SIZE + w.size), -1);
	header.flags = 0;
	w.data[0] = 0xff;
	assert_int_equal(read_first(FRAME_HEADER_SIZE + w.size), -1);
	w.data[0] = 0x80;
	w.size = 1;
	assert_int_equal(read_first(FRAME_HEADER_SIZE + w.size), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(read_as_it_was_written, setup, teardown),
		cmocka_unit_test_setup_teardown(routing_may_be_unidirectional, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_of_a_newer_parent_are_skipped, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_needed_must_be_there, setup, teardown),
		cmocka_unit_test_setup_teardown(id_0_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_that_do_not_fit_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(too_many_parents_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(too_long_a_path_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(an_early_end, setup, teardown),
		cmocka_unit_test_setup_teardown(other_messages_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
