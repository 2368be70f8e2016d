/* SPDX-License-Identifier: BSD-3-Clause */
/* The arguments of the builtin exec, decoded. */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stdint.h>

struct exec_request {       /* strings and arrays belong to it; exec_request_clear frees them */
	char **argv, **env; /* NULL-terminated; env is the whole environment */
	char *path;         /* of the program: found in PATH */
	char *cwd;          /* or NULL */
	bool no_stdin;
	int timeout_ms; /* 0: none */
	uint32_t caller_id, stdout_handle, stderr_handle;
};

struct mitogen_message;

/* environment: what the changes in the request apply to; NULL-terminated. 0, or a negative code with
 * err set: MITOGEN_ERR_ARGUMENT, _MEMORY, or _SYSTEM when there is no such
 * program. ret can be cleared in any case. */
int exec_request_read(const struct mitogen_message *m, char *const *environment,
		      struct exec_request *ret, mitogen_error *err);
void exec_request_clear(struct exec_request *request);
