/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/frame.h"

static const struct frame_header example = {
	.kind = FRAME_RAW,
	.flags = FRAME_BULK | FRAME_MORE,
	.dst_id = 0x01020304,
	.src_id = 0x05060708,
	.auth_id = 0x090a0b0c,
	.handle = 0x0d0e0f10,
	.reply_to = 0xfffffffe,
	.length = FRAME_PAYLOAD_MAX,
};

/* clang-format off */
static const uint8_t example_bytes[FRAME_HEADER_SIZE] = {
	'M', 'I', 2, 3,
	1, 2, 3, 4,  5, 6, 7, 8,  9, 10, 11, 12,
	13, 14, 15, 16,  0xff, 0xff, 0xff, 0xfe,  0, 1, 0, 0,
};
/* clang-format on */

static void assert_header(const struct frame_header *a, const struct frame_header *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->dst_id, b->dst_id);
	assert_int_equal(a->src_id, b->src_id);
	assert_int_equal(a->auth_id, b->auth_id);
	assert_int_equal(a->handle, b->handle);
	assert_int_equal(a->reply_to, b->reply_to);
	assert_int_equal(a->length, b->length);
}

/* Decodes the first size bytes from memory that ends there. */
static enum frame_result decode(const uint8_t *data, size_t size, struct frame_header *ret)
{
	uint8_t *exact = malloc(size + 1);
	enum frame_result result;

	assert_non_null(exact);
	memcpy(exact + 1, data, size);
	result = frame_decode(exact + 1, size, ret);
	free(exact);
	return result;
}

static void encodes_as_documented(void **state)
{
	uint8_t out[FRAME_HEADER_SIZE];

	(void)state;
	frame_encode(out, &example);
	assert_memory_equal(out, example_bytes, sizeof(out));
}

static void decodes_what_was_encoded(void **state)
{
	struct frame_header header;
	uint8_t more[FRAME_HEADER_SIZE + 1] = {0};

	(void)state;
	assert_int_equal(decode(example_bytes, FRAME_HEADER_SIZE, &header), FRAME_OK);
	assert_header(&header, &example);

	memcpy(more, example_bytes, FRAME_HEADER_SIZE); /* what follows is the payload's */
	assert_int_equal(decode(more, sizeof(more), &header), FRAME_OK);
	assert_header(&header, &example);
}

static void waits_for_the_whole_header(void **state)
{
	struct frame_header header = example;

	(void)state;
	for (size_t size = 0; size < FRAME_HEADER_SIZE; size++)
		assert_int_equal(decode(example_bytes, size, &header), FRAME_INCOMPLETE);
	assert_header(&header, &example);
	assert_int_equal(frame_decode(NULL, 0, &header), FRAME_INCOMPLETE);
}

/* A wrong byte shows as soon as it is there, and whatever comes behind it. */
static void assert_corrupt(size_t at, uint8_t byte, enum frame_result expected)
{
	uint8_t data[FRAME_HEADER_SIZE];
	struct frame_header header = example;

	memcpy(data, example_bytes, sizeof(data));
	data[at] = byte;
	for (size_t size = 0; size <= at; size++)
		assert_int_equal(decode(data, size, &header), FRAME_INCOMPLETE);
	for (size_t size = at + 1; size <= sizeof(data); size++)
		assert_int_equal(decode(data, size, &header), expected);
	assert_header(&header, &example);
}

static void reports_corruption_early(void **state)
{
	(void)state;
	assert_corrupt(0, 'm', FRAME_BAD_MAGIC);
	assert_corrupt(1, 'M', FRAME_BAD_MAGIC);
	assert_corrupt(2, 0, FRAME_BAD_KIND);
	assert_corrupt(2, FRAME_KINDS, FRAME_BAD_KIND);
	assert_corrupt(2, 0xff, FRAME_BAD_KIND);
	assert_corrupt(3, FRAME_FLAGS + 1, FRAME_BAD_FLAGS);
	assert_corrupt(3, 0x80 | FRAME_MORE, FRAME_BAD_FLAGS);
	assert_corrupt(24, 0x80, FRAME_BAD_LENGTH);
	assert_corrupt(25, 2, FRAME_BAD_LENGTH);
	assert_corrupt(26, 1, FRAME_BAD_LENGTH);
	assert_corrupt(27, 1, FRAME_BAD_LENGTH);
}

static void takes_every_kind_and_flag(void **state)
{
	uint8_t out[FRAME_HEADER_SIZE];

	(void)state;
	for (unsigned kind = FRAME_CBOR; kind < FRAME_KINDS; kind++) {
		for (unsigned flags = 0; flags <= FRAME_FLAGS; flags++) {
			struct frame_header in = {.kind = (uint8_t)kind, .flags = (uint8_t)flags};
			struct frame_header header = example;

			frame_encode(out, &in);
			assert_int_equal(decode(out, sizeof(out), &header), FRAME_OK);
			assert_header(&header, &in);
		}
	}
}

static void results_have_texts(void **state)
{
	(void)state;
	for (int a = FRAME_BAD_LENGTH; a <= FRAME_OK; a++) {
		assert_true(strlen(frame_result_text((enum frame_result)a)) > 0);
		for (int b = FRAME_BAD_LENGTH; b < a; b++)
			assert_string_not_equal(frame_result_text((enum frame_result)a),
						frame_result_text((enum frame_result)b));
	}
	assert_string_equal(frame_result_text((enum frame_result)99), "unknown frame result");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_as_documented),
		cmocka_unit_test(decodes_what_was_encoded),
		cmocka_unit_test(waits_for_the_whole_header),
		cmocka_unit_test(reports_corruption_early),
		cmocka_unit_test(takes_every_kind_and_flag),
		cmocka_unit_test(results_have_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
