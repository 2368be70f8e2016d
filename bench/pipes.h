/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chain of processes that pass bytes on through pipes, down to the last and back: the least that so
 * many processes can do. Each has a pipe from and to its neighbours; none does anything else.
 */
#pragma once

#include <stddef.h>

struct pipes {
	int to, from; /* the first process */
	size_t size, answer;
};

/* Starts them; they end with this process. cpus: the one of each, or NULL: any. Each passes size bytes
 * on downwards, then answer bytes, which the last one makes, upwards. */
struct pipes pipes_start(size_t length, const int *cpus, size_t size, size_t answer);
/* Sends size bytes of data through the chain and waits for the answer. */
void pipes_pass(const struct pipes *pipes, const char *data);
