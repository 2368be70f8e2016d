/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/self.h"

#include <sys/auxv.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

const char *self_path(void)
{
	const char *started_as = (const char *)getauxval(AT_EXECFN);

	return access(SELF, X_OK) == 0 || !started_as ? SELF : started_as;
}
