/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program of writer calls, right or wrong: what a writer finishes without an error, cbor_check
 * takes, so that no process drops a stream for what another was made to write.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/cursor.h"
#include "wire/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define WRITERS 3

struct program {
	const uint8_t *at, *end;
};

static uint64_t operand(struct program *p, size_t width)
{
	uint64_t value = 0;

	for (; width > 0 && p->at < p->end; width--)
		value = value << 8 | *p->at++;
	return value;
}

static void string(struct program *p, struct mitogen_writer *w, unsigned which)
{
	size_t size = (size_t)operand(p, 1) % 40;
	const uint8_t *data = p->at;

	if (size > (size_t)(p->end - p->at))
		size = (size_t)(p->end - p->at);
	p->at += size;
	switch (which) {
	case 0:
		writer_bytes(w, data, size);
		break;
	case 1:
		writer_blob(w, data, size);
		break;
	case 2:
		writer_secret(w, data, size);
		break;
	default:
		writer_text(w, (const char *)data, size);
	}
}

static void call_error(struct program *p, struct mitogen_writer *w)
{
	writer_call_error_tag(w);
	writer_list_head(w, 5);
	writer_int(w, (int64_t)operand(p, 8));
	writer_int(w, (int64_t)operand(p, 1));
	writer_string(w, "OSError");
	writer_string(w, "");
	writer_string(w, "text");
}

static void scalar(struct program *p, struct mitogen_writer *w, unsigned which)
{
	uint64_t bits = operand(p, which & 8 ? 8 : 1);
	double real;

	switch (which & 7) {
	case 0:
		writer_nil(w);
		break;
	case 1:
		writer_bool(w, bits & 1);
		break;
	case 2:
		writer_int(w, (int64_t)bits);
		break;
	case 3:
		writer_uint(w, bits);
		break;
	case 4:
		memcpy(&real, &bits, sizeof(real));
		writer_double(w, real);
		break;
	case 5:
		writer_context(w, (uint32_t)bits);
		break;
	case 6:
		writer_sender(w, (uint32_t)bits, 1);
		break;
	default:
		call_error(p, w);
	}
}

/* An instruction: four bits of operation, two of which writer, two more of operand. */
static void step(struct program *p, struct mitogen_writer writers[WRITERS])
{
	unsigned code = (unsigned)operand(p, 1);
	struct mitogen_writer *w = &writers[(code >> 4 & 3) % WRITERS];
	unsigned rest = code >> 6, repeat;

	switch (code & 15) {
	case 0:
		writer_begin_list(w);
		break;
	case 1:
	case 2:
		writer_begin_map(w);
		break;
	case 3:
	case 4:
	case 5:
		writer_end(w);
		break;
	case 6:
		writer_list_head(w, operand(p, 1 + rest));
		break;
	case 7:
		if (&writers[rest % WRITERS] != w)
			writer_append(w, &writers[rest % WRITERS]);
		break;
	case 8:
		for (repeat = (unsigned)operand(p, 2) % 300; repeat > 0; repeat--)
			writer_nil(w);
		break;
	case 9:
		writer_clear(w);
		break;
	case 10:
	case 11:
		scalar(p, w, (unsigned)operand(p, 1));
		break;
	default:
		string(p, w, (code & 15) == 12 ? rest : 3);
	}
}

static void check(struct mitogen_writer *w)
{
	uint64_t items = w->items;
	struct cursor c;
	int r;

	if (writer_finish(w) != 0 || w->size == 0)
		return;
	REQUIRE(w->size <= w->capacity && w->size - w->headroom <= w->limit);
	c = (struct cursor){w->data + w->headroom, w->data + w->size};
	r = cbor_check(c.at, (size_t)(c.end - c.at));
	REQUIRE(r == (items == 1 ? 0 : CBOR_ERR_TRAILING));
	for (; items > 0; items--)
		REQUIRE(cursor_skip(&c) == 0);
	REQUIRE(c.at == c.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = {data, data + size};
	struct mitogen_writer writers[WRITERS];

	for (size_t i = 0; i < WRITERS; i++)
		writer_init(&writers[i], i * 28, 1 << 14);
	while (program.at < program.end)
		step(&program, writers);
	for (size_t i = 0; i < WRITERS; i++) {
		check(&writers[i]);
		writer_clear(&writers[i]);
	}
	return 0;
}
