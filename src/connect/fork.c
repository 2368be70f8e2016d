/* SPDX-License-Identifier: BSD-3-Clause */
/* A copy of this process as it was when its fork server was set up. */
#include "base/error.h"
#include "connect/methods.h"
#include "core/router.h"
#include "parent/forks.h"
#include "parent/method_options.h"

static int check(const struct router *router, mitogen_error *err)
{
	if (router->forks)
		return 0;
	if (router->id == 0)
		return error_set(err, MITOGEN_ERR_USAGE,
				 "mitogen_fork needs a fork server: give .fork_server = true to "
				 "mitogen_start or mitogen_router_new (mitogen: give "
				 "fork_server=yes to a hop before it)");
	return error_set(err, MITOGEN_ERR_USAGE,
			 "mitogen_fork needs a fork server, and %s has none: start it with "
			 ".fork_server = true (mitogen: give fork_server=yes to that hop)",
			 router->path);
}

const struct connect_method connect_fork = {
	.name = "fork",
	.options_size = sizeof(mitogen_fork_options),
	.check = check,
	.start = forks_start,
};
