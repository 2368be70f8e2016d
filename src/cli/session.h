/* SPDX-License-Identifier: BSD-3-Clause */
/* What every command needs that works with targets: a router, and a receiver to be polled. */
#pragma once

#include <mitogen/mitogen.h>
#include <stdint.h>

#include "cli/connector.h"
#include "cli/passwords.h"
#include "cli/target_options.h"

struct session {
	mitogen_router router;
	mitogen_receiver receiver;
	int receiver_fd;
	struct passwords passwords;
	struct connector connector;
};

#define SESSION_SHUTDOWN_MS 1000 /* for agents that have nothing to tidy up */

/* Asks for passwords, and makes everything ready for connector_start. Of session->connector, what it does
 * when hops are up is set. shutdown_ms: how long agents may take to end; 0: the library's. 0, or an
 * exit status, having said why. */
int session_open(struct session *session, const struct target_options *options, int shutdown_ms);
/* Ends all that was started. */
void session_close(struct session *session);
int64_t session_clock_ns(void); /* that only runs forward */
