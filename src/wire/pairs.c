/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/pairs.h"

#include <string.h>

#include "base/sys.h"
#include "wire/cursor.h"

struct pair {
	const uint8_t *at;
	size_t key_size, size; /* the latter with the value */
};

/* No encoding starts another, so that keys which agree in all that both have are equal. */
static int compare(const struct pair *a, const struct pair *b)
{
	return memcmp(a->at, b->at, a->key_size < b->key_size ? a->key_size : b->key_size);
}

static int read_pair(struct cursor *c, struct pair *ret)
{
	const uint8_t *at = c->at;
	size_t key_size;
	int r;

	if (cursor_type(c) != CBOR_TEXT)
		return CBOR_ERR_KEY;
	if ((r = cursor_skip(c)) < 0)
		return r;
	key_size = (size_t)(c->at - at);
	if ((r = cursor_skip(c)) < 0)
		return r;
	*ret = (struct pair){at, key_size, (size_t)(c->at - at)};
	return 0;
}

/* 1: in order; 0: not; or an error. Keys are of the right type then. */
static int in_order(const uint8_t *data, size_t size, size_t count)
{
	struct cursor c = {data, data + size};
	struct pair last, pair;
	int sorted = 1;

	for (size_t i = 0; i < count; i++, last = pair) {
		int order, r = read_pair(&c, &pair);

		if (r < 0)
			return r;
		order = i > 0 ? compare(&last, &pair) : -1;
		if (order == 0)
			return CBOR_ERR_KEY;
		if (order > 0)
			sorted = 0;
	}
	return c.at == c.end ? sorted : CBOR_ERR_MALFORMED;
}

static void sift_down(struct pair *pairs, size_t at, size_t count)
{
	struct pair moved = pairs[at];

	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && compare(&pairs[child], &pairs[child + 1]) < 0)
			child++;
		if (compare(&moved, &pairs[child]) >= 0)
			break;
		pairs[at] = pairs[child];
	}
	pairs[at] = moved;
}

/* A heap: no recursion, no more memory, and no input that makes it slow. qsort promises none. */
static void sort(struct pair *pairs, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift_down(pairs, i, count);
	for (size_t end = count - 1; end > 0; end--) {
		struct pair largest = pairs[0];

		pairs[0] = pairs[end];
		pairs[end] = largest;
		sift_down(pairs, 0, end);
	}
}

static int reorder(uint8_t *data, size_t size, struct pair *pairs, size_t count, uint8_t *copy)
{
	struct cursor c = {copy, copy + size};
	uint8_t *to = data;

	memcpy(copy, data, size);
	for (size_t i = 0; i < count; i++)
		(void)read_pair(&c, &pairs[i]); /* in_order could, too */
	sort(pairs, count);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && compare(&pairs[i - 1], &pairs[i]) == 0)
			return CBOR_ERR_KEY;
		memcpy(to, pairs[i].at, pairs[i].size);
		to += pairs[i].size;
	}
	return 0;
}

int pairs_sort(uint8_t *data, size_t size, uint64_t items)
{
	size_t count = (size_t)(items / 2); /* an item takes a byte, so this fits */
	struct pair *pairs;
	int r;

	if (items % 2)
		return CBOR_ERR_KEY;
	if ((r = in_order(data, size, count)) != 0)
		return r < 0 ? r : 0;
	if (count > (SIZE_MAX - size) / sizeof(*pairs))
		return CBOR_ERR_MEMORY;
	pairs = sys.malloc(count * sizeof(*pairs) + size);
	if (!pairs)
		return CBOR_ERR_MEMORY;
	r = reorder(data, size, pairs, count, (uint8_t *)(pairs + count));
	explicit_bzero(pairs + count, size); /* there may be a secret among them */
	sys.free(pairs);
	return r;
}
