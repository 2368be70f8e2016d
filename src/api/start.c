/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/start.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "builtin/builtin.h"
#include "child/start.h"
#include "core/export.h"
#include "core/router.h"

static void prepare(struct router *router)
{
	api_add(router);
}

void start_child_if_asked(int argc, char **argv)
{
	if (child_is_child(argc, argv))
		child_run(builtin_table, prepare);
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
