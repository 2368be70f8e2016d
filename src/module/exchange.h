/* SPDX-License-Identifier: BSD-3-Clause */
/* GET_MODULE and LOAD_MODULE: what a child asks its parent for, and the answer. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "module/sha256.h"

#define EXCHANGE_ANSWER_OVERHEAD 512 /* at most so much longer than its content is an answer */

struct mitogen_message;

struct module_name { /* of content that who sends it has looked up by it */
	char kind[16];
	char name[256];
};

struct module_answer { /* what it points to is lent by the message */
	struct module_name name;
	int code;            /* 0, or why there is no content: */
	const uint8_t *text; /* UTF-8 */
	size_t text_size;
	const uint8_t *hash; /* of the content, as who sends it says; SHA256_SIZE */
	const uint8_t *content;
	size_t size;
};

bool module_name_is(const struct module_name *a, const struct module_name *b);

/* NULL: no memory. */
struct mitogen_message *exchange_make_request(const struct module_name *name);
struct mitogen_message *exchange_make_answer(const struct module_name *name,
					     const uint8_t hash[SHA256_SIZE], const void *content,
					     size_t size);
struct mitogen_message *exchange_make_failure(const struct module_name *name, int code,
					      const char *text);
/* Of payloads that are checked CBOR. False: it is something else. */
bool exchange_read_request(const uint8_t *data, size_t size, struct module_name *ret);
bool exchange_read_answer(const uint8_t *data, size_t size, struct module_answer *ret);
