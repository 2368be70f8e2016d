/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests for modules, and their answers: what is read lies in the message, and made again it is the
 * same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "core/message.h"
#include "module/exchange.h"
#include "wire/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void require_same(struct mitogen_message *m, const uint8_t *data, size_t size)
{
	REQUIRE(m && m->size == size && memcmp(m->payload, data, size) == 0);
	message_unref(m);
}

static void require_name(const struct module_name *name)
{
	REQUIRE(name->kind[0] && memchr(name->kind, '\0', sizeof(name->kind)));
	REQUIRE(name->name[0] && memchr(name->name, '\0', sizeof(name->name)));
}

static void require_inside(const uint8_t *part, size_t part_size, const uint8_t *data, size_t size)
{
	REQUIRE(part >= data && part_size <= size && part <= data + size - part_size);
}

static void read_answer(const uint8_t *data, size_t size)
{
	struct module_answer answer;

	if (!exchange_read_answer(data, size, &answer))
		return;
	require_name(&answer.name);
	if (answer.code != 0) {
		REQUIRE(answer.code < 0);
		require_inside(answer.text, answer.text_size, data, size);
		return;
	}
	require_inside(answer.hash, SHA256_SIZE, data, size);
	require_inside(answer.content, answer.size, data, size);
	require_same(exchange_make_answer(&answer.name, answer.hash, answer.content, answer.size),
		     data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct module_name name;

	if (cbor_check(data, size) != 0)
		return 0;
	read_answer(data, size);
	if (exchange_read_request(data, size, &name)) {
		require_name(&name);
		require_same(exchange_make_request(&name), data, size);
	}
	return 0;
}
