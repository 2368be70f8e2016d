/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asks a child from which nothing comes whether it is there. A link that breaks its tool notices; one whose
 * tool, or whose other end, is stopped breaks nowhere. Broker thread, router lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/timer.h"

struct connection;

struct keepalive {
	struct timer timer;
	int interval_ms, count; /* of silence; of questions that may stay without an answer */
	int asked;              /* since something came */
	uint64_t bytes_in;      /* by then */
};

void keepalive_init(struct keepalive *keepalive);
/* The child is up. Has it asked as its method and its options want, if they do; the connection is lost when
 * it does not answer. */
void keepalive_start(struct keepalive *keepalive);
/* Also when it was not started. */
void keepalive_stop(struct keepalive *keepalive);
