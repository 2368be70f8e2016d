/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/start.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "builtin/builtin.h"
#include "child/start.h"
#include "connect/via.h"
#include "core/export.h"
#include "core/router.h"
#include "module/images.h"
#include "module/platform.h"
#include "parent/forks.h"
#include "parent/parent.h"

static const struct builtin *const builtins[] = {builtin_table, builtin_query_table, via_builtins,
						 NULL};

const struct builtin *const master_builtins[] = {builtin_query_table, via_builtins, NULL};

static struct fork_server own_server = {.socket = -1}; /* a child's, until its router has it */

__attribute__((noreturn)) static void run_copy(void);

static int start_own_fork_server(void)
{
	return fork_server_start(run_copy, &own_server, NULL);
}

static int prepare(struct router *router)
{
	const struct api_router *api = api_add(router);
	int r = api ? 0 : MITOGEN_ERR_MEMORY;

	broker_lock(&router->broker);
	if (r == 0)
		r = parent_open(router);
	if (r == 0)
		r = images_open(router, NULL);
	if (r == 0 && own_server.socket >= 0)
		r = forks_open(router, &own_server, api->shutdown_ms);
	broker_unlock(&router->broker);
	return r;
}

static void run_copy(void)
{
	static const struct child_role copy = {
		.builtins = builtins,
		.is_copy = true,
		.start_fork_server = start_own_fork_server,
		.prepare = prepare,
		.lose_above = parent_lose_above,
	};

	api_allow_fork();
	child_run(&copy);
}

void start_child_if_asked(int argc, char **argv)
{
	static const struct child_role program = {
		.builtins = builtins,
		.start_fork_server = start_own_fork_server,
		.prepare = prepare,
		.lose_above = parent_lose_above,
	};

	if (!child_is_child(argc, argv))
		return;
	child_unlink(argc);
	child_run(&program);
}

int start_fork_server(struct fork_server *ret, mitogen_error *err)
{
	return fork_server_start(run_copy, ret, err);
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

const char *mitogen_platform(void)
{
	return platform_own();
}
