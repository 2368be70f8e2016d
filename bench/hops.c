/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls to a context 3 and 10 hops below this process, against a small message through a chain of as
 * many processes and back. Once all are on CPU 0, once each is on another CPU than the one above it.
 * And 16 MiB of bytes as an argument 3 hops away, against as many through such a chain; there every
 * process runs where it likes.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "pipes.h"
#include "sampler.h"

#define MESSAGE  64
#define HOPS_MAX 10
#define TURNS    10
#define CALLS    50 /* in a turn */
#define BULK     (16u << 20)
#define BULKS    10

struct chain {
	struct series by_pipe, by_call;
	int hops, cpu_count;
	struct pipes pipes;
	mitogen_context last;
};

#define NAMED(text, hop_count, cpus)                                                               \
	{                                                                                          \
		.by_pipe = {.name = text ".pipe"}, .by_call = {.name = text ".ours"},              \
		.hops = (hop_count), .cpu_count = (cpus)                                           \
	}

static int take(mitogen_message *m, mitogen_error *error) /* runs in the last one */
{
	mitogen_bytes data;

	return mitogen_read(m, error, &data);
}
MITOGEN_EXPORT(take, MITOGEN_BYTES);

/* The last of so many contexts, each below the other. */
static mitogen_context nest(mitogen_router router, int hops, const int *cpus, mitogen_error *error)
{
	mitogen_context context = mitogen_self(router);

	for (int i = 0; i < hops; i++) {
		context = mitogen_local(context, error);
		if (cpus)
			sampler_check(
				mitogen_call(context, sampler_pin_child, NULL, error, cpus[i]),
				error);
		else
			sampler_check(mitogen_context_wait(context, error), error);
	}
	return context;
}

static void open_chain(struct chain *chain, mitogen_router router, mitogen_error *error)
{
	int cpus[HOPS_MAX];

	for (int i = 0; i < chain->hops; i++)
		cpus[i] = (i + 1) % chain->cpu_count;
	chain->pipes = pipes_start((size_t)chain->hops, cpus, MESSAGE, MESSAGE);
	chain->last = nest(router, chain->hops, cpus, error);
}

static void sample_chain(struct chain *chain, mitogen_error *error)
{
	static const char message[MESSAGE];

	for (int i = 0; i < CALLS; i++) {
		double start = sampler_now_us();

		pipes_pass(&chain->pipes, message);
		sampler_add(&chain->by_pipe, sampler_now_us() - start);
	}
	for (int i = 0; i < CALLS; i++) {
		double start = sampler_now_us();

		sampler_check(mitogen_call(chain->last, sampler_nothing, NULL, error), error);
		sampler_add(&chain->by_call, sampler_now_us() - start);
	}
}

static double rate(double start)
{
	return BULK / (sampler_now_us() - start) * 1e6 / (1 << 20);
}

static void sample_bulk(mitogen_router router, mitogen_error *error)
{
	struct series by_pipe = {.name = "hops-3.bulk.pipe"};
	struct series by_call = {.name = "hops-3.bulk.ours"};
	struct pipes pipes = pipes_start(3, NULL, BULK, 1);
	mitogen_context last = nest(router, 3, NULL, error);
	char *data = malloc(BULK);

	if (!data)
		err(1, "data");
	memset(data, 'x', BULK);
	for (int i = 0; i <= BULKS; i++) {
		double start = sampler_now_us();

		pipes_pass(&pipes, data);
		if (i > 0) /* the first one brings memory in */
			sampler_add(&by_pipe, rate(start));
		start = sampler_now_us();
		sampler_check(mitogen_call(last, take, NULL, error, mitogen_bytes_of(data, BULK)),
			      error);
		if (i > 0)
			sampler_add(&by_call, rate(start));
	}
	free(data);
	sampler_print(&by_pipe);
	sampler_print(&by_call);
}

int main(int argc, char **argv)
{
	struct chain chains[] = {
		NAMED("hops-3.one-cpu", 3, 1),
		NAMED("hops-3.two-cpus", 3, 2),
		NAMED("hops-10.one-cpu", 10, 1),
		NAMED("hops-10.two-cpus", 10, 2),
	};
	const size_t count = sizeof(chains) / sizeof(chains[0]);
	mitogen_error error = {0};
	mitogen_router router = mitogen_start(argc, argv, &error);

	sample_bulk(router, &error);
	sampler_pin(0);
	for (size_t i = 0; i < count; i++)
		open_chain(&chains[i], router, &error);
	for (int turn = 0; turn < TURNS; turn++)
		for (size_t i = 0; i < count; i++)
			sample_chain(&chains[i], &error);
	for (size_t i = 0; i < count; i++) {
		sampler_print(&chains[i].by_pipe);
		sampler_print(&chains[i].by_call);
	}
	return mitogen_finish(router, &error);
}
