/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/parent.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "core/router.h"
#include "module/images.h"
#include "parent/ids.h"
#include "parent/launch.h"
#include "parent/route_monitor.h"

int parent_open(struct router *router)
{
	int r = ids_open(router);

	if (r < 0)
		return r;
	r = route_monitor_open(router);
	if (r < 0)
		ids_close(router);
	return r;
}

void parent_close(struct router *router)
{
	launcher_free(TAKE_PTR(router->launcher));
	ids_close(router);
	route_monitor_close(router);
}

void parent_lose_above(struct router *router)
{
	mitogen_error error;

	error_set(&error, MITOGEN_ERR_LOST, "%s was detached: nothing above it can be reached",
		  router->path);
	route_monitor_lose_above(router, &error);
	images_lose_above(router);
}
