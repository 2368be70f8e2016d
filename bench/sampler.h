/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What all benchmarks share: a clock, named series of samples, running a program, choosing a CPU.
 * A benchmark prints its series; bench/run.py calls it once a round and does the statistics.
 */
#pragma once

#include <mitogen/mitogen.h>
#include <stddef.h>

struct series {
	const char *name; /* "call.one-cpu.ours" */
	double *samples;
	size_t count, capacity;
};

double sampler_now_us(void);
void sampler_add(struct series *series, double sample);
/* A line of stdout: the name and all samples. Empties the series. */
void sampler_print(struct series *series);

/* Starts argv[0] with posix_spawn and waits for it. Microseconds. */
double sampler_run(const char *const argv[]);
/* Binds every thread of this process to one CPU; threads and children made later inherit it. */
void sampler_pin(int cpu);

/* Ends the benchmark with the text of error if r, what a function of the library returned, is
 * negative. */
void sampler_check(int r, const mitogen_error *error);

/* Exported functions: one does nothing, the other does sampler_pin(its argument). */
int sampler_nothing(mitogen_message *m, mitogen_error *error);
int sampler_pin_child(mitogen_message *m, mitogen_error *error);
