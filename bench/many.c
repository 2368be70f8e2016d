/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * many COUNT TURNS: so many children at the same time, each running this program. How long until each
 * has answered a call; what they and this process take then, the sum of their proportional set sizes;
 * how long the same call to each takes, all answers in; and until all of them are gone.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "memory.h"
#include "sampler.h"

#define BROADCASTS 20

struct many {
	struct series ready, memory, broadcast, gone;
	char names[4][64];
	mitogen_context *children;
	long count;
};

/* Milliseconds: calls each once and waits for all answers. */
static double call_all(const struct many *many, mitogen_receiver receiver, mitogen_error *error)
{
	double start = sampler_now_us();
	MITOGEN_AUTO(message, m);
	mitogen_cursor nil;

	for (long i = 0; i < many->count; i++)
		sampler_check(mitogen_call_async(many->children[i], sampler_nothing, receiver, NULL,
						 error),
			      error);
	for (long i = 0; i < many->count; i++) {
		sampler_check(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, error), error);
		sampler_check(mitogen_read(m, error, &nil), error);
	}
	return (sampler_now_us() - start) / 1e3;
}

static void sample(struct many *many, mitogen_error *error)
{
	double start = sampler_now_us();
	mitogen_router router = mitogen_router_new(error);
	mitogen_receiver receiver = mitogen_receiver_new(router, error);

	for (long i = 0; i < many->count; i++)
		many->children[i] = mitogen_local(router, error);
	call_all(many, receiver, error);
	sampler_add(&many->ready, (sampler_now_us() - start) / 1e3);
	sampler_add(&many->memory, memory_family_kb() * 1024 / 1e6);
	for (int i = 0; i < BROADCASTS; i++)
		sampler_add(&many->broadcast, call_all(many, receiver, error));
	start = sampler_now_us();
	mitogen_router_close(router);
	sampler_add(&many->gone, (sampler_now_us() - start) / 1e3);
}

static void name(struct series *series, char *text, size_t size, long count, const char *what)
{
	snprintf(text, size, "many-%ld.%s.ours", count, what);
	series->name = text;
}

int main(int argc, char **argv)
{
	struct many many = {.count = argc == 3 ? atol(argv[1]) : 0};
	mitogen_error error = {0};

	mitogen_init(argc, argv);
	if (many.count < 1)
		errx(1, "usage: many COUNT TURNS");
	many.children = calloc((size_t)many.count, sizeof(*many.children));
	if (!many.children)
		err(1, "children");
	memory_allow_descriptors();
	name(&many.ready, many.names[0], sizeof(many.names[0]), many.count, "ready");
	name(&many.memory, many.names[1], sizeof(many.names[1]), many.count, "memory");
	name(&many.broadcast, many.names[2], sizeof(many.names[2]), many.count, "broadcast");
	name(&many.gone, many.names[3], sizeof(many.names[3]), many.count, "gone");
	for (long turn = atol(argv[2]); turn > 0; turn--)
		sample(&many, &error);
	sampler_print(&many.ready);
	sampler_print(&many.memory);
	sampler_print(&many.broadcast);
	sampler_print(&many.gone);
	free(many.children);
	return 0;
}
