/* SPDX-License-Identifier: BSD-3-Clause */
/* mitogen run: runs a program on targets, as if it ran here. */
#include <errno.h>
#include <limits.h>
#include <mitogen/mitogen.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/job.h"
#include "cli/memory.h"
#include "cli/output.h"
#include "cli/run_options.h"
#include "cli/say.h"
#include "cli/session.h"
#include "cli/signals.h"

#define LATE_MS     2000 /* from SIGTERM to SIGKILL when the time is over */
#define QUIET_MS    2000 /* after a signal, when no program is left to bring something */
#define SIGNALS_MAX 3 /* in a row, with nothing from any target in between: the last one ends us */

struct run {
	struct run_options options;
	struct session session;
	struct job *jobs;
	int count;
	struct job_group group;
	struct input input;
	struct output output;
	int signal_fd;
	int64_t deadline; /* of clock_ms; 0: none */
	bool is_late;     /* the time was over; programs have been asked to end */
	int signal;       /* the last one that came; 0: none yet */
	int insistence;   /* how many have come since a target was last heard of */
	int64_t quiet_at; /* QUIET_MS after it, and after what moved since; of clock_ms */
	int interrupted; /* the status, as a signal has come before any program has started; or 0 */
	int status;      /* to leave at once with; 0: go on */
};

static int64_t clock_ms(void)
{
	return session_clock_ns() / 1000000;
}

static bool is_over(const struct run *run)
{
	return run->status || (run->group.running == 0 && output_is_empty(&run->output));
}

/* ---- Signals and time ---- */

/* Returns how many programs take it. */
static int signal_programs(struct run *run, int number)
{
	int taken = 0;

	for (int i = 0; i < run->count; i++)
		if (!run->jobs[i].is_over &&
		    mitogen_process_signal(run->jobs[i].process, number, NULL) == 0)
			taken++;
	return taken;
}

/* Ends what leads to no program that goes on, from the leaves on, as an agent waits for its children.
 * True: something at hop or below it goes on. */
static bool end_unneeded(const struct hop *hop)
{
	const struct job *job = hop->user;
	bool is_needed = job && !job->is_over;

	for (const struct hop *below = hop->below; below; below = below->beside)
		is_needed |= end_unneeded(below);
	/* to have it asked is enough: the session's close waits for the end */
	if (!is_needed && hop->via && hop->context.ref)
		mitogen_context_shutdown(mitogen_within(hop->context, 1), NULL);
	return is_needed;
}

/* Targets where no program runs yet are not waited for any more. */
static void give_up_connecting(struct run *run, int status)
{
	const char *first = NULL;
	int untried = 0;

	connector_stop(&run->session.connector);
	for (int i = 0; i < run->count; i++) {
		struct job *job = &run->jobs[i];

		if (job->has_started || job->is_over)
			continue;
		if (job->hop->context.ref == 0 && untried++ == 0)
			first = job->hop->path;
		else if (job->hop->context.ref && job->is_named)
			output_say(&run->output, "%s: given up while connecting", job->hop->path);
		job_give_up(job, status);
	}
	if (untried == 1)
		output_say(&run->output, "%s was never tried", first);
	else if (untried > 1)
		output_say(&run->output, "%d targets were never tried, %s and others", untried,
			   first);
	end_unneeded(run->options.common.targets.hops);
}

/* Whoever sends a signal again and again wants to have an end, whatever the programs make of it. */
static void stop_waiting(struct run *run, int number)
{
	const char *name = NULL;
	int left = 0;

	for (int i = 0; i < run->count; i++) {
		if (run->jobs[i].is_over)
			continue;
		name = run->jobs[i].hop->path;
		left++;
	}
	if (left == 1)
		say("%s does not answer; giving up", name);
	else if (left > 1)
		say("a target does not answer; giving up");
	run->status = EXIT_SIGNAL + number;
}

static bool has_started_any(const struct run *run)
{
	for (int i = 0; i < run->count; i++)
		if (run->jobs[i].has_started)
			return true;
	return false;
}

static void pass_signals(struct run *run)
{
	int number;

	while ((number = signals_next()) != 0) {
		if (++run->insistence == SIGNALS_MAX) {
			stop_waiting(run, number);
			return;
		}
		give_up_connecting(run, EXIT_SIGNAL + number);
		if (!has_started_any(run))
			run->interrupted = EXIT_SIGNAL + number;
		signal_programs(run, number);
		run->signal = number;
		run->quiet_at = clock_ms() + QUIET_MS;
	}
}

/* A signal has come, and since then nothing moves. If no program is left, then nobody reads what we
 * have, or others hold the outputs of programs: who sent the signal does not want to wait for them. */
static void quiet_is_over(struct run *run)
{
	if (signal_programs(run, 0) == 0)
		run->status = EXIT_SIGNAL + run->signal;
	run->quiet_at = clock_ms() + QUIET_MS;
}

static void time_is_over(struct run *run)
{
	if (run->is_late) {
		run->status = EXIT_TIMEOUT;
		return;
	}
	run->is_late = true;
	run->deadline = clock_ms() + LATE_MS;
	output_say(&run->output, "timed out after %g s", (double)run->options.timeout_ms / 1000);
	give_up_connecting(run, EXIT_TIMEOUT);
	signal_programs(run, SIGTERM);
	signal_programs(run, SIGCONT);
}

static void check_time(struct run *run)
{
	int64_t now = clock_ms();

	if (run->deadline && now >= run->deadline)
		time_is_over(run);
	if (run->signal && now >= run->quiet_at)
		quiet_is_over(run);
}

