/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * many COUNT TURNS [AGENT]: so many children at the same time, each running this program, or the agent.
 * How long until each has answered a call; what they and this process take then, the sum of their
 * proportional set sizes; how long the same call to each takes, all answers in; and until all of them
 * are gone. The agent has no functions but its builtins, and lets nobody but root look at its memory.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "memory.h"
#include "sampler.h"

#define BROADCASTS 20

struct many {
	struct series ready, memory, broadcast, gone;
	char names[4][64];
	mitogen_context *children;
	long count;
	const char *agent; /* or NULL */
};

static int call(const struct many *many, long i, mitogen_receiver receiver, mitogen_error *error)
{
	if (many->agent)
		return mitogen_call_async(many->children[i], "mitogen.ping", receiver, NULL, error);
	return mitogen_call_async(many->children[i], sampler_nothing, receiver, NULL, error);
}

/* Milliseconds: calls each once and waits for all answers. */
static double call_all(const struct many *many, mitogen_receiver receiver, mitogen_error *error)
{
	double start = sampler_now_us();
	MITOGEN_AUTO(message, m);
	mitogen_cursor nil;

	for (long i = 0; i < many->count; i++)
		sampler_check(call(many, i, receiver, error), error);
	for (long i = 0; i < many->count; i++) {
		sampler_check(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, error), error);
		sampler_check(mitogen_read(m, error, &nil), error);
	}
	return (sampler_now_us() - start) / 1e3;
}

static void sample(struct many *many, mitogen_error *error)
{
	double start = sampler_now_us();
	mitogen_router router = mitogen_router_new(error, .image = many->agent);
	mitogen_receiver receiver = mitogen_receiver_new(router, error);

	for (long i = 0; i < many->count; i++)
		many->children[i] = mitogen_local(router, error);
	call_all(many, receiver, error);
	sampler_add(&many->ready, (sampler_now_us() - start) / 1e3);
	if (!many->agent || geteuid() == 0)
		sampler_add(&many->memory, memory_family_kb() * 1024 / 1e6);
	for (int i = 0; i < BROADCASTS; i++)
		sampler_add(&many->broadcast, call_all(many, receiver, error));
	start = sampler_now_us();
	mitogen_router_close(router);
	sampler_add(&many->gone, (sampler_now_us() - start) / 1e3);
}

static void name(struct many *many, int i, struct series *series, const char *what)
{
	snprintf(many->names[i], sizeof(many->names[i]), "many-%ld.%s.%s", many->count, what,
		 many->agent ? "agent" : "self");
	series->name = many->names[i];
}

int main(int argc, char **argv)
{
	struct many many = {0};
	mitogen_error error = {0};

	mitogen_init(argc, argv);
	if (argc < 3 || argc > 4 || (many.count = atol(argv[1])) < 1)
		errx(1, "usage: many COUNT TURNS [AGENT]");
	many.agent = argv[3];
	many.children = calloc((size_t)many.count, sizeof(*many.children));
	if (!many.children)
		err(1, "children");
	if (memory_allow_descriptors() < (unsigned long)many.count * 4 + 100) {
		fprintf(stderr, "many: skipped, too few descriptors for %ld children\n",
			many.count);
		return 0;
	}
	name(&many, 0, &many.ready, "ready");
	name(&many, 1, &many.memory, "memory");
	name(&many, 2, &many.broadcast, "broadcast");
	name(&many, 3, &many.gone, "gone");
	for (long turn = atol(argv[2]); turn > 0; turn--)
		sample(&many, &error);
	sampler_print(&many.ready);
	if (many.memory.count > 0)
		sampler_print(&many.memory);
	sampler_print(&many.broadcast);
	sampler_print(&many.gone);
	free(many.children);
	return 0;
}
