/* SPDX-License-Identifier: BSD-3-Clause */
/* What somebody asks for who starts a child. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct connect_method;

struct connect_options {
	const char *name;         /* the last part of the path; NULL: made from the method */
	const char *image;        /* the program; NULL: this one */
	char *const *environment; /* that it gets; NULL: ours, of now */
	int connect_timeout_ms;
	int shutdown_ms;
	bool fork_server; /* the child gets one */
	const char
		*platform; /* of the target, if it is known from before: "linux-x86_64"; or NULL */
	const void
		*own; /* the method's public struct, with options for itself; NULL: it has none */
	bool on_terminal;   /* of a copy: the tool was run before, and wants a terminal */
	uint32_t marker[2]; /* of a copy: random, for a prompt that nobody can guess */
};

/* A deep copy, but for the name, which it has not; what holds where nothing was given is filled in. 0, or
 * MITOGEN_ERR_MEMORY; connect_options_clear in any case. */
int connect_options_copy(const struct connect_method *method, const struct connect_options *options,
			 struct connect_options *ret);
/* Of a copy, or of zeroes. */
void connect_options_clear(const struct connect_method *method, struct connect_options *copy);
void connect_options_forget_secrets(const struct connect_method *method,
				    struct connect_options *copy);
void connect_options_drop_environment(struct connect_options *copy);