/* How long poll may wait. */
static int patience(const struct run *run)
{
	int64_t until = run->deadline ? run->deadline : INT64_MAX, left;

	if (run->signal && run->quiet_at < until)
		until = run->quiet_at;
	if (until == INT64_MAX)
		return -1;
	left = until - clock_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* ---- The loop ---- */

static void take_message(struct run *run)
{
	MITOGEN_AUTO(message, m);

	if (mitogen_receiver_get(run->session.receiver, &m, 0, NULL) != 1)
		return;
	run->insistence = 0;
	job_take(mitogen_message_tag(m), m);
}

static void write_output(struct run *run, const struct pollfd *fds)
{
	enum output_stream stream;

	if (output_write(&run->output, fds, &stream) == 0)
		return;
	run->status = errno == EPIPE ? EXIT_SIGNAL + SIGPIPE : EXIT_FAILED;
	if (errno != EPIPE)
		say("cannot write to standard %s: %s", stream == OUTPUT_STDOUT ? "output" : "error",
		    strerror(errno));
}

/* Waits for something to do, and does it. */
static void step(struct run *run)
{
	enum {
		SIGNALS,
		MESSAGES,
		CONNECTOR,
		INPUT,
		OUTPUT,
		COUNT = OUTPUT + OUTPUT_STREAMS
	};
	struct pollfd fds[COUNT] = {
		[SIGNALS] = {.fd = run->signal_fd, .events = POLLIN},
		[MESSAGES] = {.fd = run->session.receiver_fd, .events = POLLIN},
		[CONNECTOR] = {.fd = run->session.connector.receiver_fd, .events = POLLIN},
		[INPUT] = {.fd = input_fd(&run->input), .events = POLLIN},
	};
	int n;

	output_poll(&run->output, fds + OUTPUT);
	n = poll(fds, COUNT, patience(run));
	check_time(run);
	if (n <= 0)
		return;
	run->quiet_at = run->signal ? clock_ms() + QUIET_MS : 0;
	if (fds[SIGNALS].revents)
		pass_signals(run);
	write_output(run, fds + OUTPUT);
	if (fds[MESSAGES].revents)
		take_message(run);
	if (fds[CONNECTOR].revents)
		connector_step(&run->session.connector);
	if (fds[INPUT].revents)
		input_read(&run->input, run->jobs, run->count, &run->output);
	input_close_unread(&run->input);
}

/* ---- From start to end ---- */

/* A hop, which may be one on the way to targets only. */
static void started(void *owner, struct hop *hop)
{
	struct run *run = owner;
	struct job *job = hop->user;

	if (job && !job->is_over)
		job_start(job, run->session.router, run->session.receiver, &run->options);
}

static int start(struct run *run)
{
	int r;

	run->session.connector =
		(struct connector){.timeout_ms = MITOGEN_FOREVER, .started = started, .owner = run};
	r = session_open(&run->session, &run->options.common, 0);
	if (r)
		return r;
	signal(SIGPIPE, SIG_IGN); /* the write says so, too */
	run->signal_fd = signals_catch();
	if (run->signal_fd < 0) {
		say("cannot start: %s", strerror(errno));
		return EXIT_FAILED;
	}
	if (run->options.timeout_ms)
		run->deadline = clock_ms() + run->options.timeout_ms;
	output_init(&run->output);
	run->count = run->options.common.targets.count;
	input_init(&run->input, run->count);
	run->jobs = memory_calloc((size_t)run->count, sizeof(*run->jobs));
	run->group = (struct job_group){
		.input = &run->input, .output = &run->output, .running = run->count};
	for (int i = 0; i < run->count; i++) {
		run->jobs[i].group = &run->group;
		run->jobs[i].hop = run->options.common.targets.all[i].hop;
		run->jobs[i].hop->user = &run->jobs[i];
		run->jobs[i].is_named = run->count > 1;
		if (!run->options.no_stdin)
			input_set_state(&run->input, &run->jobs[i], INPUT_BLOCKED);
		run->jobs[i].has_prefix = run->count > 1 && !run->options.raw;
	}
	connector_start(&run->session.connector);
	return 0;
}

/* The worst of what happened. */
static int status_of_all(const struct run *run)
{
	int status = 0;

	if (run->is_late)
		return EXIT_TIMEOUT;
	if (run->status)
		return run->status;
	if (run->interrupted)
		return run->interrupted;
	if (run->count == 1)
		return run->jobs[0].status;
	for (int i = 0; i < run->count; i++) {
		if (run->jobs[i].is_unreachable)
			return EXIT_TARGET;
		if (run->jobs[i].status != 0)
			status = EXIT_FAILED;
	}
	return status;
}

static void clear(struct run *run)
{
	session_close(&run->session);
	input_clear(&run->input);
	output_clear(&run->output);
	for (int i = 0; i < run->count; i++)
		job_clear(&run->jobs[i]);
	free(run->jobs);
	run_options_clear(&run->options);
}

static int run_command(int argc, char **argv)
{
	struct run run = {0};
	int status = run_options_parse(&run.options, argv);

	(void)argc;
	if (status == 0)
		status = start(&run);
	if (status == 0) {
		while (!is_over(&run))
			step(&run);
		status = status_of_all(&run);
		if (status == 0 && run.input.has_failed)
			status = EXIT_FAILED;
	}
	clear(&run);
	return status < 0 ? 0 : status;
}

const struct command command_run = {
	.name = "run",
	.summary = "run a program on targets",
	.help = run_help,
	.run = run_command,
};
