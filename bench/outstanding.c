/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls a second when 10,000 are started before the first answer is looked at. */
#include "sampler.h"

#define CALLS 10000
#define TURNS 10

/* Calls a second. */
static double rate(mitogen_context child, mitogen_receiver receiver, mitogen_error *error)
{
	double start = sampler_now_us();
	MITOGEN_AUTO(message, m);
	mitogen_cursor nil;

	for (int i = 0; i < CALLS; i++)
		sampler_check(mitogen_call_async(child, sampler_nothing, receiver, NULL, error),
			      error);
	for (int i = 0; i < CALLS; i++) {
		sampler_check(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, error), error);
		sampler_check(mitogen_read(m, error, &nil), error);
	}
	return CALLS / (sampler_now_us() - start) * 1e6;
}

int main(int argc, char **argv)
{
	struct series series = {.name = "outstanding.ours"};
	mitogen_error error = {0};
	mitogen_router router = mitogen_start(argc, argv, &error);
	mitogen_context child = mitogen_local(router, &error);
	mitogen_receiver receiver = mitogen_receiver_new(router, &error);

	rate(child, receiver, &error); /* the first brings memory in */
	for (int turn = 0; turn < TURNS; turn++)
		sampler_add(&series, rate(child, receiver, &error));
	sampler_print(&series);
	return mitogen_finish(router, &error);
}
