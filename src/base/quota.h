/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often something may happen: a bucket of tokens, filled at a rate. Who has emptied it waits until
 * a second's worth has come together, so that what is refused comes in long runs, which can be told in
 * one line each. Pure; the lock is its owner's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct quota {               /* the first two set, the rest zeroed, is valid and full */
	uint32_t burst;      /* so many at once */
	uint32_t per_second; /* at least 1 */
	uint32_t used;
	int64_t filled_at; /* clock_ms() */
	bool is_exhausted;
};

/* Takes so many tokens. False: there are fewer. */
bool quota_take(struct quota *quota, uint32_t count, int64_t now);
