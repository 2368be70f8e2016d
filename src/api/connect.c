/* SPDX-License-Identifier: BSD-3-Clause */
/* Children: the factories of contexts, one for each method and one for all. */
#include <mitogen/mitogen.h>
#include <stdio.h>
#include <string.h>

#include "api/handle.h"
#include "base/clock.h"
#include "base/error.h"
#include "connect/methods.h"
#include "connect/via.h"
#include "core/context.h"
#include "core/latch.h"
#include "core/router.h"
#include "parent/ids.h"
#include "parent/method_options.h"
#include "parent/platforms.h"

#define CONNECT_MS 30000
#define NAME_SIZE  256

/* Waits until the master has given us IDs for more contexts; the lock is dropped meanwhile. 0: it is
 * worth another try; or a code with err set. */
static int wait_for_ids(struct api_router *api, int64_t deadline, mitogen_error *err)
{
	struct id_waiter waiter = {.latch = latch_new()};
	struct mitogen_message *m = NULL;
	enum latch_result result;
	int r = api_check_wait(api, err);

	if (r < 0) {
		latch_unref(waiter.latch);
		return r;
	}
	if (!waiter.latch)
		return error_set_memory(err);
	list_append(&api->router->id_waiters, &waiter.link);
	broker_unlock(&api->router->broker);
	result = latch_get(waiter.latch, deadline, &m);
	broker_lock(&api->router->broker);
	list_remove(&waiter.link);
	latch_unref(waiter.latch);
	if (result == LATCH_TIMEOUT)
		r = error_set(err, MITOGEN_ERR_TIMEOUT,
			      "no context IDs have come from the master in time");
	else if (m && message_failure(m))
		r = error_set(err, message_failure(m)->code, "%s", message_failure(m)->text);
	message_unref(m);
	return r;
}

/* IDs for a new context: of this process, or from the master. */
static int get_ids(struct api_router *api, int timeout_ms, struct id_block *ret, mitogen_error *err)
{
	int64_t deadline = clock_deadline(timeout_ms);
	int r = 0;

	while (r == 0 && ids_take(api->router, ret) < 0) {
		r = ids_request(api->router);
		if (r == MITOGEN_ERR_NO_IDS)
			error_set(err, r, "no context IDs are left for another child");
		else if (r < 0)
			error_set_memory(err);
		else
			r = wait_for_ids(api, deadline,
					 err); /* others may be quicker to take them */
	}
	return r;
}

static int start_context(struct api_router *api, uint32_t via_ref,
			 const struct connect_method *method, const struct connect_options *options,
			 struct context **ret, mitogen_error *err)
{
	struct router *router = api->router;
	struct context *via;
	struct id_block ids;
	int r = get_ids(api, options->connect_timeout_ms, &ids, err);

	if (r < 0)
		return r;
	via = api_find_context(api, via_ref); /* again: the lock may have been dropped */
	if (!via)
		return error_set(err, MITOGEN_ERR_LOST, "the context is gone");
	if (via->id == router->id)
		return connection_start(router, method, options, &ids, ret, err);
	if (via->state >= CONTEXT_LOST)
		return context_loss(via, err);
	if (!api_is_below(api, via))
		return error_set(err, MITOGEN_ERR_USAGE,
				 "%s is not below this process: nothing can be started via it",
				 via->path);
	return via_start(router, via, method, options, &ids, ret, err);
}

/* ---- Options as structs ---- */

/* What is known of a method's struct by what all begin with. */
static void read_common(const void *own, struct connect_options *ret)
{
	mitogen_fork_options common; /* nothing but that */

	memcpy(&common, own, sizeof(common));
	ret->name = common.name;
	ret->connect_timeout_ms =
		common.connect_timeout_ms ? common.connect_timeout_ms : CONNECT_MS;
	ret->fork_server = common.fork_server;
}

/* Of the host or the account where it has one: "ssh.web1". "": it is better numbered. */
static const char *name_of(const struct connect_method *method, const void *own,
			   char out[NAME_SIZE])
{
	const char *where = method_options_text(method->options, own, "hostname");

	if (!where)
		where = method_options_text(method->options, own, "username");
	if (!where)
		return NULL;
	snprintf(out, NAME_SIZE, "%s.%s", method->name, where);
	return connection_check_name(out, NULL) == 0 ? out : NULL;
}

/* own: checked. */
static mitogen_context start_child(struct api_router *api, const struct context *via,
				   uint32_t via_ref, const struct connect_method *method,
				   const void *own, mitogen_error *err)
{
	struct connect_options options = {.shutdown_ms = api->shutdown_ms};
	uint64_t target = platforms_target(via->target, method, own);
	struct context *child = NULL;
	char name[NAME_SIZE];

	read_common(own, &options);
	options.image = method_options_text(method->options, own, "image");
	if (method->options)
		options.own = own;
	if (!options.name)
		options.name = name_of(method, own, name);
	if (!options.image && via->id == api->router->id)
		options.image = api->image; /* elsewhere it is that process's own */
	options.platform = platforms_recall(api->router, target);
	start_context(api, via_ref, method, &options, &child, err);
	if (!child)
		return (mitogen_context){0};
	child->target = target;
	return api_context_handle(api->router, child);
}

