/* SPDX-License-Identifier: BSD-3-Clause */
#include "child/start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/environment.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/self.h"
#include "base/sys.h"
#include "child/config.h"
#include "child/detach.h"
#include "core/dispatch.h"
#include "core/flow.h"
#include "core/forward_log.h"
#include "core/latch.h"
#include "core/router.h"
#include "wire/bootstrap.h"
#include "wire/handles.h"

#define LAST_WORK_MS 2000 /* for what is below us, when our parent is gone */

static struct {
	struct router router;
	struct neighbour parent;
	struct handle shutdown;
	struct timer patience;
	bool is_orphan;
	bool is_detached;
	bool main_is_done; /* the main thread runs nothing any more */
	struct task end;   /* of a detached process */
	const struct child_role *role;
} self;

bool child_is_child(int argc, char *const *argv)
{
	return (argc == 2 || (argc == 3 && strcmp(argv[2], BOOTSTRAP_UNLINK) == 0)) &&
	       strcmp(argv[1], BOOTSTRAP_CHILD_MODE) == 0;
}

void child_unlink(int argc)
{
	static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE,
				      SIGALRM, SIGTERM, SIGUSR1, SIGUSR2};
	const char *path = (const char *)getauxval(AT_EXECFN), *slash;

	if (argc != 3)
		return;
	self_set_gone();
	slash = path ? strrchr(path, '/') : NULL;
	if (slash && strncmp(slash + 1, BOOTSTRAP_FILE, strlen(BOOTSTRAP_FILE)) == 0)
		unlink(path);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
}

__attribute__((noreturn)) static void give_up(const char *why)
{
	fprintf(stderr, "mitogen: this process was started as a child, but %s; %s\n", why,
		"it is not meant to be started by hand");
	_exit(1);
}

/* ---- The end ---- */

/* Have the last answers and log lines gone out, and is nothing left that could make more? */
static int idle(struct broker *broker)
{
	const struct router *router = &self.router;
	int again_ms = forward_log_idle(broker);

	if (!router->closing) /* only this thread sets it */
		return again_ms;
	broker_lock(broker);
	if (self.main_is_done && list_is_empty(&router->residents) &&
	    forward_log_is_empty(router) && stream_is_idle(&self.parent.stream))
		broker_stop(broker);
	broker_unlock(broker);
	return again_ms;
}

/* Nothing is below us any more. Broker thread. */
static void closed(struct router *router)
{
	(void)router;
	/* an orphan's functions have nobody to work for; a hanging one cannot be ended otherwise */
	if (self.is_orphan)
		_exit(0);
}

static void out_of_patience(struct timer *timer)
{
	(void)timer;
	/* The first time is the end of input for those who are up, the second one kills who does not heed
	 * that, as when it is stopped. */
	router_close(&self.router, true);
	router_close(&self.router, true);
	_exit(0);
}

static void begin_end(struct router *router, bool is_orphan)
{
	int patience_ms = is_orphan ? LAST_WORK_MS : router->patience_ms;

	if (router->closing && !is_orphan)
		return;
	self.is_orphan |= is_orphan;
	broker_set_timer(&router->broker, &self.patience, clock_deadline(patience_ms));
	router_close(router, is_orphan);
}

/* The main thread runs what it was given, and may use what is below us for that. */
static void become_detached(struct router *router)
{
	self.is_detached = true;
	forward_log_drop(router);
	self.role->lose_above(router);
	neighbour_close(&self.parent);
	router->parent = NULL;
	router->ancestor_count = 0;
	latch_close(router->calls, &router->broker.wakes);
}

static void end_detached(struct task *task)
{
	(void)task;
	begin_end(&self.router, false);
}

static void parent_ended(struct neighbour *neighbour, const char *why)
{
	struct router *router = neighbour->router;

	log_set(log_get_level(), NULL, NULL); /* who reads our stderr may be there still */
	if (why)
		log_write(LOG_ERROR, "the stream from the parent is corrupt: %s", why);
	if (detach_is_agreed() && !router->closing) {
		become_detached(router);
		return;
	}
	neighbour_close(neighbour);
	begin_end(router, true);
}

static const struct neighbour_events parent_events = {
	.ended = parent_ended,
};

static void shutdown_received(struct router *router, struct handle *handle,
			      struct mitogen_message *m)
{
	(void)handle;
	message_unref(m);
	begin_end(router, false);
}

