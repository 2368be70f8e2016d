/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/join.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sys.h"
#include "wire/handles.h"

static uint8_t bytes[JOIN_REQUEST_MAX + 100];
static struct join_request read;

static void what_was_written_is_read(const char *name)
{
	size_t size = join_write_request(bytes, name);

	assert_in_range(size, 1, JOIN_REQUEST_MAX);
	assert_int_equal(join_read_request(bytes, size, &read), 1);
	assert_int_equal(read.version, JOIN_VERSION);
	assert_string_equal(read.name, name ? name : "");
}

static void names(void **state)
{
	char longest[JOIN_NAME_MAX + 1];

	(void)state;
	what_was_written_is_read(NULL);
	what_was_written_is_read("");
	what_was_written_is_read("worker \xc3\xa9");
	memset(longest, 'x', JOIN_NAME_MAX);
	longest[JOIN_NAME_MAX] = '\0';
	what_was_written_is_read(longest);
}

static void names_that_are_none(void **state)
{
	char too_long[JOIN_NAME_MAX + 2];

	(void)state;
	memset(too_long, 'x', JOIN_NAME_MAX + 1);
	too_long[JOIN_NAME_MAX + 1] = '\0';
	assert_int_equal(join_write_request(bytes, too_long), 0);
	assert_int_equal(join_write_request(bytes, "\xff"), 0);
}

static void what_is_incomplete_is_waited_for(void **state)
{
	size_t size = join_write_request(bytes, "worker");

	(void)state;
	for (size_t part = 0; part < size; part++)
		assert_int_equal(join_read_request(bytes, part, &read), 0);
	assert_int_equal(join_read_request(bytes, size + 1, &read), -1);
}

/* With this payload and header; what is left out of the header is 0. */
static int read_frame(const char *payload, size_t size, const struct frame_header *header)
{
	struct frame_header whole = *header;

	whole.length = (uint32_t)size;
	frame_encode(bytes, &whole);
	memcpy(bytes + FRAME_HEADER_SIZE, payload, size);
	read = (struct join_request){.version = 4711};
	return join_read_request(bytes, FRAME_HEADER_SIZE + size, &read);
}

static void other_frames(void **state)
{
	const struct frame_header good = {.kind = FRAME_CBOR, .handle = HANDLE_JOIN},
				  dead = {.kind = FRAME_DEAD, .handle = HANDLE_JOIN},
				  other = {.kind = FRAME_CBOR, .handle = HANDLE_CONFIG},
				  more = {.kind = FRAME_CBOR,
					  .handle = HANDLE_JOIN,
					  .flags = FRAME_MORE};

	(void)state;
	assert_int_equal(read_frame("\x82\x01\x61w", 4, &good), 1);
	assert_string_equal(read.name, "w");
	assert_int_equal(read_frame("\x82\x01\x61w", 4, &dead), -1);
	assert_int_equal(read_frame("\x82\x01\x61w", 4, &other), -1);
	assert_int_equal(read_frame("\x82\x01\x61w", 4, &more), -1);
	assert_int_equal(read.version, 4711);
}

static void other_payloads(void **state)
{
	const struct frame_header header = {.kind = FRAME_CBOR, .handle = HANDLE_JOIN};
	static const struct {
		const char *payload;
		size_t size;
	} bad[] = {
		{"", 0},
		{"\x80", 1},
		{"\x81\x01", 2},
		{"\x82\x01", 2},
		{"\x82\x01\x01", 3},
		{"\x82\x01\x61\x00", 4}, /* a NUL in the name */
		{"\x82\x01\x61\xff", 4}, /* not UTF-8 */
		{"\x82\x60\x60", 3},     /* no number */
		{"\x83\x01\x60\x60", 4}, /* one more than version 1 has */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(read_frame(bad[i].payload, bad[i].size, &header), -1);
		assert_int_equal(read.version, 4711);
	}
}

static void too_large(void **state)
{
	const struct frame_header header = {.kind = FRAME_CBOR, .handle = HANDLE_JOIN};
	char payload[JOIN_REQUEST_MAX] = {0};
	struct frame_header promise = header;

	(void)state;
	assert_int_equal(read_frame(payload, JOIN_REQUEST_MAX - FRAME_HEADER_SIZE + 1, &header),
			 -1);
	/* what is not there yet is not waited for either */
	promise.length = JOIN_REQUEST_MAX;
	frame_encode(bytes, &promise);
	assert_int_equal(join_read_request(bytes, FRAME_HEADER_SIZE, &read), -1);
}

static void newer_versions_are_told_by_their_number(void **state)
{
	const struct frame_header header = {.kind = FRAME_CBOR, .handle = HANDLE_JOIN};

	(void)state;
	assert_int_equal(read_frame("\x83\x02\xf6\x80", 4, &header), 1);
	assert_int_equal(read.version, 2);
	assert_string_equal(read.name, "");
}

static void *no_memory(void *p, size_t size)
{
	(void)p;
	(void)size;
	return NULL;
}

static void without_memory_nothing_is_written(void **state)
{
	(void)state;
	sys.realloc = no_memory;
	assert_int_equal(join_write_request(bytes, "worker"), 0);
	sys.realloc = realloc;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(names_that_are_none),
		cmocka_unit_test(what_is_incomplete_is_waited_for),
		cmocka_unit_test(other_frames),
		cmocka_unit_test(other_payloads),
		cmocka_unit_test(too_large),
		cmocka_unit_test(newer_versions_are_told_by_their_number),
		cmocka_unit_test(without_memory_nothing_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
