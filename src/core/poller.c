/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/poller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/log.h"

static const struct poller_ops *const pollers[] = {
#ifdef __linux__
	&poller_epoll,
#endif
	&poller_poll,
};

#define POLLERS (sizeof(pollers) / sizeof(pollers[0]))

static const struct poller_ops *find(const char *name)
{
	for (size_t i = 0; name && i < POLLERS; i++)
		if (strcmp(pollers[i]->name, name) == 0)
			return pollers[i];
	return NULL;
}

const struct poller_ops *poller_choose(void)
{
	const struct poller_ops *named = find(getenv("MITOGEN_POLLER"));

	return named ? named : pollers[0];
}

void poller_check_choice(void)
{
	const char *name = getenv("MITOGEN_POLLER");
	char list[64] = "", quote[64];

	if (!name || !*name || find(name))
		return;
	for (size_t i = 0; i < POLLERS; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
			 i > 0 ? " or " : "", pollers[i]->name);
	log_write(LOG_WARNING, "MITOGEN_POLLER is '%s'; it can be %s; using %s",
		  escape_text(quote, sizeof(quote), name, strlen(name)), list, pollers[0]->name);
}
