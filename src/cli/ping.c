/* SPDX-License-Identifier: BSD-3-Clause */
/* mitogen ping: how long calls to targets take, over and over. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <mitogen/mitogen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/memory.h"
#include "cli/number.h"
#include "cli/say.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/target_options.h"

#define COUNT_MAX 1000000000
#define NS_PER_MS 1000000

static const char help[] =
	"usage: mitogen ping [OPTIONS] TARGET...\n"
	"\n"
	"Calls each target once a second and shows how long the answers take, until it is\n"
	"interrupted. Then, and when a target has had its number of calls, it sums up.\n"
	"\n" TARGET_HELP "\n"
	"options:\n"
	"  -c, --count N        end after N calls to each target\n"
	"  -i, --interval SECONDS\n"
	"                       from one call to the next; 1\n"
	"  -q, --quiet          show no answers, only the summary\n"
	"  -W, --timeout SECONDS\n"
	"                       how long an answer may take; 10\n" OPTIONS_OF_ALL_HELP "\n"
	"exit status: 1 a target has not answered in time; 4 one was not reached or lost; 2 wrong\n"
	"usage; 128+N signal N, other than SIGINT, has ended it. See mitogen-ping(1).\n";

enum {
	COUNT = OPTION_OWN,
	INTERVAL,
	QUIET,
	TIMEOUT
};

static const struct option_spec specs[] = {
	OPTIONS_OF_ALL,
	[COUNT] = {"count", 'c', true},
	[INTERVAL] = {"interval", 'i', true},
	[QUIET] = {"quiet", 'q', false},
	[TIMEOUT] = {"timeout", 'W', true},
	{NULL, 0, false},
};

struct times { /* of answers, in ms */
	long count;
	double min, max, mean, squares; /* squares: of the distances from the mean, summed up */
};

struct pinged { /* a target */
	const struct hop *hop;
	mitogen_context context;
	long sent;
	int waiting; /* calls that are not answered */
	struct times times;
	int64_t started_at, ended_at; /* when the first call was due, the last answer came; ns */
	bool is_up, is_over;
	bool is_late, is_lost;
	struct pinged *next; /* in the queue of those that are to be called again */
	int64_t next_at;
};

struct call {
	struct call *next, **at; /* in the list of those that are not answered */
	struct pinged *pinged;
	long number; /* 0: the one that waits for the connection */
	int64_t sent_at;
};

struct ping {
	struct target_options options;
	long count; /* 0: no limit */
	int64_t interval_ms, timeout_ms;
	bool is_quiet;
	struct session session;
	int signal_fd, signal;
	struct pinged *targets;
	int running;                /* of them, not over */
	struct pinged *due, **last; /* soonest first: they all wait equally long */
	struct call *calls;
};

static int take_option(void *owner, int option, const char *value)
{
	struct ping *ping = owner;
	const char *complaint = NULL;

	if (option == COUNT)
		complaint = number_count(value, COUNT_MAX, &ping->count);
	else if (option == INTERVAL)
		complaint = number_seconds(value, &ping->interval_ms);
	else if (option == TIMEOUT)
		complaint = number_seconds(value, &ping->timeout_ms);
	else
		ping->is_quiet = true;
	if (!complaint)
		return 0;
	say("--%s '%s': %s", specs[option].name, value, complaint);
	return EXIT_USAGE;
}

/* ---- Statistics ---- */

static void add_time(struct times *times, double ms)
{
	double distance = ms - times->mean;

	if (times->count == 0 || ms < times->min)
		times->min = ms;
	if (times->count == 0 || ms > times->max)
		times->max = ms;
	times->count++;
	times->mean += distance / (double)times->count;
	times->squares += distance * (ms - times->mean);
}

/* Newton's way to it, without the mathematical library: from above, ever closer. */
static double square_root(double square)
{
	double root, better = square > 1 ? square : 1;

	do {
		root = better;
		better = (root + square / root) / 2;
	} while (better < root);
	return square > 0 ? root : 0;
}

static const char *plural(long count)
{
	return count == 1 ? "" : "s";
}

