/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Says on stderr what the routers of this process wait for, and where its threads are: every so many
 * seconds, and when SIGUSR1 comes. A thread of its own does it, so that it is done even if the broker
 * hangs. Nothing of this exists unless it is asked for.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct router;

struct diagnosis {                /* what is asked for; children inherit it */
	uint32_t dump_seconds;    /* 0: not at intervals */
	uint32_t dumps_on_signal; /* 0 or 1: SIGUSR1 */
	uint32_t traces_crashes;  /* 0 or 1: base/crash.h */
};

/* What the environment asks for beside: MITOGEN_DUMP_THREAD_STACKS, MITOGEN_DUMP_ON_SIGUSR1,
 * MITOGEN_TRACE_CRASHES. */
void diagnosis_add_environment(struct diagnosis *diagnosis);
/* Before a router's thread is made, which is to take part. name: of this process. */
void diagnosis_begin(const struct diagnosis *diagnosis, const char *name);

/* From now on dumps have this router, if its .diagnosis asks for any. Without memory there are none. No
 * lock held. */
void dumper_add(struct router *router);
/* Nothing happens to one that was not added. No lock held. */
void dumper_remove(const struct router *router);
/* In a forked copy of the process: there is no thread. */
void dumper_forget(void);
