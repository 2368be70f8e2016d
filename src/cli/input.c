/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/input.h"

#include <errno.h>
#include <mitogen/mitogen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/job.h"
#include "cli/memory.h"
#include "cli/output.h"

#define CHUNK (64u * 1024)

void input_init(struct input *input, int jobs)
{
	*input = (struct input){.data = memory_calloc(1, CHUNK), .counts = {[INPUT_NONE] = jobs}};
	standard_open(&input->from, STDIN_FILENO);
}

void input_clear(struct input *input)
{
	standard_close(&input->from);
	free(input->data);
}

void input_set_state(struct input *input, struct job *job, enum input_state state)
{
	input->counts[job->input]--;
	input->counts[state]++;
	job->input = state;
}

int input_fd(const struct input *input)
{
	bool is_wanted = input->counts[INPUT_OPEN] > 0 && input->counts[INPUT_BLOCKED] == 0;

	return is_wanted && !input->has_ended ? input->from.fd : -1;
}

void input_send(struct input *input, struct job *job, struct output *output)
{
	mitogen_error err = {0};

	while (job->input == INPUT_OPEN && job->input_sent < input->size) {
		ptrdiff_t n = mitogen_process_write(job->process, input->data + job->input_sent,
						    input->size - job->input_sent, &err);

		if (n > 0)
			job->input_sent += (size_t)n;
		else
			input_set_state(input, job, n == 0 ? INPUT_BLOCKED : INPUT_NONE);
	}
	if (err.code < 0 && err.code != MITOGEN_ERR_CLOSED) {
		output_say(output, "%s: input was lost: %s", job->hop->path, err.text);
		mitogen_process_close_stdin(job->process, NULL);
	}
	if (job->input == INPUT_OPEN && input->has_ended) {
		mitogen_process_close_stdin(job->process, NULL);
		input_set_state(input, job, INPUT_NONE);
	}
}

void input_read(struct input *input, struct job *jobs, int count, struct output *output)
{
	ssize_t n = standard_read(&input->from, input->data, CHUNK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		input->has_failed = true;
		output_say(output, "cannot read standard input: %s", strerror(errno));
	}
	input->has_ended = n <= 0;
	input->size = n > 0 ? (size_t)n : 0;
	for (int i = 0; i < count; i++) {
		jobs[i].input_sent = 0;
		input_send(input, &jobs[i], output);
	}
}

void input_close_unread(struct input *input)
{
	if (input->counts[INPUT_OPEN] + input->counts[INPUT_BLOCKED] > 0 || input->from.fd < 0)
		return;
	input->has_ended = true;
	standard_close_input(&input->from);
}
