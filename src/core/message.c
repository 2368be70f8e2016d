/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/message.h"

#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/sys.h"
#include "wire/cursor.h"
#include "wire/utf8.h"

struct message_string {
	struct message_string *next;
	size_t size;
	bool secret;
	char text[];
};

static const mitogen_error no_memory = {.code = MITOGEN_ERR_MEMORY, .text = "out of memory"};

static void init(struct mitogen_message *m, size_t size)
{
	memset(m, 0, MESSAGE_HEADROOM);
	list_init(&m->link);
	m->references = 1;
	m->size = size;
	m->header.kind = FRAME_CBOR;
}

struct mitogen_message *message_new(size_t size)
{
	struct mitogen_message *m = sys.malloc(sizeof(*m) + size);

	if (m)
		init(m, size);
	return m;
}

void message_writer_init(struct mitogen_writer *w)
{
	writer_init(w, MESSAGE_HEADROOM, MESSAGE_SIZE_MAX);
}

struct mitogen_message *message_from_writer(struct mitogen_writer *w, int *ret_error)
{
	struct mitogen_message *m = NULL;
	int error;

	if (!w->data)
		writer_nil(w);
	error = writer_finish(w);
	if (error == 0) {
		m = (struct mitogen_message *)(void *)w->data;
		init(m, w->size - w->headroom);
		m->is_secret = w->has_secret;
		w->data = NULL;
	} else {
		*ret_error = error;
	}
	writer_clear(w);
	return m;
}

void message_write_text(struct mitogen_writer *w, const char *text)
{
	char escaped[sizeof(((mitogen_error *)NULL)->text)];
	size_t size = strlen(text);

	if (!utf8_valid((const uint8_t *)text, size))
		text = escape_text(escaped, sizeof(escaped), text, size);
	writer_string(w, text);
}

struct mitogen_message *message_slice(struct mitogen_message *m, size_t offset, size_t size)
{
	struct mitogen_message *piece = sys.malloc(sizeof(*piece));

	if (!piece)
		return NULL;
	init(piece, size);
	piece->header = m->header;
	piece->whole = message_ref(m);
	piece->slice = offset;
	return piece;
}

void message_wipe(struct mitogen_message *m)
{
	if (m->is_secret && !m->whole)
		explicit_bzero(m->payload, m->size);
}

/* With more room for its payload; NULL: no memory, nothing was done. */
static struct mitogen_message *grow(struct mitogen_message *m, size_t capacity)
{
	struct mitogen_message *grown;

	if (!m->is_secret)
		return sys.realloc(m, sizeof(*m) + capacity);
	grown = sys.malloc(sizeof(*m) + capacity); /* realloc would leave a copy behind */
	if (!grown)
		return NULL;
	memcpy(grown, m, sizeof(*m) + m->size);
	message_wipe(m);
	sys.free(m);
	return grown;
}

struct mitogen_message *message_join(struct mitogen_message *first, struct mitogen_message *more)
{
	size_t size = first->size + more->size;
	struct mitogen_message *joined = first;

	if (size > first->capacity) { /* doubled, so that all in all each byte is copied once */
		size_t capacity = 2 * size;

		joined = grow(first, capacity);
		if (!joined)
			return NULL;
		joined->capacity = capacity;
		list_init(&joined->link);
	}
	memcpy(joined->payload + joined->size, more->payload, more->size);
	joined->size = size;
	joined->header.flags = more->header.flags;
	joined->header.reply_to = more->header.reply_to;
	message_unref(more);
	return joined;
}

struct mitogen_message *message_new_dead(int code, const char *text)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	writer_begin_list(&w);
	writer_int(&w, code);
	writer_string(&w, text);
	writer_end(&w);
	m = message_from_writer(&w, &error);
	if (m)
		m->header.kind = FRAME_DEAD;
	return m;
}

struct mitogen_message *message_new_call_error(const mitogen_error *error)
{
	struct mitogen_writer w;
	int ignored;

	message_writer_init(&w);
	writer_call_error_tag(&w);
	writer_list_head(&w, 5);
	writer_int(&w, error->code);
	writer_int(&w, error->sys);
	message_write_text(&w, error->type);
	message_write_text(&w, error->where);
	message_write_text(&w, error->text);
	return message_from_writer(&w, &ignored);
}

