/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/chain.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "base/error.h"
#include "core/call.h"
#include "core/context.h"
#include "core/router.h"

/* The chain that there was no memory for: its calls fail. */
#define BROKEN UINT32_MAX

mitogen_context mitogen_chain(mitogen_context handle)
{
	struct context *context;
	struct api_router *api = api_lock_context(handle, &context, NULL, NULL);

	handle.chain = BROKEN;
	if (api) {
		uint32_t chain = call_chain_new(api->router, context);

		if (chain > 0)
			handle.chain = chain;
		api_unlock(api);
	}
	return handle;
}

void mitogen_chain_end(mitogen_context handle)
{
	struct context *context;
	struct api_router *api;

	if (handle.chain == 0)
		return;
	api = api_lock_context(handle, &context, NULL, NULL);
	if (!api)
		return;
	call_chain_end(api->router, context, handle.chain);
	api_unlock(api);
}

void chain_skip(struct api_router *api, mitogen_context handle)
{
	if (handle.chain == 0)
		return;
	broker_lock(&api->router->broker);
	call_chain_skip(api->router, handle.chain);
	broker_unlock(&api->router->broker);
}

int chain_fail(int code, mitogen_error *err)
{
	if (code == MITOGEN_ERR_USAGE)
		return error_set(err, code, "this chain has ended");
	return error_set_memory(err);
}
