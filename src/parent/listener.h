/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A unix socket by which processes of the same user join a router. Router lock, any thread, unless it
 * says otherwise.
 */
#pragma once

#include <mitogen/types.h>
#include <stdint.h>

#include "base/list.h"

struct listener;
struct router;
struct socket_place;

struct listener_options {
	int joined_max;
	int timeout_ms;  /* that a process has to say who it is */
	int shutdown_ms; /* see struct joiners */
};

/* Listens on fd, a socket that was made at place; takes both over. NULL with err set. */
struct listener *listener_open(struct router *router, struct socket_place *place, int fd,
			       const struct listener_options *options, mitogen_error *err);
uint32_t listener_ref(const struct listener *listener);
struct listener *listener_find(const struct router *router, uint32_t ref); /* or NULL */
const char *listener_path(const struct listener *listener);
/* Removes the socket; those that have joined stay. */
void listener_close(struct listener *listener);
