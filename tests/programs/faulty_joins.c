/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes that join a router, in a library in which calls fail on purpose: $MITOGEN_FAULTS in the router,
 * $FAULTS_WORKER in those that join.
 *   all_works     nothing may fail
 *   some_works    anything may fail, but well
 */
#include "base/faults.h"
#include "faulty.h"

#define JOINERS 4 /* after one another; the last one is in the process of the router */

static char path[200];
static uint32_t child_id;

static void join(void)
{
	mitogen_router router_of_others = mitogen_join(path, &err, .connect_timeout_ms = 2000);
	mitogen_receiver watch;
	mitogen_context child, own;
	int64_t sum = 0;

	if (!works(err.code))
		return;
	watch = mitogen_receiver_new(router_of_others, &err);
	child = mitogen_context_by_id(router_of_others, child_id);
	works(mitogen_context_watch(mitogen_parent(router_of_others), watch, NULL, &err));
	if (works(mitogen_call(child, add, &sum, &err, 20, 22)))
		EXPECT(sum == 42);
	call_async(router_of_others, child);
	own = mitogen_local(router_of_others, &err);
	if (works(mitogen_call(own, add, &sum, &err, 30, 22)))
		EXPECT(sum == 52);
	err = (mitogen_error){0};
	mitogen_router_close(router_of_others);
}

static void start_worker(void)
{
	pid_t pid = fork();
	int status;

	EXPECT(pid >= 0);
	if (pid == 0) {
		mitogen_after_fork();
		EXPECT(faults_install(getenv("FAULTS_WORKER")) == 0);
		run(join);
		_exit(0);
	}
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
}

static void listen_and_be_joined(mitogen_router one)
{
	mitogen_context child = mitogen_local(one, &err);
	mitogen_listener listener = mitogen_listen(one, &err);

	if (!works(err.code))
		return;
	child_id = mitogen_context_id(child);
	mitogen_listener_path(listener, path, sizeof(path));
	for (int i = 1; i < JOINERS; i++)
		start_worker();
	join();
	mitogen_listener_close(listener);
	EXPECT(access(path, F_OK) < 0);
}

static void use_router(void)
{
	mitogen_router one = mitogen_router_new(&err);

	unsetenv("MITOGEN_FAULTS"); /* for children */
	if (!works(err.code))
		return;
	listen_and_be_joined(one);
	err = (mitogen_error){0};
	mitogen_router_close(one);
}

static void all_works(void)
{
	run(use_router);
}

static void some_works(void)
{
	may_fail = true;
	run(use_router);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"all_works", all_works},
		{"some_works", some_works},
		{NULL, NULL},
	};

	mitogen_init(argc, argv);
	return scenario_run(scenarios, argc, argv);
}
