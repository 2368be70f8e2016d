/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/session.h"

#include <stdlib.h>
#include <time.h>

#include "cli/command.h"
#include "cli/image.h"
#include "cli/say.h"

int session_open(struct session *session, mitogen_log_level log_level, int shutdown_ms)
{
	mitogen_error err = {0};
	char *image = image_find();

	if (!image)
		return EXIT_TARGET;
	session->router = mitogen_router_new(&err, .image = image, .log_level = log_level,
					     .unidirectional = true, .shutdown_ms = shutdown_ms);
	session->receiver = mitogen_receiver_new(session->router, &err);
	session->receiver_fd = mitogen_receiver_fd(session->receiver, &err);
	free(image);
	if (session->receiver_fd >= 0)
		return 0;
	say("cannot start: %s", err.text);
	return EXIT_FAILED;
}

void session_close(struct session *session)
{
	mitogen_router_close(session->router);
}

int64_t session_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
