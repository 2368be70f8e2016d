/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/start_failure.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "parent/executable.h"

#define LOADER_FAILED 127 /* what a program exits with whose libraries are missing */

void start_failure_place(const struct start_failure *failure, mitogen_error *error)
{
	char quote[OUTPUT_LINE_MAX];
	size_t used;

	error_prefix(error, "%s could not be started: ", failure->path);
	used = strlen(error->text);
	snprintf(error->text + used, sizeof(error->text) - used, "%s",
		 output_quote(failure->output, quote, sizeof(quote)));
}

/* What may be wrong with an image that ran and did not answer. */
static const char *hint(const struct start_failure *failure, char *out, size_t size)
{
	const struct connect_method *method = failure->method;
	const char *image = method->image ? method->image(failure->options) : NULL;

	out[0] = '\0';
	if (!image || !failure->has_status || !WIFEXITED(failure->status))
		return out;
	if (WEXITSTATUS(failure->status) == LOADER_FAILED)
		return executable_explain(image, out, size);
	if (failure->options->image)
		snprintf(out, size,
			 "; is %.400s the agent, or a program that begins with mitogen_start?",
			 image);
	else
		snprintf(out, size, "; is mitogen_start the first thing in its main?");
	return out;
}

/* Who has ended, or is silent. */
static const char *subject(const struct start_failure *failure)
{
	return failure->is_logging_in ? failure->method->name : "its process";
}

void start_failure_end(const struct start_failure *failure, const char *end, mitogen_error *ret)
{
	char text[512], quote[OUTPUT_LINE_MAX];

	error_set(ret, MITOGEN_ERR_CONNECT, "%s %s%s", subject(failure), end,
		  hint(failure, text, sizeof(text)));
	if (failure->is_logging_in && failure->method->explain)
		failure->method->explain(failure->options,
					 output_quote(failure->output, quote, sizeof(quote)),
					 failure->has_status ? failure->status : -1, ret);
	start_failure_place(failure, ret);
}

void start_failure_time_out(const struct start_failure *failure, mitogen_error *ret)
{
	int ms = failure->options->connect_timeout_ms;

	if (failure->is_logging_in && failure->is_let_in)
		error_set(ret, MITOGEN_ERR_TIMEOUT,
			  "%s has logged in, but the shell there has not run our command within %d "
			  "ms",
			  failure->method->name, ms);
	else if (failure->is_logging_in && failure->is_echoing)
		error_set(ret, MITOGEN_ERR_TIMEOUT,
			  "%s asks for a password on a terminal that would show it, so it got none "
			  "within %d ms",
			  failure->method->name, ms);
	else if (failure->is_logging_in)
		error_set(ret, MITOGEN_ERR_TIMEOUT, "%s has not logged in within %d ms",
			  failure->method->name, ms);
	else if (failure->method->has_first_stage)
		error_set(ret, MITOGEN_ERR_TIMEOUT,
			  "%s has logged in, but the image does not run after %d ms",
			  failure->method->name, ms);
	else
		error_set(ret, MITOGEN_ERR_TIMEOUT, "it has not answered in %d ms", ms);
	start_failure_place(failure, ret);
}
