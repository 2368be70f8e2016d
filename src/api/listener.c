/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/listener.h"

#include <mitogen/mitogen.h>
#include <stdio.h>

#include "api/handle.h"
#include "base/error.h"
#include "core/router.h"
#include "parent/socket_place.h"

#define JOINED_MAX 1000
#define TIMEOUT_MS 10000

static int check(const mitogen_listen_options *options, mitogen_error *err)
{
	if (options->size != sizeof(*options))
		return error_set(err, MITOGEN_ERR_USAGE,
				 "the options are of another version of the library");
	if (options->joined_max < 0 || options->timeout_ms < 0)
		return error_set(err, MITOGEN_ERR_USAGE,
				 "joined_max and timeout_ms are not negative");
	return 0;
}

/* Pinned, the lock not held: the file system may take its time. Its number, or 0 with err set. */
static uint32_t start(struct api_router *api, const mitogen_listen_options *options,
		      mitogen_error *err)
{
	struct listener_options given = {
		.joined_max = options->joined_max ? options->joined_max : JOINED_MAX,
		.timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_MS,
		.shutdown_ms = api->shutdown_ms,
	};
	struct socket_place place;
	const struct listener *listener;
	uint32_t ref;
	int fd = socket_place_make(options->path, &place, err);

	if (fd < 0)
		return 0;
	broker_lock(&api->router->broker);
	listener = listener_open(api->router, &place, fd, &given, err);
	ref = listener ? listener_ref(listener) : 0;
	broker_unlock(&api->router->broker);
	return ref;
}

mitogen_listener mitogen_listen_with(mitogen_router router, const mitogen_listen_options *options,
				     mitogen_error *err)
{
	static const mitogen_listen_options defaults = {.size = sizeof(defaults)};
	struct api_router *api = api_pin(router.ref, err, NULL);
	mitogen_listener handle = {0};

	if (!api)
		return handle;
	if (!options)
		options = &defaults;
	if (check(options, err) == 0 && (handle.ref = start(api, options, err)) != 0)
		handle.router = api->ref;
	api_unpin(api);
	return handle;
}

const char *mitogen_listener_path(mitogen_listener handle, char *buffer, size_t size)
{
	struct api_router *api = api_lock(handle.router, NULL, NULL);
	const struct listener *listener = api ? listener_find(api->router, handle.ref) : NULL;

	snprintf(buffer, size, "%s", listener ? listener_path(listener) : "");
	if (api)
		api_unlock(api);
	return buffer;
}

void mitogen_listener_close(mitogen_listener handle)
{
	struct api_router *api = api_lock(handle.router, NULL, NULL);
	struct listener *listener = api ? listener_find(api->router, handle.ref) : NULL;

	if (listener)
		listener_close(listener);
	if (api)
		api_unlock(api);
}
