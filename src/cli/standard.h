/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Standard input, output and error. Other processes share their descriptions, so O_NONBLOCK is not
 * set on these: where it can be had, a description of our own of the same pipe or terminal is used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct standard {
	int fd;          /* to read or write, and to poll; -1: closed */
	bool is_socket;  /* a flag of each call keeps it from blocking */
	bool is_careful; /* may block: is written in pieces that poll promises room for */
	bool is_own;     /* a description of our own, non-blocking, to be closed */
};

/* Before anything else is opened: puts /dev/null in the place of those that are closed. Reading
 * gives the end of file then, writing to stdout EBADF, and what goes to stderr is lost. */
void standard_fill(void);
/* number: STDIN_FILENO and so on. */
void standard_open(struct standard *standard, int number);
/* Do stdout and stderr both write to the same file, pipe or terminal? */
bool standard_outputs_are_one(void);
/* As read and write; EAGAIN when poll has to be asked first. */
ssize_t standard_read(const struct standard *standard, void *data, size_t size);
ssize_t standard_write(const struct standard *standard, const void *data, size_t size);
/* Closes what was opened here; the standard descriptor itself stays. */
void standard_close(struct standard *standard);
/* Closes stdin for the whole process, so that who writes to it notices. */
void standard_close_input(struct standard *standard);
