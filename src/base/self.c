/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/self.h"

#include <stdbool.h>
#include <sys/auxv.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

static bool is_gone;

const char *self_path(void)
{
	const char *started_as = (const char *)getauxval(AT_EXECFN);

	return is_gone || !started_as || access(SELF, X_OK) == 0 ? SELF : started_as;
}

void self_set_gone(void)
{
	is_gone = true;
}
