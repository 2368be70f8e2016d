/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <mitogen/mitogen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/exec.h"
#include "api/handle.h"
#include "api/log.h"
#include "api/receiver.h"
#include "api/router.h"
#include "api/select.h"
#include "api/start.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/profile.h"
#include "base/random.h"
#include "base/sys.h"
#include "child/detach.h"
#include "child/join.h"
#include "core/context.h"
#include "core/dispatch.h"
#include "core/flow.h"
#include "core/forward_log.h"
#include "core/latch.h"
#include "core/neighbour.h"
#include "core/process.h"
#include "core/router.h"
#include "module/image_files.h"
#include "module/images.h"
#include "parent/forks.h"
#include "parent/parent.h"
#include "parent/platforms.h"
#include "parent/platforms_file.h"
#include "parent/route_monitor.h"

static bool is_initialised;

void mitogen_init(int argc, char **argv)
{
	start_child_if_asked(argc, argv);
	is_initialised = true;
}

static void closed(struct router *router)
{
	broker_stop(&router->broker);
}

static int be_master(struct router *router)
{
	int r = detach_open(router); /* nobody may ask the master for that */

	if (r == 0)
		r = forward_log_open(router);
	/* 0 is ours, UINT32_MAX is nobody's */
	if (r == 0 && id_blocks_add(&router->supply, 1, UINT32_MAX - 1) < 0)
		r = MITOGEN_ERR_MEMORY;
	return r;
}

static int open_ports(struct router *router, struct join_answer *answer, int shutdown_ms)
{
	int r;

	broker_lock(&router->broker);
	r = dispatch_open(router);
	if (r == 0)
		r = flow_open(router);
	if (r == 0)
		r = parent_open(router);
	if (r == 0)
		r = answer ? join_open(router, answer, shutdown_ms, route_monitor_lose_above)
			   : be_master(router);
	broker_unlock(&router->broker);
	return r;
}

static void close_ports(struct router *router)
{
	broker_lock(&router->broker);
	dispatch_close(router);
	flow_close(router);
	detach_close(router);
	parent_close(router);
	images_close(router);
	platforms_clear(router);
	forward_log_close(router);
	join_close(router);
	broker_unlock(&router->broker);
}

/* A master's, or what the answer says. 0 or -1, errno. */
static int init(struct router *router, const struct join_answer *answer)
{
	const struct config *config = answer ? &answer->config : NULL;

	return config ? router_init(router, config->id, config->parents, config->parent_count,
				    config->path)
		      : router_init(router, 0, NULL, 0, "");
}

static struct router *new_router(const struct diagnosis *diagnosis, struct join_answer *answer,
				 int shutdown_ms, mitogen_error *err)
{
	struct router *router = sys.calloc(1, sizeof(*router));

	if (!router) {
		error_set_memory(err);
		return NULL;
	}
	if (init(router, answer) < 0) {
		error_set_errno(err, "cannot set up a router");
		sys.free(router);
		return NULL;
	}
	router->diagnosis = *diagnosis;
	router->on_closed = closed;
	router->builtins = master_builtins;
	if (open_ports(router, answer, shutdown_ms) == 0 && broker_start(&router->broker) == 0)
		return router;
	error_set_errno(err, "cannot start the broker thread");
	close_ports(router);
	router_clear(router);
	sys.free(router);
	return NULL;
}

static void free_router(struct router *router)
{
	close_ports(router);
	router_clear(router);
	sys.free(router);
}

struct close_task {
	struct task task;
	struct router *router;
};

static void close_on_broker(struct task *task)
{
	router_close(LIST_OWNER(task, struct close_task, task)->router, false);
}

/* Returns when its thread has ended. */
static void close_and_wait(struct router *router)
{
	struct close_task task = {.task.run = close_on_broker, .router = router};

	broker_lock(&router->broker);
	broker_defer(&router->broker, &task.task);
	broker_unlock(&router->broker);
	pthread_join(router->broker.thread, NULL);
}

/* With its public handle. */
static struct api_router *new_api_router(const struct diagnosis *diagnosis,
					 struct join_answer *answer, int shutdown_ms,
					 mitogen_error *err)
{
	struct router *router = new_router(diagnosis, answer, shutdown_ms, err);
	struct api_router *api = router ? api_add(router) : NULL;

	if (api) {
		api->is_own = true;
	} else if (router) {
		error_set(err, MITOGEN_ERR_USAGE, "too many routers at once");
		close_and_wait(router);
		free_router(router);
	}
	return api;
}

static int open_images(struct router *router, const mitogen_router_options *options)
{
	struct image_source *files = image_files_new(options->image, options->image_path);

	return files ? images_open(router, files) : MITOGEN_ERR_MEMORY;
}

/* What needs memory, once the rest is there. 0 or -1. */
static int configure(struct api_router *api, const mitogen_router_options *options, int shutdown_ms,
		     struct fork_server *server)
{
	int r = 0;

	api_log_open(api, options);
	if (options->max_message > 0)
		api->router->max_message = options->max_message;
	api->router->is_unidirectional |= options->unidirectional;
	api->shutdown_ms = shutdown_ms;
	if (server) {
		broker_lock(&api->router->broker);
		r = forks_open(api->router, server, api->shutdown_ms);
		broker_unlock(&api->router->broker);
	}
	broker_lock(&api->router->broker);
	platforms_file_load(api->router);
	if (r == 0)
		r = open_images(api->router, options);
	broker_unlock(&api->router->broker);
	api->image = options->image ? sys_strdup(options->image) : NULL;
	/* running another program would be worse than none */
	return options->image && !api->image ? -1 : r;
}

