/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/take.h"

#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "base/clock.h"
#include "base/error.h"
#include "core/latch.h"
#include "core/router.h"

int take_fail(const struct take_kind *kind, uint32_t ref, mitogen_error *err)
{
	if (ref == 0)
		return api_fail_none(err, kind->name);
	return error_set(err, MITOGEN_ERR_CLOSED, "the %s is closed", kind->name);
}

struct latch *take_latch(struct api_router *api, const struct take_kind *kind, uint32_t ref,
			 mitogen_error *err, int *ret_code)
{
	struct latch *latch;

	broker_lock(&api->router->broker);
	latch = kind->find(api, ref);
	if (latch)
		latch_ref(latch);
	broker_unlock(&api->router->broker);
	if (!latch)
		*ret_code = take_fail(kind, ref, err);
	return latch;
}

static int take_from(struct latch *latch, const struct take_kind *kind, mitogen_message **ret,
		     int timeout_ms, mitogen_error *err)
{
	struct mitogen_message *m = NULL;
	int r = latch_get(latch, timeout_ms > 0 ? clock_deadline(timeout_ms) : 0, &m);

	if (r == LATCH_CLOSED)
		return error_set(err, MITOGEN_ERR_CLOSED, "the %s is closed", kind->name);
	if (r == LATCH_JOINED)
		return error_set(err, MITOGEN_ERR_USAGE,
				 "the receiver is in a select: its messages come from there");
	if (r == LATCH_MESSAGE) {
		mitogen_message_unref(*ret);
		*ret = m;
	}
	return r;
}

int take_message(uint32_t router, const struct take_kind *kind, uint32_t ref, mitogen_message **ret,
		 int timeout_ms, mitogen_error *err)
{
	int r = 0;
	struct api_router *api = api_pin(router, err, &r);
	struct latch *latch;

	if (!api)
		return r;
	latch = take_latch(api, kind, ref, err, &r);
	if (latch && timeout_ms > 0)
		r = api_check_wait(api, err);
	if (latch && r == 0)
		r = take_from(latch, kind, ret, timeout_ms, err);
	latch_unref(latch);
	api_unpin(api);
	return r;
}

int take_fd(uint32_t router, const struct take_kind *kind, uint32_t ref, mitogen_error *err)
{
	int r = 0;
	struct api_router *api = api_pin(router, err, &r);
	struct latch *latch;

	if (!api)
		return r;
	latch = take_latch(api, kind, ref, err, &r);
	if (latch) {
		r = latch_event_fd(latch);
		if (r < 0)
			r = error_set_errno(err, "cannot make a descriptor to poll");
	}
	latch_unref(latch);
	api_unpin(api);
	return r;
}
