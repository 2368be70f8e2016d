/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/handle.h"

#include <pthread.h>

#include "api/channel.h"
#include "api/receiver.h"
#include "api/select.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/list.h"
#include "base/log.h"
#include "base/random.h"
#include "core/context.h"
#include "core/export.h"
#include "core/router.h"

#define ROUTERS_MAX 64 /* at the same time */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed =
	PTHREAD_COND_INITIALIZER; /* a closing router was left, or is closed */
static struct api_router slots[ROUTERS_MAX];
static bool is_forked, is_watching_forks;

/* ---- Forks of the host program ---- */

static _Thread_local bool has_table; /* between the handlers: the lock of the table is held, and */
static bool has_lock[ROUTERS_MAX];   /* that of these routers */

static void before_fork(void)
{
	has_table = !is_forked && fork_lock(&lock);
	for (uint32_t i = 0; has_table && i < ROUTERS_MAX; i++)
		has_lock[i] = slots[i].is_open && slots[i].router &&
			      fork_lock(&slots[i].router->broker.lock);
	log_before_fork();
	random_before_fork();
	export_before_fork();
}

static void release_leaves(void)
{
	export_after_fork();
	random_after_fork();
	log_after_fork();
}

static void after_fork_here(void)
{
	release_leaves();
	if (!has_table)
		return;
	for (uint32_t i = 0; i < ROUTERS_MAX; i++)
		if (has_lock[i])
			broker_unlock(&slots[i].router->broker);
	pthread_mutex_unlock(&lock);
}

/* The routers stay locked: nothing is done with them but by api_drop_all. */
static void after_fork_in_copy(void)
{
	release_leaves();
	if (is_forked)
		return; /* a copy of a copy */
	is_forked = true;
	for (uint32_t i = 0; i < ROUTERS_MAX; i++)
		slots[i].is_whole = has_table && has_lock[i];
	if (has_table)
		pthread_mutex_unlock(&lock);
	else
		pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&changed, NULL); /* who waits on it is not here */
}

void api_allow_fork(void)
{
	is_forked = false;
}

void api_drop_all(void (*drop)(struct api_router *api, bool is_whole))
{
	for (uint32_t i = 0; i < ROUTERS_MAX; i++) {
		if (!slots[i].is_open)
			continue;
		drop(&slots[i], slots[i].is_whole);
		slots[i].pins = 0; /* of threads that are not here */
		slots[i].is_open = false;
	}
	is_forked = false;
}

/* ---- The table ---- */

/* A ref is the slot's number and a generation: 1 + slot + n * ROUTERS_MAX, never 0. */
static struct api_router *slot_of(uint32_t ref)
{
	return &slots[(ref - 1) % ROUTERS_MAX];
}

static struct api_router *find_free(void)
{
	for (uint32_t i = 0; i < ROUTERS_MAX; i++) {
		if (slots[i].is_open)
			continue;
		if (slots[i].ref == 0)
			slots[i].ref = i + 1 - ROUTERS_MAX; /* so that the first one is i + 1 */
		return &slots[i];
	}
	return NULL;
}

struct api_router *api_of(const struct router *router)
{
	return slot_of(router->api_ref);
}

static void closing(struct router *router)
{
	receivers_close(api_of(router));
	selects_close(api_of(router));
}

struct api_router *api_add(struct router *router)
{
	struct api_router *api;

	pthread_mutex_lock(&lock);
	if (!is_watching_forks)
		is_watching_forks =
			pthread_atfork(before_fork, after_fork_here, after_fork_in_copy) == 0;
	api = find_free();
	if (api) {
		*api = (struct api_router){
			.ref = api->ref + ROUTERS_MAX,
			.is_open = true,
			.router = router,
			.shutdown_ms = SHUTDOWN_MS,
		};
		router->api_ref = api->ref;
		router->on_closing = closing;
		router->channels = &channel_ops;
	}
	pthread_mutex_unlock(&lock);
	return api;
}

static bool is_open_as(const struct api_router *api, uint32_t ref)
{
	return api->ref == ref && api->is_open;
}

/* Is this the broker thread of that router? Then it may hold the router's lock, which comes after the
 * table's: this takes none. */
static bool is_broker_of(uint32_t ref)
{
	struct broker *broker = broker_of_thread();

	return broker && LIST_OWNER(broker, struct router, broker)->api_ref == ref;
}

struct api_router *api_begin_close(uint32_t ref)
{
	struct api_router *api = slot_of(ref);