static struct diagnosis diagnosis_of(const mitogen_router_options *options)
{
	struct diagnosis diagnosis = {
		.dump_seconds = options->dump_seconds > 0 ? (uint32_t)options->dump_seconds : 0,
		.dumps_on_signal = options->dump_on_sigusr1,
		.traces_crashes = options->trace_crashes,
	};

	diagnosis_add_environment(&diagnosis);
	return diagnosis;
}

int router_check(const mitogen_router_options *options, mitogen_error *err)
{
	if (api_check_fork(err) < 0)
		return MITOGEN_ERR_FORKED;
	if (!is_initialised)
		return error_set(err, MITOGEN_ERR_USAGE,
				 "mitogen_init or mitogen_start must come first in main");
	if (options->size != sizeof(*options))
		return error_set(err, MITOGEN_ERR_USAGE,
				 "the options are of another version of the library");
	if (options->max_message > MESSAGE_SIZE_MAX)
		return error_set(err, MITOGEN_ERR_USAGE, "max_message: %zu bytes; at most %u",
				 options->max_message, MESSAGE_SIZE_MAX);
	return 0;
}

static int begin_profile(const char *path, mitogen_error *err)
{
	if (!path || profile_begin(path) == 0)
		return 0;
	if (errno == EBUSY)
		return error_set(err, MITOGEN_ERR_USAGE,
				 "no profile: SIGPROF is taken, by another one or by the program");
	return error_set_errno(err, "cannot write the profile %s", path);
}

struct api_router *router_start(const mitogen_router_options *options, struct join_answer *answer,
				mitogen_error *err)
{
	struct diagnosis diagnosis = diagnosis_of(options);
	int shutdown_ms = options->shutdown_ms > 0 ? options->shutdown_ms : SHUTDOWN_MS;
	struct fork_server server;
	struct api_router *api = NULL;

	/* while there is one thread */
	if (options->fork_server && start_fork_server(&server, err) < 0)
		return NULL;
	if (begin_profile(options->profile, err) == 0) {
		diagnosis_begin(&diagnosis, "");
		api = new_api_router(&diagnosis, answer, shutdown_ms, err);
		if (!api && options->profile)
			profile_end();
	}
	if (!api) {
		if (options->fork_server)
			fork_server_stop(&server);
		return NULL;
	}
	api->profiles = options->profile != NULL;
	if (configure(api, options, shutdown_ms, options->fork_server ? &server : NULL) == 0) {
		dumper_add(api->router);
		return api;
	}
	error_set_memory(err);
	mitogen_router_close((mitogen_router){api->ref});
	return NULL;
}

mitogen_router mitogen_router_new_with(const mitogen_router_options *options, mitogen_error *err)
{
	static const mitogen_router_options defaults = {.size = sizeof(defaults)};
	struct api_router *api = NULL;

	if (!options)
		options = &defaults;
	if (router_check(options, err) == 0)
		api = router_start(options, NULL, err);
	return (mitogen_router){api ? api->ref : 0};
}

mitogen_router mitogen_start_with(int argc, char **argv, const mitogen_router_options *options,
				  mitogen_error *err)
{
	mitogen_init(argc, argv);
	return mitogen_router_new_with(options, err);
}

/* Nobody uses it, and nothing of it runs. */
static void clear(struct api_router *api)
{
	struct router *router = api->router;

	receivers_clear(api);
	selects_clear(api);
	processes_clear(api);
	sys.free(api->image);
	api_take_router(api);
	close_ports(router);
	router_clear(router);
	if (api->is_own)
		sys.free(router);
}

void mitogen_router_close(mitogen_router handle)
{
	struct api_router *api = api_begin_close(handle.ref);

	if (!api)
		return;
	close_and_wait(api->router);
	api_drain(api);
	if (api->profiles && profile_end() < 0)
		log_write(LOG_ERROR, "the profile is not complete: %s", strerror(errno));
	dumper_remove(api->router);
	api_log_close(api);
	platforms_file_save(api->router);
	clear(api);
	api_remove(api);
}

/* ---- In a process that the host program forked ---- */

static void drop(struct api_router *api, bool is_whole)
{
	struct router *router = api->router;

	if (!router || !is_whole)
		return; /* who would walk through it might never come out: rather lose the memory */
	router->on_closed = NULL;
	broker_adopt(&router->broker);
	broker_lock(&router->broker);
	process_disown_all(&router->broker);
	router_close(router, true);
	process_end_all(&router->broker);
	broker_unlock(&router->broker);
	broker_settle(&router->broker);
	if (!list_is_empty(&router->residents))
		return;
	if (router->parent && !router->join)
		neighbour_close(router->parent);
	clear(api);
}

void mitogen_after_fork(void)
{
	enum log_level level = log_get_level();

	if (api_check_fork(NULL) == 0)
		return;
	log_set_level(LOG_NOTHING);
	log_forget();
	dumper_forget();
	profile_forget();
	latch_distrust(true);
	fd_blank_ours(); /* what is done now must not reach those who the original talks with */
	api_drop_all(drop);
	fd_close_ours();
	random_forget();
	is_initialised = true;
	latch_distrust(false);
	log_set_level(level);
}

int mitogen_finish(mitogen_router router, mitogen_error *err)
{
	bool failed = err && err->code < 0;

	mitogen_router_close(router);
	if (failed)
		fprintf(stderr, "%s\n", err->text);
	if (err)
		err->code = MITOGEN_OK;
	return failed;
}
