/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/job.h"

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/run_options.h"

static int status_of(const mitogen_error *err)
{
	switch (err->code) {
	case MITOGEN_ERR_LOST:
	case MITOGEN_ERR_CONNECT:
	case MITOGEN_ERR_AUTH:
	case MITOGEN_ERR_TIMEOUT: /* only connecting has one, run counts the other itself */
	case MITOGEN_ERR_CLOSED:
	case MITOGEN_ERR_USAGE: /* a fork behind a hop that cannot be copied */
		return EXIT_TARGET;
	case MITOGEN_ERR_ARGUMENT: /* its directory */
		return EXIT_CANNOT_RUN;
	default:
		return strcmp(err->type, "ENOENT") == 0 ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
	}
}

static void end(struct job *job, int status)
{
	job->is_over = true;
	job->group->running--;
	input_set_state(job->group->input, job, INPUT_NONE);
	job->status = status;
}

static void fail(struct job *job, const mitogen_error *err)
{
	struct output *output = job->group->output;

	end(job, status_of(err));
	job->is_unreachable = job->status == EXIT_TARGET;
	output_say(output, "%s", err->text);
	if (job->status == EXIT_NOT_FOUND && strchr(job->program, ' '))
		output_say(output,
			   "no shell is involved; for one, as in: -- sh -c 'ls -l | wc -l'");
}

void job_start(struct job *job, mitogen_router router, mitogen_receiver receiver,
	       const struct run_options *options)
{
	mitogen_error err = {0};
	mitogen_context context = hop_connect(job->hop, router, &err);

	job->program = *options->program;
	job->process =
		mitogen_exec(context, options->program, receiver, job, &err, .env = options->env,
			     .cwd = options->cwd, .no_stdin = options->no_stdin);
	if (job->process.ref == 0)
		fail(job, &err);
}

static void take_room(struct job *job)
{
	if (job->input == INPUT_BLOCKED)
		input_set_state(job->group->input, job, INPUT_OPEN);
	input_send(job->group->input, job, job->group->output);
}

static void take_output(struct job *job, mitogen_message *m, enum output_stream stream)
{
	mitogen_bytes bytes = {0};
	mitogen_error err = {0};

	if (mitogen_read(m, &err, &bytes) < 0)
		output_say(job->group->output, "%s: output was lost: %s", job->hop->path, err.text);
	else if (job->has_prefix)
		output_add_lines(job->group->output, stream, m, bytes, &job->lines[stream],
				 job->hop->path);
	else
		output_add(job->group->output, stream, m, bytes);
}

static void end_lines(struct job *job)
{
	for (int stream = 0; job->has_prefix && stream < OUTPUT_STREAMS; stream++)
		output_end_lines(job->group->output, (enum output_stream)stream,
				 &job->lines[stream], job->hop->path);
}

static void take_exit(struct job *job, mitogen_message *m)
{
	mitogen_error err = {0};
	int status;

	end_lines(job);
	if (mitogen_read(m, &err, &status) < 0) {
		fail(job, &err);
		return;
	}
	end(job, status < 0 ? EXIT_SIGNAL - status : status);
	if (!job->is_named || status == 0)
		return;
	if (status < 0)
		output_say(job->group->output, "%s: killed by signal %d (%s)", job->hop->path,
			   -status, strsignal(-status));
	else
		output_say(job->group->output, "%s: exited with status %d", job->hop->path, status);
}

void job_take(struct job *job, mitogen_message *m)
{
	if (job->is_over)
		return;
	switch (mitogen_message_event(m)) {
	case MITOGEN_EVENT_STARTED:
		job->has_started = true;
		take_room(job);
		break;
	case MITOGEN_EVENT_STDOUT:
		take_output(job, m, OUTPUT_STDOUT);
		break;
	case MITOGEN_EVENT_STDERR:
		take_output(job, m, OUTPUT_STDERR);
		break;
	case MITOGEN_EVENT_ROOM:
		take_room(job);
		break;
	case MITOGEN_EVENT_EXIT:
		take_exit(job, m);
		break;
	case MITOGEN_EVENT_NONE:
	case MITOGEN_EVENT_RESULT:
	case MITOGEN_EVENT_CLOSED:
		break;
	}
}

void job_give_up(struct job *job, int status)
{
	if (!job->is_over)
		end(job, status);
}

void job_clear(struct job *job)
{
	free(job->lines[0].data);
	free(job->lines[1].data);
}