static void print_summary(const struct pinged *pinged)
{
	const struct times *times = &pinged->times;
	long lost = pinged->sent - times->count;

	printf("--- %s: statistics ---\n", pinged->hop->path);
	if (!pinged->is_up) {
		puts("not reached");
		return;
	}
	printf("%ld call%s, %ld answer%s, %.4g%% loss, time %" PRId64 " ms\n", pinged->sent,
	       plural(pinged->sent), times->count, plural(times->count),
	       pinged->sent ? 100.0 * (double)lost / (double)pinged->sent : 0.0,
	       (pinged->ended_at - pinged->started_at) / NS_PER_MS);
	if (times->count > 0)
		printf("round trip min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n", times->min,
		       times->mean, times->max, square_root(times->squares / (double)times->count));
}

/* ---- Calling ---- */

static void end_if_complete(struct ping *ping, struct pinged *pinged)
{
	if (pinged->is_over || ping->count == 0 || pinged->sent < ping->count ||
	    pinged->waiting > 0)
		return;
	pinged->is_over = true;
	ping->running--;
}

static void give_up(struct ping *ping, struct pinged *pinged, const mitogen_error *error)
{
	if (pinged->is_over)
		return;
	fflush(stdout);
	say_error(pinged->hop->path, error);
	pinged->is_lost = pinged->is_over = true;
	ping->running--;
}

static void remove_call(struct call *call)
{
	call->pinged->waiting--;
	*call->at = call->next;
	if (call->next)
		call->next->at = call->at;
	free(call);
}

/* error says why there is no context, if there is none. */
static void start_call(struct ping *ping, struct pinged *pinged, long number, int timeout_ms,
		       mitogen_error *error)
{
	struct call *call = memory_calloc(1, sizeof(*call));

	*call = (struct call){.next = ping->calls,
			      .at = &ping->calls,
			      .pinged = pinged,
			      .number = number,
			      .sent_at = session_clock_ns()};
	if (call->next)
		call->next->at = &call->next;
	ping->calls = call;
	pinged->waiting++;
	if (mitogen_call_async(mitogen_within(pinged->context, timeout_ms), "mitogen.ping",
			       ping->session.receiver, call, error) < 0) {
		remove_call(call);
		give_up(ping, pinged, error);
	}
}

static void call_now(struct ping *ping, struct pinged *pinged)
{
	mitogen_error error = {0};

	pinged->next = NULL;
	if (pinged->is_over)
		return;
	pinged->sent++;
	pinged->next_at = session_clock_ns() + ping->interval_ms * NS_PER_MS;
	start_call(ping, pinged, pinged->sent, (int)ping->timeout_ms, &error);
	if (pinged->is_over || pinged->sent == ping->count)
		return;
	if (!ping->due)
		ping->last = &ping->due;
	*ping->last = pinged;
	ping->last = &pinged->next;
}

static void call_who_are_due(struct ping *ping)
{
	int64_t now = session_clock_ns();

	while (ping->due && ping->due->next_at <= now) {
		struct pinged *pinged = ping->due;

		ping->due = pinged->next;
		call_now(ping, pinged);
	}
}

/* ---- Answers ---- */

static void take_connected(struct ping *ping, struct pinged *pinged, double ms)
{
	pinged->is_up = true;
	pinged->started_at = pinged->ended_at = session_clock_ns();
	if (!ping->is_quiet)
		printf("%s: connected in %.1f ms\n", pinged->hop->path, ms);
	call_now(ping, pinged);
}

static void take_answer(struct ping *ping, const struct call *call, mitogen_message *m)
{
	struct pinged *pinged = call->pinged;
	int64_t now = session_clock_ns();
	double ms = (double)(now - call->sent_at) / NS_PER_MS;
	mitogen_error error = {0};
	int r = mitogen_read(m, &error);

	if (pinged->is_over)
		return;
	if (r < 0 && (r != MITOGEN_ERR_TIMEOUT || call->number == 0)) {
		give_up(ping, pinged, &error);
		return;
	}
	if (call->number == 0) {
		take_connected(ping, pinged, ms);
		return;
	}
	pinged->ended_at = now;
	if (r == 0)
		add_time(&pinged->times, ms);
	else
		pinged->is_late = true;
	if (ping->is_quiet)
		return;
	if (r == 0)
		printf("%s: seq=%ld time=%.3f ms\n", pinged->hop->path, call->number, ms);
	else
		printf("%s: seq=%ld no answer in time\n", pinged->hop->path, call->number);
}

