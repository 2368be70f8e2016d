/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/session.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "cli/command.h"
#include "cli/image.h"
#include "cli/say.h"

#define DESCRIPTORS           64 /* of this process itself */
#define DESCRIPTORS_PER_CHILD 6  /* with a terminal, where it may ask for a password */

/* The usual limit is 1024. Agents inherit what is allowed, and programs from them, so it is raised only when
 * that is needed. Whoever has too few after all is told when they run out. */
static void allow_descriptors(int hops)
{
	rlim_t needed = DESCRIPTORS + (rlim_t)hops * DESCRIPTORS_PER_CHILD;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
		return;
	limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int session_open(struct session *session, const struct target_options *options, int shutdown_ms)
{
	int r = passwords_get(&session->passwords, &options->passwords, &options->targets);
	mitogen_error err = {0};
	char *image;

	if (r)
		return r;
	image = image_find();
	if (!image)
		return EXIT_TARGET;
	allow_descriptors(options->targets.hop_count);
	session->router = mitogen_router_new(&err, .trace_crashes = true, .image = image,
					     .log_level = options->log_level,
					     .unidirectional = true, .shutdown_ms = shutdown_ms);
	session->receiver = mitogen_receiver_new(session->router, &err);
	session->receiver_fd = mitogen_receiver_fd(session->receiver, &err);
	free(image);
	session->connector.limit = options->connect_limit;
	if (session->receiver_fd >= 0)
		return connector_open(&session->connector, session->router, &options->targets);
	say("cannot start: %s", err.text);
	return EXIT_FAILED;
}

void session_close(struct session *session)
{
	mitogen_router_close(session->router);
	passwords_clear(&session->passwords);
}

int64_t session_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
