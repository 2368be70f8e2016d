/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/quota.h"

static void fill(struct quota *quota, int64_t now)
{
	int64_t passed = now - quota->filled_at;
	uint64_t more;

	if (quota->used == 0 || passed <= 0) {
		quota->filled_at = now;
		return;
	}
	more = (uint64_t)passed * quota->per_second / 1000;
	quota->filled_at += (int64_t)(more * 1000 / quota->per_second); /* parts count next time */
	quota->used -= more < quota->used ? (uint32_t)more : quota->used;
}

bool quota_take(struct quota *quota, uint32_t count, int64_t now)
{
	uint32_t enough = quota->per_second < quota->burst ? quota->per_second : quota->burst;

	fill(quota, now);
	if (quota->burst - quota->used >= enough)
		quota->is_exhausted = false;
	if (quota->is_exhausted || count > quota->burst - quota->used) {
		quota->is_exhausted = true;
		return false;
	}
	quota->used += count;
	return true;
}
