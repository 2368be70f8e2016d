/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The check that everything that arrives passes once. It takes no memory but the stack of levels
 * below, and readers decode in place: a value can never take more memory than it had on the wire.
 */
#include <string.h>

#include "wire/cursor.h"
#include "wire/double.h"
#include "wire/head.h"
#include "wire/utf8.h"

struct level {
	uint64_t left; /* items to come; of a map, keys and values */
	bool map;
	const uint8_t *key; /* the last one, as encoded */
	size_t key_size;
};

struct check {
	const uint8_t *at, *end;
	bool (*may_name)(const void *owner, uint32_t id);
	const void *owner;
	unsigned depth;
	struct level levels[CBOR_DEPTH_MAX];
};

static int read_head(struct check *c, enum head_major major, struct head *ret)
{
	int r = head_read(&c->at, c->end, ret);

	if (r < 0)
		return r;
	return ret->major == major ? 0 : CBOR_ERR_MALFORMED;
}

static int check_text(struct check *c, const struct head *head)
{
	if (!utf8_valid(c->at, (size_t)head->value))
		return CBOR_ERR_UTF8;
	c->at += head->value;
	return 0;
}

static int check_simple(const struct head *head)
{
	uint64_t bits = head->value;
	uint32_t narrow;

	switch (head->info) {
	case HEAD_16_BITS:
		/* Without a sign, all above the infinity are NaNs. */
		return (bits & 0x7fff) > 0x7c00 && bits != DOUBLE_NAN ? CBOR_ERR_MALFORMED : 0;
	case HEAD_32_BITS:
		bits = double_widen((uint32_t)bits, &double_single);
		break;
	case HEAD_64_BITS:
		if (double_narrow(bits, &double_single, &narrow))
			return CBOR_ERR_MALFORMED;
		break;
	default:
		return 0;
	}
	if (double_is_nan(bits) || double_narrow(bits, &double_half, &narrow))
		return CBOR_ERR_MALFORMED;
	return 0;
}

static int check_u32(struct check *c, struct head *ret)
{
	int r = read_head(c, HEAD_UINT, ret);

	if (r < 0)
		return r;
	return ret->value > UINT32_MAX ? CBOR_ERR_MALFORMED : 0;
}

static int check_context(struct check *c)
{
	struct head head;
	int r = check_u32(c, &head);

	if (r < 0)
		return r;
	return c->may_name && !c->may_name(c->owner, (uint32_t)head.value) ? CBOR_ERR_NAME : 0;
}

static int check_sender(struct check *c)
{
	struct head head;
	int r = check_context(c);

	return r < 0 ? r : check_u32(c, &head);
}

static int check_call_error(struct check *c)
{
	struct head head;
	int r;

	for (unsigned i = 0; i < 2; i++) {
		if ((r = head_read(&c->at, c->end, &head)) < 0)
			return r;
		if (head.major != HEAD_UINT && head.major != HEAD_NEGATIVE)
			return CBOR_ERR_MALFORMED;
	}
	for (unsigned i = 0; i < 3; i++) {
		if ((r = read_head(c, HEAD_TEXT, &head)) < 0 || (r = check_text(c, &head)) < 0)
			return r;
	}
	return 0;
}

/* The list in a tag, which counts as a level like others. */
static int check_tagged_list(struct check *c, uint64_t count)
{
	struct head head;
	int r = read_head(c, HEAD_LIST, &head);

	if (r < 0)
		return r;
	if (head.value != count)
		return CBOR_ERR_MALFORMED;
	return c->depth < CBOR_DEPTH_MAX ? 0 : CBOR_ERR_NESTING;
}

static int check_tag(struct check *c, uint64_t tag)
{
	struct head head;
	int r;

	switch (tag) {
	case CBOR_TAG_CONTEXT:
		return check_context(c);
	case CBOR_TAG_SENDER:
		r = check_tagged_list(c, 2);
		return r < 0 ? r : check_sender(c);
	case CBOR_TAG_CALL_ERROR:
		r = check_tagged_list(c, 5);
		return r < 0 ? r : check_call_error(c);
	default: /* blob, secret */
		r = read_head(c, HEAD_BYTES, &head);
		if (r == 0)
			c->at += head.value;
		return r;
	}
}

static int check_key(struct check *c, struct level *level)
{
	const uint8_t *key = c->at;
	struct head head;
	size_t size;
	int r;

	if ((r = head_read(&c->at, c->end, &head)) < 0)
		return r;
	if (head.major != HEAD_TEXT)
		return CBOR_ERR_KEY;
	if ((r = check_text(c, &head)) < 0)
		return r;
	size = (size_t)(c->at - key);
	if (level->key) {
		/* No encoding starts another: equal in all that both have is the same key. */
		size_t common = size < level->key_size ? size : level->key_size;

		if (memcmp(level->key, key, common) >= 0)
			return CBOR_ERR_KEY;
	}
	level->key = key;
	level->key_size = size;
	return 0;
}

static int enter(struct check *c, const struct head *head)
{
	bool map = head->major == HEAD_MAP;

	if (c->depth == CBOR_DEPTH_MAX)
		return CBOR_ERR_NESTING;
	c->levels[c->depth++] = (struct level){
		.left = map ? head->value * 2 : head->value,
		.map = map,
	};
	return 0;
}

static int check_item(struct check *c)
{
	struct head head;
	int r = head_read(&c->at, c->end, &head);

	if (r < 0)
		return r;
	switch (head.major) {
	case HEAD_BYTES:
		c->at += head.value;
		return 0;
	case HEAD_TEXT:
		return check_text(c, &head);
	case HEAD_LIST:
	case HEAD_MAP:
		return enter(c, &head);
	case HEAD_TAG:
		return check_tag(c, head.value);
	case HEAD_SIMPLE:
		return check_simple(&head);
	default:
		return 0;
	}
}

int cbor_check(const uint8_t *data, size_t size)
{
	return cbor_check_names(data, size, NULL, NULL);
}

int cbor_check_names(const uint8_t *data, size_t size,
		     bool (*may_name)(const void *owner, uint32_t id), const void *owner)
{
	struct check c;

	if (size == 0)
		return CBOR_ERR_TRUNCATED;
	c.at = data;
	c.end = data + size;
	c.may_name = may_name;
	c.owner = owner;
	c.depth = 0; /* levels above it are not read */
	do {
		struct level *level = c.depth > 0 ? &c.levels[c.depth - 1] : NULL;
		bool key = level && level->map && level->left % 2 == 0;
		int r;

		if (level)
			level->left--;
		r = key ? check_key(&c, level) : check_item(&c);
		if (r < 0)
			return r;
		while (c.depth > 0 && c.levels[c.depth - 1].left == 0)
			c.depth--;
	} while (c.depth > 0);
	return c.at == c.end ? 0 : CBOR_ERR_TRAILING;
}
