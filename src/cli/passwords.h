/* SPDX-License-Identifier: BSD-3-Clause */
/* The passwords that hops may need: from the person at the terminal, or from a file. */
#pragma once

#include <stdbool.h>

#include "cli/target.h"

struct password_options {
	bool ask_login, ask_become;
	const char *file; /* NULL: none */
};

struct passwords {
	char *login, *become;        /* NULL: none */
	int login_line, become_line; /* of the file; 0: the person has given it */
};

/* Asks for what the targets may need, on the terminal, and gives it to their hops. 0; or an exit status,
 * having said why. */
int passwords_get(struct passwords *ret, const struct password_options *options,
		  const struct targets *targets);
/* Wipes them. */
void passwords_clear(struct passwords *passwords);
