/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options of methods, as lines of text or as a map from the wire: the first byte says which, and of which
 * method. What is accepted travels: read again from what was written of it, the same is written.
 */
#include <stdlib.h>
#include <string.h>

#include "connect/methods.h"
#include "parent/method_options.h"
#include "wire/cursor.h"
#include "wire/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static mitogen_error err;

static int set_lines(const struct connect_method *method, void *options, char *lines)
{
	int r = 0;

	for (char *line = lines; r == 0 && line; line = lines) {
		lines = strchr(line, '\n');
		if (lines)
			*lines++ = '\0';
		r = method_options_set(method->options, method->name, options, line, &err);
	}
	return r;
}

static int read_map(const struct connect_method *method, void *options, const uint8_t *data,
		    size_t size)
{
	struct cursor c = {data, data + size};

	if (cbor_check(data, size) < 0)
		return -1;
	return method_options_read(method->options, method->name, options, &c, &err);
}

static void write_map(const struct connect_method *method, const void *options,
		      struct mitogen_writer *w)
{
	method_options_write(method->options, options, w);
	REQUIRE(writer_finish(w) == 0);
}

static void travel(const struct connect_method *method, const void *options)
{
	void *copy = method_options_copy(method->options, method->options_size, options);
	void *there = method_options_new(method->options_size);
	struct mitogen_writer w = {0}, again = {0};

	REQUIRE(copy && there);
	write_map(method, copy, &w);
	REQUIRE(read_map(method, there, w.data, w.size) == 0);
	REQUIRE(method_options_check(method->options, method->name, there, &err) == 0);
	write_map(method, there, &again);
	REQUIRE(w.size == again.size && memcmp(w.data, again.data, w.size) == 0);
	writer_clear(&w);
	writer_clear(&again);
	method_options_free(method->options, copy);
	method_options_free(method->options, there);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct connect_method *method;
	size_t count = 0;
	char *lines;
	void *options;
	int r;

	if (size == 0)
		return 0;
	while (connect_methods[count])
		count++;
	method = connect_methods[data[0] / 2 % count];
	options = method_options_new(method->options_size);
	lines = malloc(size);
	REQUIRE(options && lines);
	memcpy(lines, data + 1, size - 1);
	lines[size - 1] = '\0';
	r = data[0] % 2 ? read_map(method, options, data + 1, size - 1)
			: set_lines(method, options, lines);
	if (r == 0 && method_options_check(method->options, method->name, options, &err) == 0)
		travel(method, options);
	method_options_free(method->options, options);
	free(lines);
	return 0;
}
