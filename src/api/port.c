/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/port.h"

#include "api/handle.h"
#include "base/error.h"
#include "core/inbox.h"
#include "core/message.h"
#include "core/router.h"
#include "wire/handles.h"

int port_fail(mitogen_error *err, int code)
{
	switch (code) {
	case MITOGEN_ERR_USAGE:
		return error_set(err, code, "the number of the port is taken");
	case MITOGEN_ERR_LOST:
		return error_set(err, code, "the context is lost");
	case MITOGEN_ERR_REFUSED:
		return error_set(err, code,
				 "too many contexts there send at the same time, or what they sent "
				 "is not released yet; release messages and close receivers");
	default:
		return error_set_memory(err);
	}
}

int port_open(struct api_router *api, struct inbox *inbox, const struct inbox_ops *ops,
	      const mitogen_port_options *options, mitogen_error *err)
{
	uint32_t number = options->handle;
	int r;

	if (options->size != sizeof(*options))
		return error_set(err, MITOGEN_ERR_USAGE,
				 "the options are of another version of the library");
	if (number != 0 && (number < HANDLE_FIRST_FREE || number >= HANDLE_FIRST_RANDOM))
		return error_set(err, MITOGEN_ERR_USAGE,
				 "handle %u: programs choose theirs from %u to %u", number,
				 HANDLE_FIRST_FREE, HANDLE_FIRST_RANDOM - 1);
	r = inbox_open(api->router, inbox, number, ops, NULL);
	if (r == MITOGEN_ERR_USAGE)
		return error_set(err, r, "handle %u is taken in this process", number);
	if (r < 0)
		return port_fail(err, r);
	inbox->policy = options->policy;
	inbox->policy_user = options->user;
	return 0;
}

void port_value_released(struct router *router, const struct mitogen_message *m)
{
	inbox_released(router, m->source_ref, m->size);
}

/* ---- Policies ---- */

/* What the library's own policies say of such a message. Where a policy runs the lock is held already. */
static bool allows(mitogen_router handle, uint32_t source, uint32_t authority,
		   bool (*policy)(const struct router *router, const struct mitogen_message *m))
{
	const struct mitogen_message m = {.header = {.src_id = source, .auth_id = authority}};
	struct api_router *api = api_on_broker(handle.ref);
	bool allowed;

	if (api)
		return policy(api->router, &m);
	api = api_lock(handle.ref, NULL, NULL);
	if (!api)
		return false;
	allowed = policy(api->router, &m);
	api_unlock(api);
	return allowed;
}

bool mitogen_has_parent_authority(mitogen_router router, uint32_t source, uint32_t authority,
				  void *user)
{
	(void)user;
	return allows(router, source, authority, handles_allow_parents);
}

bool mitogen_is_immediate_child(mitogen_router router, uint32_t source, uint32_t authority,
				void *user)
{
	(void)user;
	return allows(router, source, authority, handles_allow_children);
}
