/* SPDX-License-Identifier: BSD-3-Clause */
#include <mitogen/mitogen.h>

#include "api/handle.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/latch.h"
#include "core/message.h"
#include "core/router.h"

struct deferred {
	struct task task;
	struct resident resident; /* so that the router does not end before it */
	struct router *router;
	mitogen_work *work;
	void *user;
	int result;
	mitogen_error error;
	struct latch *latch; /* of who waits for it, NULL: nobody */
	struct mitogen_message *done;
};

static void call(void *argument)
{
	struct deferred *deferred = argument;

	deferred->result = deferred->work((mitogen_router){deferred->router->api_ref},
					  deferred->user, &deferred->error);
	if (deferred->result < 0 && deferred->error.code == MITOGEN_OK)
		error_set(&deferred->error, deferred->result,
			  "the deferred function failed and does not say why");
}

static void run(struct task *task)
{
	struct deferred *deferred = LIST_OWNER(task, struct deferred, task);
	struct router *router = deferred->router;

	broker_call_out(&router->broker, call, deferred);
	router_remove_resident(router, &deferred->resident);
	if (deferred->latch) { /* who waits frees it then */
		latch_put(deferred->latch, deferred->done, &router->broker.wakes);
		return;
	}
	if (deferred->result < 0)
		log_write(LOG_WARNING, "a deferred function failed: %s", deferred->error.text);
	sys.free(deferred);
}

static void close_soon(struct resident *resident, bool urgent)
{
	(void)resident;
	(void)urgent; /* its turn comes anyway */
}

static void dump_deferred(struct resident *resident, FILE *out)
{
	const struct deferred *deferred = LIST_OWNER(resident, struct deferred, resident);

	fprintf(out, " deferred work%s\n", deferred->latch ? ", for which a thread waits" : "");
}

/* Router lock. 0, or MITOGEN_ERR_CLOSED. */
static int start(struct api_router *api, struct deferred *deferred, mitogen_error *err)
{
	if (api->router->closing)
		return error_set(err, MITOGEN_ERR_CLOSED, "the router is closed");
	deferred->task.run = run;
	deferred->resident.close = close_soon;
	deferred->resident.dump = dump_deferred;
	router_add_resident(api->router, &deferred->resident);
	broker_defer(&api->router->broker, &deferred->task);
	return 0;
}

static struct deferred *new_deferred(const struct api_router *api, mitogen_work *work, void *user,
				     mitogen_error *err)
{
	struct deferred *deferred = sys.calloc(1, sizeof(*deferred));

	if (!deferred) {
		error_set_memory(err);
		return NULL;
	}
	deferred->router = api->router;
	deferred->work = work;
	deferred->user = user;
	return deferred;
}

int mitogen_defer(mitogen_router router, mitogen_work *work, void *user, mitogen_error *err)
{
	int r = 0;
	struct api_router *api = api_lock(router.ref, err, &r);
	struct deferred *deferred;

	if (!api)
		return r;
	deferred = new_deferred(api, work, user, err);
	r = deferred ? start(api, deferred, err) : MITOGEN_ERR_MEMORY;
	if (r < 0)
		sys.free(deferred);
	api_unlock(api);
	return r;
}

/* Pinned, no lock held. */
static int do_and_wait(struct api_router *api, struct deferred *deferred, mitogen_error *err)
{
	struct mitogen_message *done;
	int r;

	deferred->latch = latch_new();
	deferred->done = done = message_new(0);
	if (!deferred->latch || !done) {
		message_unref(done);
		return error_set_memory(err);
	}
	broker_lock(&api->router->broker);
	r = start(api, deferred, err);
	broker_unlock(&api->router->broker);
	if (r == 0) {
		latch_get(deferred->latch, CLOCK_NEVER, &done);
		r = deferred->result;
		if (r < 0 && err)
			*err = deferred->error;
	}
	message_unref(done);
	return r;
}

int mitogen_defer_wait(mitogen_router router, mitogen_work *work, void *user, mitogen_error *err)
{
	int r = 0;
	struct api_router *api = api_pin(router.ref, err, &r);
	struct deferred *deferred;

	if (!api)
		return r;
	r = api_check_wait(api, err);
	if (r == 0) {
		deferred = new_deferred(api, work, user, err);
		r = deferred ? do_and_wait(api, deferred, err) : MITOGEN_ERR_MEMORY;
		if (deferred)
			latch_unref(deferred->latch);
		sys.free(deferred);
	}
	api_unpin(api);
	return r;
}
