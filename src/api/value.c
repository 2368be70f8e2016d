/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/value.h"

#include <mitogen/mitogen.h>
#include <string.h>

#include "api/handle.h"
#include "base/error.h"
#include "base/sys.h"
#include "core/context.h"
#include "wire/cbor.h"
#include "wire/writer.h"

mitogen_value mitogen_nil(void)
{
	return (mitogen_value){.type = MITOGEN_NIL};
}

mitogen_value mitogen_text(const char *text, size_t size)
{
	return (mitogen_value){.type = MITOGEN_TEXT, .as.bytes = {text, size}};
}

mitogen_value mitogen_value_string(const char *x)
{
	return x ? mitogen_text(x, strlen(x)) : mitogen_nil();
}

mitogen_value mitogen_path(const char *string)
{
	if (!string)
		return mitogen_nil();
	return (mitogen_value){.type = MITOGEN_BYTES, .as.bytes = {string, strlen(string)}};
}

mitogen_value mitogen_blob(const void *data, size_t size)
{
	return (mitogen_value){.type = MITOGEN_BLOB, .as.bytes = {data, size}};
}

mitogen_value mitogen_empty_list(void)
{
	return (mitogen_value){.type = MITOGEN_LIST};
}

mitogen_value mitogen_empty_map(void)
{
	return (mitogen_value){.type = MITOGEN_MAP};
}

mitogen_bytes mitogen_bytes_of(const void *data, size_t size)
{
	return (mitogen_bytes){data, size};
}

mitogen_secret mitogen_secret_of(const char *string)
{
	return (mitogen_secret){string, string ? strlen(string) : 0};
}

static void write_context(struct mitogen_writer *w, mitogen_context context)
{
	uint32_t id = mitogen_context_id(context);

	if (id == UINT32_MAX)
		writer_nil(w);
	else
		writer_context(w, id);
}

static void write_sender(struct mitogen_writer *w, mitogen_sender sender)
{
	if (sender.router == 0)
		writer_nil(w);
	else
		writer_sender(w, sender.context, sender.handle);
}

/* A NULL with a size is a mistake that would crash. */
static void check_pointer(struct mitogen_writer *w, const mitogen_value *value)
{
	const int strings = MITOGEN_TEXT | MITOGEN_BYTES | MITOGEN_BLOB | MITOGEN_SECRET;

	if (value->type & strings && !value->as.bytes.data && value->as.bytes.size > 0 && !w->error)
		w->error = CBOR_ERR_TYPE;
}

static void write_value(struct mitogen_writer *w, const mitogen_value *value)
{
	check_pointer(w, value);
	switch ((int)value->type) {
	case 0:
		if (value->as.writer)
			writer_append(w, value->as.writer);
		else
			w->error = w->error ? w->error : CBOR_ERR_MEMORY;
		break;
	case MITOGEN_NIL:
		writer_nil(w);
		break;
	case MITOGEN_BOOL:
		writer_bool(w, value->as.boolean);
		break;
	case MITOGEN_INT:
		if (value->is_unsigned)
			writer_uint(w, value->as.u);
		else
			writer_int(w, value->as.i);
		break;
	case MITOGEN_DOUBLE:
		writer_double(w, value->as.real);
		break;
	case MITOGEN_TEXT:
		writer_text(w, value->as.bytes.data, value->as.bytes.size);
		break;
	case MITOGEN_BYTES:
		writer_bytes(w, value->as.bytes.data, value->as.bytes.size);
		break;
	case MITOGEN_BLOB:
		writer_blob(w, value->as.bytes.data, value->as.bytes.size);
		break;
	case MITOGEN_SECRET:
		writer_secret(w, value->as.bytes.data, value->as.bytes.size);
		break;
	case MITOGEN_CONTEXT:
		write_context(w, value->as.context);
		break;
	case MITOGEN_SENDER:
		write_sender(w, value->as.sender);
		break;
	case MITOGEN_LIST:
		writer_begin_list(w);
		values_write(w, value->as.items, value->count);
		writer_end(w);
		break;
	case MITOGEN_MAP:
		writer_begin_map(w);
		values_write(w, value->as.items, value->count);
		writer_end(w);
		break;
	default:
		w->error = w->error ? w->error : CBOR_ERR_TYPE;
	}
}

void values_write(struct mitogen_writer *w, const mitogen_value *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		write_value(w, &values[i]);
}

size_t values_count(const mitogen_value *values, size_t count)
{
	size_t items = 0;

	for (size_t i = 0; i < count; i++) {
		if (values[i].type != 0)
			items++;
		else if (values[i].as.writer)
			items += values[i].as.writer->items;
	}
	return items;
}

int values_fail(int writer_error, const char *what, mitogen_error *err)
{
	int code = writer_error == CBOR_ERR_MEMORY    ? MITOGEN_ERR_MEMORY
		   : writer_error == CBOR_ERR_TOO_BIG ? MITOGEN_ERR_TOO_BIG
						      : MITOGEN_ERR_TYPE;

	return error_set(err, code, "%s: %s", what, cbor_error_text(writer_error));
}

/* ---- The public writer ---- */

mitogen_writer *mitogen_writer_new(void)
{
	struct mitogen_writer *w = sys.malloc(sizeof(*w));

	if (w)
		writer_init(w, 0, 0);
	return w;
}

void mitogen_writer_free(mitogen_writer *w)
{
	if (!w)
		return;
	writer_clear(w);
	sys.free(w);
}

void mitogen_begin_list(mitogen_writer *w)
{
	if (w)
		writer_begin_list(w);
}

void mitogen_begin_map(mitogen_writer *w)
{
	if (w)
		writer_begin_map(w);
}

void mitogen_end(mitogen_writer *w)
{
	if (w)
		writer_end(w);
}

void mitogen_write_with(mitogen_writer *w, const mitogen_value *values, size_t count)
{
	if (w)
		values_write(w, values, count);
}