struct mitogen_message *message_ref(struct mitogen_message *m)
{
	__atomic_add_fetch(&m->references, 1, __ATOMIC_RELAXED);
	return m;
}

static void free_strings(struct message_string *string)
{
	while (string) {
		struct message_string *next = string->next;

		if (string->secret)
			explicit_bzero(string->text, string->size);
		sys.free(string);
		string = next;
	}
}

static void drop_failure(struct mitogen_message *m)
{
	if (m->failure != &no_memory)
		sys.free(m->failure);
}

/* Was it the last reference? */
static bool drop_reference(struct mitogen_message *m)
{
	return m && __atomic_sub_fetch(&m->references, 1, __ATOMIC_ACQ_REL) == 0;
}

static void destroy(struct mitogen_message *m)
{
	message_wipe(m);
	free_strings(m->strings);
	message_unref(m->whole);
	drop_failure(m);
	sys.free(m);
}

void message_unref(struct mitogen_message *m)
{
	if (drop_reference(m))
		destroy(m);
}

void message_release(struct router *router, struct mitogen_message *m)
{
	if (!drop_reference(m))
		return;
	if (m->released)
		m->released(router, m);
	destroy(m);
}

void message_unref_all(struct list *messages)
{
	struct list *node;

	while ((node = list_pop(messages)) != NULL)
		message_unref(LIST_OWNER(node, struct mitogen_message, link));
}

void message_set_failure(struct mitogen_message *m, const mitogen_error *failure)
{
	drop_failure(m);
	m->failure = sys.malloc(sizeof(*failure));
	if (m->failure)
		*m->failure = *failure;
	else
		m->failure =
			(mitogen_error *)(uintptr_t)&no_memory; /* never written, never freed */
}

const mitogen_error *message_failure(const struct mitogen_message *m)
{
	return m->failure;
}

const char *message_lend_string(struct mitogen_message *m, const void *data, size_t size,
				bool secret)
{
	struct message_string *string = sys.malloc(sizeof(*string) + size + 1);

	if (!string)
		return NULL;
	if (size > 0)
		memcpy(string->text, data, size);
	string->text[size] = '\0';
	string->size = size;
	string->secret = secret;
	string->next = m->strings;
	m->strings = string;
	return string->text;
}

bool message_is_call_error(const struct mitogen_message *m)
{
	struct cursor c = {m->payload, m->payload + m->size};

	return m->header.kind == FRAME_CBOR && cursor_type(&c) == CBOR_CALL_ERROR;
}

/* The next text of the list, safe to print; "" if it is something else. */
static void take_text(struct cursor *c, char *out, size_t size)
{
	const uint8_t *data;
	size_t length;

	if (cursor_string(c, CBOR_TEXT, &data, &length) == 0) {
		escape_again(out, size, data, length);
		return;
	}
	out[0] = '\0';
	cursor_skip(c);
}

static int take_code(struct cursor *c)
{
	int64_t code;

	/* positive numbers would read as success */
	return cursor_i64(c, &code) == 0 && code < 0 && code > -1000 ? (int)code : MITOGEN_ERR_CALL;
}

void message_decode_failure(const struct mitogen_message *m, mitogen_error *err)
{
	struct cursor c = {m->payload, m->payload + m->size};
	int64_t number = 0;
	uint64_t count;

	if (m->failure) {
		*err = *m->failure;
		return;
	}
	*err = (mitogen_error){.code = MITOGEN_ERR_CLOSED, .text = "the other end has closed"};
	if (m->size == 0)
		return;
	if (m->header.kind == FRAME_DEAD) {
		if (cursor_list(&c, &count) == 0 && count == 2) {
			err->code = take_code(&c);
			take_text(&c, err->text, sizeof(err->text));
		}
		return;
	}
	if (cursor_call_error_tag(&c) < 0 || cursor_list(&c, &count) < 0 || count != 5)
		return;
	err->code = take_code(&c);
	if (cursor_i64(&c, &number) == 0 && number > 0 && number < 4096)
		err->sys = (int)number;
	take_text(&c, err->type, sizeof(err->type));
	take_text(&c, err->where, sizeof(err->where));
	take_text(&c, err->text, sizeof(err->text));
}
