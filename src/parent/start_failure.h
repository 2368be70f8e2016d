/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a child did not come up, for a person. */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>

#include "parent/connection.h"
#include "parent/output.h"

struct start_failure {
	const char *path; /* of the context */
	const struct connect_method *method;
	const struct connect_options *options;
	const struct output *output; /* what was printed */
	bool is_logging_in;          /* the first stage has not answered */
	bool is_let_in;              /* but the tool has logged in */
	bool is_echoing;             /* it asks where the answer would be shown */
	bool has_status;
	int status; /* of the process, as of waitpid */
};

/* Its process has ended, as end tells: "exited with status 3". */
void start_failure_end(const struct start_failure *failure, const char *end, mitogen_error *ret);
/* It took too long. */
void start_failure_time_out(const struct start_failure *failure, mitogen_error *ret);
/* For another reason, which error holds: adds what failed, and what was printed. */
void start_failure_place(const struct start_failure *failure, mitogen_error *error);
