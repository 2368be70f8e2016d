/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/start.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "builtin/builtin.h"
#include "child/start.h"
#include "connect/via.h"
#include "core/export.h"
#include "core/router.h"
#include "parent/parent.h"

static const struct builtin *const builtins[] = {builtin_table, via_builtins, NULL};

static int prepare(struct router *router)
{
	int r;

	broker_lock(&router->broker);
	r = parent_open(router);
	broker_unlock(&router->broker);
	return r == 0 && api_add(router) ? 0 : MITOGEN_ERR_MEMORY;
}

void start_child_if_asked(int argc, char **argv)
{
	if (child_is_child(argc, argv))
		child_run(builtins, prepare);
}

bool mitogen_is_child(int argc, char **argv)
{
	return child_is_child(argc, argv);
}

void mitogen_register(mitogen_export *entry)
{
	export_register(entry);
}

const char *mitogen_version(void)
{
	return MITOGEN_VERSION;
}