static const struct handle_ops shutdown_ops = {
	.receive = shutdown_received,
	.is_one_frame = true,
	.policy = handles_allow_parents,
};

/* ---- The beginning ---- */

/* The stream goes to high numbers; what is printed follows stderr to the parent's log. */
static void take_descriptors(bool are_ours, int *ret_in, int *ret_out)
{
	int null;

	if (!are_ours)
		fd_close_from(3);
	*ret_in = fd_dup_high(STDIN_FILENO);
	*ret_out = fd_dup_high(STDOUT_FILENO);
	if (*ret_in < 0 || *ret_out < 0)
		give_up("its standard input or output is closed");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		close(STDIN_FILENO); /* a machine without /dev: reading fails, which is as good */
	fd_close(null);
	setvbuf(stdout, NULL, _IOLBF, 0); /* lines of a log come out when they are complete */
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		close(STDOUT_FILENO);
}

static void open_ports(struct router *router, const struct config *config, int in, int out)
{
	broker_lock(&router->broker);
	neighbour_init(&self.parent, router, config->parents[0], &parent_events, "parent");
	self.parent.is_parent = true;
	router->parent = &self.parent;
	self.patience.due = out_of_patience;
	self.end.run = end_detached;
	if (dispatch_open(router) < 0 || flow_open(router) < 0 || detach_open(router) < 0 ||
	    handles_add(router, &self.shutdown, HANDLE_SHUTDOWN, &shutdown_ops, NULL) < 0 ||
	    forward_log_open(router) < 0 || stream_open(&self.parent.stream, in, out) < 0)
		give_up("it is out of memory");
	router->broker.idle = idle;
	broker_unlock(&router->broker);
}

static void finish_main(struct router *router)
{
	fflush(NULL); /* what functions printed */
	broker_lock(&router->broker);
	self.main_is_done = true;
	if (self.is_detached)
		broker_defer(&router->broker, &self.end);
	broker_wake(&router->broker);
	broker_unlock(&router->broker);
	pthread_join(router->broker.thread, NULL);
	_exit(0);
}

/* Tells the parent that this image runs. 0, or -1: the parent is gone. */
static int say_ready(int out)
{
	static const char ready[] = BOOTSTRAP_READY "\n";
	size_t sent = 0;

	while (sent < strlen(ready)) {
		ssize_t n = sys.write(out, ready + sent, strlen(ready) - sent);

		if (n < 0 && errno != EINTR)
			return -1;
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* As the process list shows it: the last part of the path, as much as there is room for. */
static void set_title(const char *path)
{
	const char *last = strrchr(path, '/');
	char title[16];

	snprintf(title, sizeof(title), "mitogen:%.7s", last ? last + 1 : path);
	prctl(PR_SET_NAME, title);
}

void child_run(const struct child_role *role)
{
	struct router *router = &self.router;
	struct config config;
	int in, out;

	self.role = role;
	take_descriptors(role->is_copy, &in, &out);
	if (say_ready(out) < 0 || config_read(in, &config) < 0)
		give_up("nobody told it who it is");
	log_set((enum log_level)config.log_level, NULL, NULL);
	set_title(config.path);
	if (!role->is_copy)
		prctl(PR_SET_PDEATHSIG,
		      0); /* from now on we see ourselves that our parent has gone */
	if (config.forks && role->start_fork_server() < 0)
		give_up("it cannot set up a fork server");
	if (router_init(router, config.id, config.parents, config.parent_count, config.path) < 0)
		give_up("it has too little memory, or too few descriptors");
	router->diagnosis = config.diagnosis;
	diagnosis_begin(&router->diagnosis, config.path);
	sys.free(config.path);
	router->is_unidirectional = config.is_unidirectional != 0;
	if (config.ids > 1 && id_blocks_add(&router->supply, config.id + 1, config.ids - 1) < 0)
		give_up("it is out of memory");
	router->max_message = config.max_message;
	router->patience_ms = config.patience_ms <= INT32_MAX ? (int)config.patience_ms : INT32_MAX;
	router->builtins = role->builtins;
	router->environment = environment_copy();
	if (!router->environment)
		give_up("it is out of memory");
	router->on_closed = closed;
	open_ports(router, &config, in, out);
	if (role->prepare(router) < 0)
		give_up("it is out of memory");
	if (broker_start(&router->broker) < 0)
		give_up("it cannot start a thread");
	dumper_add(router);
	forward_log_own(router, (enum log_level)config.log_level);
	dispatch_run(router);
	finish_main(router);
	_exit(0);
}