	if (ref == 0 || is_forked || is_broker_of(ref))
		return NULL; /* the broker cannot wait for itself */
	pthread_mutex_lock(&lock);
	while (is_open_as(api, ref) && api->is_closing)
		pthread_cond_wait(&changed, &lock);
	if (is_open_as(api, ref) && api->is_own) /* a child ends with its parent, not by itself */
		api->is_closing = true;
	else
		api = NULL;
	pthread_mutex_unlock(&lock);
	return api;
}

void api_drain(struct api_router *api)
{
	pthread_mutex_lock(&lock);
	while (api->pins > 0)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

void api_take_router(struct api_router *api)
{
	pthread_mutex_lock(&lock);
	api->router = NULL;
	pthread_mutex_unlock(&lock);
}

void api_remove(struct api_router *api)
{
	pthread_mutex_lock(&lock);
	api->is_open = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

int api_check_fork(mitogen_error *err)
{
	if (!is_forked)
		return 0;
	return error_set(err, MITOGEN_ERR_FORKED,
			 "this process is a fork of the one that has the router");
}

int api_fail_none(mitogen_error *err, const char *what)
{
	if (err && err->code < 0)
		return err->code;
	return error_set(err, MITOGEN_ERR_USAGE, "the %s is none", what);
}

static int fail(uint32_t ref, mitogen_error *err)
{
	if (is_forked)
		return api_check_fork(err);
	if (ref == 0)
		return api_fail_none(err, "handle");
	return error_set(err, MITOGEN_ERR_CLOSED, "the router is closed");
}

static int fail_wait(mitogen_error *err)
{
	return error_set(err, MITOGEN_ERR_DEADLOCK, "the broker thread must not wait");
}

int api_check_wait(const struct api_router *api, mitogen_error *err)
{
	return broker_is_current(&api->router->broker) ? fail_wait(err) : 0;
}

struct api_router *api_on_broker(uint32_t ref)
{
	if (ref == 0 || is_forked || !is_broker_of(ref) || broker_of_thread()->calling_out)
		return NULL;
	return slot_of(ref);
}

struct api_router *api_pin(uint32_t ref, mitogen_error *err, int *ret_code)
{
	struct api_router *api = slot_of(ref);
	bool is_broker = api_on_broker(ref) != NULL; /* it has the router lock already */
	int code;

	if (ref != 0 && !is_forked && !is_broker) {
		pthread_mutex_lock(&lock);
		if (!is_open_as(api, ref) || api->is_closing)
			api = NULL;
		else
			api->pins++;
		pthread_mutex_unlock(&lock);
		if (api)
			return api;
	}
	code = is_broker ? fail_wait(err) : fail(ref, err);
	if (ret_code)
		*ret_code = code;
	return NULL;
}

void api_unpin(struct api_router *api)
{
	pthread_mutex_lock(&lock);
	if (--api->pins == 0 && api->is_closing)
		pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

struct api_router *api_lock(uint32_t ref, mitogen_error *err, int *ret_code)
{
	struct api_router *api = api_pin(ref, err, ret_code);

	if (api)
		broker_lock(&api->router->broker);
	return api;
}

void api_unlock(struct api_router *api)
{
	broker_unlock(&api->router->broker);
	api_unpin(api);
}

struct context *api_find_context(const struct api_router *api, uint32_t ref)
{
	return ref == MITOGEN_HERE ? context_of_id(api->router, api->router->id)
				   : context_find(api->router, ref);
}

struct api_router *api_lock_context(mitogen_context handle, struct context **ret,
				    mitogen_error *err, int *ret_code)
{
	struct api_router *api = api_lock(handle.router, err, ret_code);
	struct context *context;
	int code;

	if (!api)
		return NULL;
	context = api_find_context(api, handle.ref);
	if (context) {
		*ret = context;
		return api;
	}
	api_unlock(api);
	if (handle.ref == 0)
		code = api_fail_none(err, "context");
	else if (handle.ref == MITOGEN_HERE)
		code = error_set_memory(err);
	else
		code = error_set(err, MITOGEN_ERR_LOST, "the context is gone");
	if (ret_code)
		*ret_code = code;
	return NULL;
}

mitogen_context api_context_handle(const struct router *router, const struct context *context)
{
	return (mitogen_context){.router = router->api_ref,
				 .ref = context ? context->by_ref.key : 0};
}

bool api_is_below(const struct api_router *api, const struct context *context)
{
	const struct neighbour *neighbour = routes_neighbour(api->router, context->id);

	return neighbour && !neighbour->is_parent;
}
