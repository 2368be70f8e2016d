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

void input_init(struct input *input)
{
	*input = (struct input){.data = memory_calloc(1, CHUNK)};
	standard_open(&input->from, STDIN_FILENO);
}

void input_clear(struct input *input)
{
	standard_close(&input->from);
	free(input->data);
}

int input_fd(const struct input *input, const struct job *jobs, int count)
{
	bool is_wanted = false;

	if (input->size > 0 || input->has_ended)
		return -1;
	for (int i = 0; i < count; i++) {
		if (jobs[i].input == INPUT_BLOCKED)
			return -1;
		is_wanted |= jobs[i].input == INPUT_OPEN;
	}
	return is_wanted ? input->from.fd : -1;
}

void input_read(struct input *input, struct output *output)
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
}

static void send_to(const struct input *input, struct job *job, struct output *output)
{
	mitogen_error err = {0};

	while (job->input == INPUT_OPEN && job->input_sent < input->size) {
		ptrdiff_t n = mitogen_process_write(job->process, input->data + job->input_sent,
						    input->size - job->input_sent, &err);

		if (n > 0)
			job->input_sent += (size_t)n;
		else
			job->input = n == 0 ? INPUT_BLOCKED : INPUT_CLOSED;
	}
	if (err.code < 0 && err.code != MITOGEN_ERR_CLOSED) {
		output_say(output, "%s: input was lost: %s", job->label, err.text);
		mitogen_process_close_stdin(job->process, NULL);
	}
	if (job->input != INPUT_CLOSED && input->has_ended) {
		mitogen_process_close_stdin(job->process, NULL);
		job->input = INPUT_CLOSED;
	}
}

void input_send(struct input *input, struct job *jobs, int count, struct output *output)
{
	bool is_sent = true, is_read = false;

	for (int i = 0; i < count; i++) {
		send_to(input, &jobs[i], output);
		if (jobs[i].input == INPUT_CLOSED)
			continue;
		is_read = true;
		is_sent &= jobs[i].input_sent == input->size;
	}
	if (!is_read && input->from.fd >= 0) {
		input->has_ended = true;
		standard_close_input(&input->from);
	}
	if (!is_sent)
		return;
	input->size = 0;
	for (int i = 0; i < count; i++)
		jobs[i].input_sent = 0;
}
