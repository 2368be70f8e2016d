/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/stats.h"

#include <mitogen/mitogen.h>
#include <string.h>

#include "base/error.h"

#define FIRST offsetof(mitogen_counters, bytes_in)

_Static_assert(sizeof(mitogen_counters) == FIRST + sizeof(struct stats),
	       "the interface has the counters that there are");

/* A counter that another version of the library has, or the program's does not have, is left out. */
static void keep(mitogen_counters *ret, const char *name, uint64_t value)
{
	for (size_t i = 0; i < STATS_COUNT; i++) {
		size_t offset = FIRST + i * sizeof(value);

		if (offset + sizeof(value) <= ret->size && strcmp(stats_names[i], name) == 0)
			memcpy((char *)ret + offset, &value, sizeof(value));
	}
}

static int read_counters(mitogen_message *m, mitogen_counters *ret, mitogen_error *err)
{
	mitogen_cursor map, value;
	const char *name;
	uint64_t number;
	int r = mitogen_read(m, err, &map);

	while (r >= 0 && (r = mitogen_next(&map, err, &name, &value)) > 0) {
		r = mitogen_read(&value, err, &number);
		if (r >= 0)
			keep(ret, name, number);
	}
	return r;
}

int mitogen_stats(mitogen_context context, mitogen_counters *ret, mitogen_error *err)
{
	mitogen_counters read = {.size = ret->size};
	MITOGEN_AUTO(message, m);
	int r;

	if (ret->size < sizeof(ret->size) || ret->size > sizeof(read))
		return error_set(err, MITOGEN_ERR_USAGE,
				 "mitogen_counters: .size is not set, or of another version of the "
				 "library");
	r = mitogen_call(context, "mitogen.stats", &m, err);
	if (r == 0)
		r = read_counters(m, &read, err);
	if (r == 0)
		memcpy(ret, &read, read.size);
	return r;
}
