/* SPDX-License-Identifier: BSD-3-Clause */
/* A subcommand of the command `mitogen`; main.c has the table of them. */
#pragma once

/* Exit statuses of our own, next to those that we pass on from a program. mitogen-run(1) has them. */
enum exit_status {
	EXIT_FAILED = 1, /* a program of several failed, or our output could not be written */
	EXIT_USAGE = 2,  /* nothing was started */
	EXIT_TARGET = 4, /* a target could not be reached, or was lost */
	EXIT_TIMEOUT = 124,
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127,
	EXIT_SIGNAL = 128, /* and the signal's number on top */
};

struct command {
	const char *name;
	const char *summary;               /* one line for the list of commands */
	const char *help;                  /* what --help prints */
	int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit status */
};

extern const struct command command_run, command_tree, command_ping, command_stats;
