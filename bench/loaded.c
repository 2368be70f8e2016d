/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls to a context while a program there writes, or reads, as fast as it can through the same
 * streams, against the same calls before that: one context, and three of which each is in the one
 * before it.
 */
#include <err.h>
#include <pthread.h>
#include <string.h>

#include "sampler.h"

#define CALLS 2000
#define BEGUN (4u << 20) /* bytes; a transfer is under way */

static void sample_calls(struct series *series, mitogen_context context, mitogen_error *error)
{
	for (int i = 0; i < CALLS; i++) {
		double start = sampler_now_us();

		sampler_check(mitogen_call(context, sampler_nothing, NULL, error), error);
		sampler_add(series, sampler_now_us() - start);
	}
}

struct transfer {
	mitogen_receiver events;
	mitogen_process process;
	size_t bytes; /* atomic */
};

static void count(struct transfer *transfer, size_t bytes)
{
	__atomic_add_fetch(&transfer->bytes, bytes, __ATOMIC_RELAXED);
}

/* As much as there is room for. */
static void write_some(struct transfer *transfer, mitogen_error *error)
{
	static const char data[256 * 1024];
	ptrdiff_t n;

	do {
		n = mitogen_process_write(transfer->process, data, sizeof(data), error);
		count(transfer, n > 0 ? (size_t)n : 0);
	} while (n == sizeof(data));
}

/* Takes what comes, and writes where there is room, until the program has ended. */
static void *serve(void *argument)
{
	struct transfer *transfer = argument;
	mitogen_error error = {0};
	mitogen_message *m = NULL;
	mitogen_bytes bytes;

	while (mitogen_receiver_get(transfer->events, &m, MITOGEN_FOREVER, &error) > 0) {
		mitogen_event event = mitogen_message_event(m);

		if (event == MITOGEN_EVENT_EXIT)
			break;
		if (event == MITOGEN_EVENT_STDOUT && mitogen_read(m, &error, &bytes) == 0)
			count(transfer, bytes.size);
		if (event == MITOGEN_EVENT_STARTED || event == MITOGEN_EVENT_ROOM)
			write_some(transfer, &error);
	}
	mitogen_message_unref(m);
	return NULL;
}

static void sample_loaded(struct series *calls, struct series *rate, mitogen_context context,
			  const char *const *argv, mitogen_router router, mitogen_error *error)
{
	struct transfer transfer = {.events = mitogen_receiver_new(router, error)};
	pthread_t thread;
	size_t before;
	double start;

	transfer.process = mitogen_exec_with(context, argv, transfer.events, NULL, NULL, error);
	if (pthread_create(&thread, NULL, serve, &transfer) != 0)
		errx(1, "no thread");
	while ((before = __atomic_load_n(&transfer.bytes, __ATOMIC_RELAXED)) < BEGUN)
		sampler_check(mitogen_call(context, sampler_nothing, NULL, error), error);
	start = sampler_now_us();
	sample_calls(calls, context, error);
	sampler_add(rate, (double)(__atomic_load_n(&transfer.bytes, __ATOMIC_RELAXED) - before) /
				  (sampler_now_us() - start) * 1e6 / (1 << 20));
	sampler_check(mitogen_process_signal(transfer.process, 9, error), error);
	pthread_join(thread, NULL);
	mitogen_receiver_close(transfer.events);
}

int main(int argc, char **argv)
{
	static const char *const writer[] = {"yes", NULL};
	static const char *const reader[] = {"sh", "-c", "exec cat >/dev/null", NULL};
	struct series idle[] = {{.name = "loaded.1.idle"}, {.name = "loaded.3.idle"}};
	struct series from[] = {{.name = "loaded.1.from"}, {.name = "loaded.3.from"}};
	struct series to[] = {{.name = "loaded.1.to"}, {.name = "loaded.3.to"}};
	struct series from_rate[] = {{.name = "relay.1.from"}, {.name = "relay.3.from"}};
	struct series to_rate[] = {{.name = "relay.1.to"}, {.name = "relay.3.to"}};
	mitogen_error error = {0};
	mitogen_router router = mitogen_start(argc, argv, &error);
	mitogen_context context = mitogen_local(router, &error);

	for (int i = 0; i < 2; i++) {
		sample_calls(&idle[i], context, &error);
		sample_loaded(&from[i], &from_rate[i], context, writer, router, &error);
		sample_loaded(&to[i], &to_rate[i], context, reader, router, &error);
		sampler_print(&idle[i]);
		sampler_print(&from[i]);
		sampler_print(&to[i]);
		sampler_print(&from_rate[i]);
		sampler_print(&to_rate[i]);
		if (i == 0)
			context = mitogen_local(mitogen_local(context, &error), &error);
	}
	return mitogen_finish(router, &error);
}
