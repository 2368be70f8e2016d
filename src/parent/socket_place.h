/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the socket of a listener lies: in a directory of mode 0700 that is ours, so that nobody else can
 * get at it, or put another in its place.
 */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <sys/types.h>

struct socket_place { /* zeroed is valid and empty */
	char *path;
	const char *name; /* the last part of path */
	int directory;    /* its descriptor */
	bool has_made_directory;
	dev_t device; /* of the socket, */
	ino_t inode;  /* so that no other one is removed */
	pid_t owner;  /* a forked copy of this process removes nothing */
};

/* Makes a socket that listens at path, and its directory if that is missing; NULL: in a new directory
 * below $XDG_RUNTIME_DIR or /tmp. What a listener that has ended has left there is replaced; one that
 * is alive is an error. Returns the socket, or a code with err set; then nothing is left. */
int socket_place_make(const char *path, struct socket_place *ret, mitogen_error *err);
/* Removes the socket and, if we have made it, the directory. Before the socket is closed: then another
 * one could have its inode. */
void socket_place_clear(struct socket_place *place);
