/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fork server: a copy of the program, made while that had one thread, which makes copies of itself when
 * it is asked to, and reaps them. It and its children hold none of the program's descriptors, and print
 * nothing that the program had in its buffers. It ends when whoever started it has, and the last child
 * that is to be waited for.
 */
#pragma once

#include <mitogen/types.h>
#include <stdint.h>
#include <sys/types.h>

struct fork_server {
	pid_t pid;  /* a child of ours */
	int socket; /* a stream of struct fork_packet in both directions; its end ends the server */
};

enum fork_packet_kind {
	/* to the server */
	FORK_START,   /* with three descriptors: the child's standard input, output and error */
	FORK_SIGNAL,  /* value: a signal for the child; negative: for its group */
	FORK_RELEASE, /* nobody waits for it any more, and nothing about it is told */
	/* from the server */
	FORK_STARTED, /* value: the PID */
	FORK_ENDED,   /* value: a status as core/process.h has it; the last about this child */
};

struct fork_packet {
	uint32_t kind;
	uint32_t number; /* of the child; given by who asks for it, never again */
	int32_t value;
};

/* Starts one. run_child is what a child does on its one thread, with default signals, once its standard
 * descriptors are there; it does not return. 0 and *ret, or a negative code with err set:
 * MITOGEN_ERR_USAGE if there is a second thread. */
int fork_server_start(void (*run_child)(void), struct fork_server *ret, mitogen_error *err);
/* Ends one that was asked for nothing yet, and reaps it. */
void fork_server_stop(struct fork_server *server);
