/* SPDX-License-Identifier: BSD-3-Clause */
#include "child/join.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "api/router.h"
#include "base/error.h"
#include "parent/connection.h"

#define CONNECT_MS 30000

static int check(const char *path, const mitogen_join_options *options,
		 const mitogen_router_options *router, mitogen_error *err)
{
	int r = router_check(router, err);

	if (r < 0)
		return r;
	if (options->size != sizeof(*options))
		return error_set(err, MITOGEN_ERR_USAGE,
				 "the options are of another version of the library");
	if (!path || !*path)
		return error_set(err, MITOGEN_ERR_USAGE, "no path of a listener was given");
	return connection_check_name(options->name, err);
}

mitogen_router mitogen_join_with(const char *path, const mitogen_join_options *options,
				 mitogen_error *err)
{
	static const mitogen_join_options defaults = {.size = sizeof(defaults)};
	const mitogen_join_options *given = options ? options : &defaults;
	const mitogen_router_options router = {
		.size = sizeof(router),
		.log_level = given->log_level,
		.log = given->log,
		.log_user = given->log_user,
		.image = given->image,
		.shutdown_ms = given->shutdown_ms,
	};
	int timeout_ms = given->connect_timeout_ms ? given->connect_timeout_ms : CONNECT_MS;
	struct join_answer answer = {.fd = -1};
	struct api_router *api = NULL;

	if (check(path, given, &router, err) == 0 &&
	    join_ask(path, given->name, timeout_ms, &answer, err) == 0)
		api = router_start(&router, &answer, err);
	join_answer_clear(&answer);
	return (mitogen_router){api ? api->ref : 0};
}
