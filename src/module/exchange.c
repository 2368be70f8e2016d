/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/exchange.h"

#include <string.h>

#include "core/message.h"
#include "wire/cursor.h"
#include "wire/handles.h"

bool module_name_is(const struct module_name *a, const struct module_name *b)
{
	return strcmp(a->kind, b->kind) == 0 && strcmp(a->name, b->name) == 0;
}

static struct mitogen_message *finish(struct mitogen_writer *w, uint32_t handle, uint8_t flags)
{
	int ignored;
	struct mitogen_message *m;

	writer_end(w);
	m = message_from_writer(w, &ignored);
	if (m) {
		m->header.handle = handle;
		m->header.flags = flags;
	}
	return m;
}

static void begin(struct mitogen_writer *w, const struct module_name *name)
{
	message_writer_init(w);
	writer_begin_list(w);
	writer_string(w, name->kind);
	writer_string(w, name->name);
}

struct mitogen_message *exchange_make_request(const struct module_name *name)
{
	struct mitogen_writer w;

	begin(&w, name);
	return finish(&w, HANDLE_GET_MODULE, 0);
}

struct mitogen_message *exchange_make_answer(const struct module_name *name,
					     const uint8_t hash[SHA256_SIZE], const void *content,
					     size_t size)
{
	struct mitogen_writer w;

	begin(&w, name);
	writer_bytes(&w, hash, SHA256_SIZE);
	writer_bytes(&w, content, size);
	return finish(&w, HANDLE_LOAD_MODULE, FRAME_BULK);
}

struct mitogen_message *exchange_make_failure(const struct module_name *name, int code,
					      const char *text)
{
	struct mitogen_writer w;

	begin(&w, name);
	writer_int(&w, code);
	message_write_text(&w, text);
	return finish(&w, HANDLE_LOAD_MODULE, FRAME_BULK);
}

/* A text that is not empty and has no NUL in it. */
static bool read_text(struct cursor *c, char *out, size_t size)
{
	const uint8_t *data;
	size_t length;

	if (cursor_string(c, CBOR_TEXT, &data, &length) < 0 || length == 0 || length >= size ||
	    memchr(data, '\0', length))
		return false;
	memcpy(out, data, length);
	out[length] = '\0';
	return true;
}

static bool read_name(struct cursor *c, uint64_t count, struct module_name *ret)
{
	uint64_t found;

	return cursor_list(c, &found) == 0 && found == count &&
	       read_text(c, ret->kind, sizeof(ret->kind)) &&
	       read_text(c, ret->name, sizeof(ret->name));
}

bool exchange_read_request(const uint8_t *data, size_t size, struct module_name *ret)
{
	struct cursor c = {data, data + size};

	return read_name(&c, 2, ret);
}

static bool read_failure(struct cursor *c, struct module_answer *ret)
{
	int64_t code;

	if (cursor_i64(c, &code) < 0 || code >= 0 || code < INT32_MIN)
		return false;
	ret->code = (int)code;
	return cursor_string(c, CBOR_TEXT, &ret->text, &ret->text_size) == 0;
}

bool exchange_read_answer(const uint8_t *data, size_t size, struct module_answer *ret)
{
	struct cursor c = {data, data + size};
	size_t hash_size;

	*ret = (struct module_answer){0};
	if (!read_name(&c, 4, &ret->name))
		return false;
	if (cursor_type(&c) == CBOR_INT)
		return read_failure(&c, ret);
	return cursor_string(&c, CBOR_BYTES, &ret->hash, &hash_size) == 0 &&
	       hash_size == SHA256_SIZE &&
	       cursor_string(&c, CBOR_BYTES, &ret->content, &ret->size) == 0;
}