static const struct connect_method *find_method(const char *name, mitogen_error *err)
{
	const struct connect_method *method = connect_find(name, strlen(name));

	if (!method)
		error_set(err, MITOGEN_ERR_USAGE, "there is no connection method \"%s\"", name);
	return method;
}

/* 0, or a code with err set. */
static int check_struct(const struct connect_method *method, const void *own, mitogen_error *err)
{
	size_t size;

	memcpy(&size, own, sizeof(size));
	if (size != method->options_size)
		return error_set(err, MITOGEN_ERR_USAGE,
				 "the options are of another version of the library");
	return method_options_check(method->options, method->name, own, err);
}

/* own: the method's struct. */
static mitogen_context connect_with(mitogen_context via, const char *name, const void *own,
				    mitogen_error *err)
{
	const struct connect_method *method;
	mitogen_context child = {0};
	struct context *context;
	struct api_router *api;

	if (!own)
		return mitogen_connect_with(via, name, NULL, err);
	api = api_lock_context(via, &context, err, NULL);
	if (!api)
		return child;
	method = find_method(name, err);
	if (method && check_struct(method, own, err) == 0)
		child = start_child(api, context, via.ref, method, own, err);
	api_unlock(api);
	return child;
}

mitogen_context mitogen_local_with(mitogen_context via, const mitogen_local_options *options,
				   mitogen_error *err)
{
	return connect_with(via, "local", options, err);
}

mitogen_context mitogen_fork_with(mitogen_context via, const mitogen_fork_options *options,
				  mitogen_error *err)
{
	return connect_with(via, "fork", options, err);
}

mitogen_context mitogen_ssh_with(mitogen_context via, const mitogen_ssh_options *options,
				 mitogen_error *err)
{
	return connect_with(via, "ssh", options, err);
}

mitogen_context mitogen_sudo_with(mitogen_context via, const mitogen_sudo_options *options,
				  mitogen_error *err)
{
	return connect_with(via, "sudo", options, err);
}

mitogen_context mitogen_su_with(mitogen_context via, const mitogen_su_options *options,
				mitogen_error *err)
{
	return connect_with(via, "su", options, err);
}

mitogen_context mitogen_doas_with(mitogen_context via, const mitogen_doas_options *options,
				  mitogen_error *err)
{
	return connect_with(via, "doas", options, err);
}

/* ---- Options as texts ---- */

/* The method's struct, made of them, to be freed; NULL with err set. */
static void *parse(const struct connect_method *method, const char *const *texts,
		   mitogen_error *err)
{
	void *own = method_options_new(method->options_size);
	int r = own ? 0 : error_set_memory(err);

	for (; r == 0 && texts && *texts; texts++)
		r = method_options_set(method->options, method->name, own, *texts, err);
	if (r == 0)
		return own;
	method_options_free(method->options, own);
	return NULL;
}

mitogen_context mitogen_connect_with(mitogen_context via, const char *name,
				     const char *const *options, mitogen_error *err)
{
	const struct connect_method *method;
	mitogen_context child = {0};
	void *own;

	if (via.ref == 0) {
		api_fail_none(err, "handle");
		return child;
	}
	method = find_method(name, err);
	own = method ? parse(method, options, err) : NULL;
	if (own)
		child = connect_with(via, name, own, err);
	if (method)
		method_options_free(method->options, own);
	return child;
}

int mitogen_connect_check(const char *name, const char *const *options, mitogen_error *err)
{
	const struct connect_method *method = find_method(name, err);
	void *own = method ? parse(method, options, err) : NULL;
	int r = MITOGEN_ERR_USAGE;

	if (own)
		r = method_options_check(method->options, name, own, err);
	if (method)
		method_options_free(method->options, own);
	return r;
}

int mitogen_option_check(const char *name, const char *option, mitogen_error *err)
{
	const char *const options[] = {option, NULL};
	const struct connect_method *method = find_method(name, err);
	void *own = method ? parse(method, options, err) : NULL;

	if (!own)
		return MITOGEN_ERR_USAGE;
	method_options_free(method->options, own);
	return 0;
}

const char *mitogen_method_at(size_t index)
{
	size_t count = 0;

	while (connect_methods[count])
		count++;
	return index < count ? connect_methods[index]->name : NULL;
}

/* Those of the method first. */
static const struct method_option *option_at(const struct connect_method *method, size_t index)
{
	const struct method_option *option = method->options;

	for (; option && option->name && index > 0; index--)
		option++;
	if (option && option->name)
		return option;
	for (option = method_options_of_all; option->name && index > 0; index--)
		option++;
	return option->name ? option : NULL;
}

bool mitogen_option_at(const char *name, size_t index, mitogen_option_info *ret)
{
	const struct connect_method *method = connect_find(name, strlen(name));
	const struct method_option *option = method ? option_at(method, index) : NULL;
	mitogen_option_info info;

	if (!option)
		return false;
	info = (mitogen_option_info){
		.size = ret->size,
		.name = option->name,
		.value = method_option_value(option),
		.help = option->help,
		.is_flag = option->kind == OPTION_FLAG,
		.is_list = option->kind == OPTION_LIST,
		.is_secret = option->kind == OPTION_SECRET,
		.is_needed = option->is_needed,
	};
	memcpy(ret, &info, ret->size < sizeof(info) ? ret->size : sizeof(info));
	return true;
}
