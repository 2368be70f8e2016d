/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/poller.h"

#include <stdlib.h>
#include <string.h>

static const struct poller_ops *const pollers[] = {
#ifdef __linux__
	&poller_epoll,
#endif
	&poller_poll,
};

const struct poller_ops *poller_choose(void)
{
	const char *name = getenv("MITOGEN_POLLER");

	for (size_t i = 0; name && i < sizeof(pollers) / sizeof(pollers[0]); i++)
		if (strcmp(pollers[i]->name, name) == 0)
			return pollers[i];
	return pollers[0];
}