static void take_messages(struct ping *ping)
{
	MITOGEN_AUTO(message, m);

	while (mitogen_receiver_get(ping->session.receiver, &m, 0, NULL) == 1) {
		struct call *call = mitogen_message_tag(m);
		struct pinged *pinged = call->pinged;

		take_answer(ping, call, m);
		remove_call(call);
		end_if_complete(ping, pinged);
	}
}

/* ---- The command ---- */

/* How long poll may wait. */
static int patience(const struct ping *ping)
{
	int64_t left;

	if (!ping->due)
		return -1;
	left = (ping->due->next_at - session_clock_ns() + NS_PER_MS - 1) / NS_PER_MS;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static void step(struct ping *ping)
{
	struct pollfd fds[] = {
		{.fd = ping->signal_fd, .events = POLLIN},
		{.fd = ping->session.receiver_fd, .events = POLLIN},
		{.fd = ping->session.connector.receiver_fd, .events = POLLIN},
	};
	int n = poll(fds, sizeof(fds) / sizeof(fds[0]), patience(ping));

	if (n > 0 && fds[0].revents)
		ping->signal = signals_next();
	if (n > 0 && fds[1].revents)
		take_messages(ping);
	if (n > 0 && fds[2].revents)
		connector_step(&ping->session.connector);
	call_who_are_due(ping);
}

/* A hop, which may be one on the way to targets only. */
static void started(void *owner, struct hop *hop)
{
	struct ping *ping = owner;
	struct pinged *pinged = hop->user;
	mitogen_error error = {0};

	if (!pinged)
		return;
	pinged->context = hop_connect(hop, ping->session.router, &error);
	start_call(ping, pinged, 0, MITOGEN_FOREVER, &error);
}

static int start(struct ping *ping)
{
	const struct targets *targets = &ping->options.targets;
	int r;

	ping->session.connector = (struct connector){
		.timeout_ms = MITOGEN_FOREVER, .started = started, .owner = ping};
	r = session_open(&ping->session, &ping->options, SESSION_SHUTDOWN_MS);
	if (r)
		return r;
	ping->signal_fd = signals_catch();
	if (ping->signal_fd < 0) {
		say("cannot start: %s", strerror(errno));
		return EXIT_FAILED;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	ping->targets = memory_calloc((size_t)targets->count, sizeof(*ping->targets));
	ping->running = targets->count;
	for (int i = 0; i < targets->count; i++) {
		ping->targets[i].hop = targets->all[i].hop;
		targets->all[i].hop->user = &ping->targets[i];
	}
	connector_start(&ping->session.connector);
	return 0;
}

/* Sums up, and returns the exit status. */
static int finish(const struct ping *ping)
{
	int status = 0;

	for (int i = 0; i < ping->options.targets.count; i++) {
		const struct pinged *pinged = &ping->targets[i];

		if (i > 0 || !ping->is_quiet)
			putchar('\n');
		print_summary(pinged);
		if (pinged->is_lost)
			status = EXIT_TARGET;
		else if (status == 0 && (pinged->is_late || pinged->times.count == 0))
			status = EXIT_FAILED;
	}
	if (ping->signal && ping->signal != SIGINT)
		return EXIT_SIGNAL + ping->signal;
	return status;
}

static int ping_command(int argc, char **argv)
{
	struct ping ping = {.interval_ms = 1000, .timeout_ms = 10000};
	int status = target_options_parse(&ping.options, specs, help, argv, take_option, &ping);

	(void)argc;
	if (status == 0)
		status = start(&ping);
	if (status == 0) {
		while (ping.running > 0 && !ping.signal && !ferror(stdout))
			step(&ping);
		status = finish(&ping);
	}
	session_close(&ping.session);
	for (struct call *call = ping.calls, *next; call; call = next) {
		next = call->next;
		free(call);
	}
	free(ping.targets);
	targets_clear(&ping.options.targets);
	return status < 0 ? 0 : status;
}

const struct command command_ping = {
	.name = "ping",
	.summary = "measure how fast targets answer",
	.help = help,
	.run = ping_command,
};
