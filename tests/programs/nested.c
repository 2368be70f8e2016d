/* SPDX-License-Identifier: BSD-3-Clause */
/* Children of children, and who may call whom. */
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "scenario.h"

/* ---- Functions ---- */

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

static int get_pid(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, getpid());
}
MITOGEN_EXPORT(get_pid);

static int refuse(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	return mitogen_fail(error, "KeyError", "no such key");
}
MITOGEN_EXPORT(refuse);

static int print(mitogen_message *m, mitogen_error *error)
{
	const char *text;
	int r = mitogen_read(m, error, &text);

	if (r == 0)
		printf("%s", text);
	return r;
}
MITOGEN_EXPORT(print, MITOGEN_TEXT);

static mitogen_context below; /* in a child: its own child */

/* Starts a child here: its path, its ID, its PID and ours. */
static int start_below(mitogen_message *m, mitogen_error *error)
{
	char name[256];
	int64_t sum;
	pid_t pid;
	int r;

	below = mitogen_local(mitogen_message_router(m), error);
	r = mitogen_call(below, add, &sum, error, 20, 22);
	if (r == 0)
		r = mitogen_call(below, get_pid, &pid, error);
	if (r < 0)
		return r;
	mitogen_context_name(below, name, sizeof(name));
	return mitogen_reply(m, error, sum, name, mitogen_context_id(below), pid, getpid());
}
MITOGEN_EXPORT(start_below);

static int refuse_below(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	return mitogen_call(below, refuse, NULL, error);
}
MITOGEN_EXPORT(refuse_below);

static int print_below(mitogen_message *m, mitogen_error *error)
{
	const char *text;
	int r = mitogen_read(m, error, &text);

	return r < 0 ? r : mitogen_call(below, print, NULL, error, text);
}
MITOGEN_EXPORT(print_below, MITOGEN_TEXT);

static int start_two_below(mitogen_message *m, mitogen_error *error)
{
	MITOGEN_AUTO(message, ignored);
	int r;

	below = mitogen_local(mitogen_message_router(m), error);
	r = mitogen_call(below, start_below, &ignored, error);
	return r;
}
MITOGEN_EXPORT(start_two_below);

/* Calls whom it is told to. */
static int call_add(mitogen_message *m, mitogen_error *error)
{
	mitogen_context context;
	int64_t sum;
	int r = mitogen_read(m, error, &context);

	if (r == 0)
		r = mitogen_call(context, add, &sum, error, 1, 2);
	return r < 0 ? r : mitogen_reply(m, error, sum);
}
MITOGEN_EXPORT(call_add, MITOGEN_CONTEXT);

static int call_parent(mitogen_message *m, mitogen_error *error)
{
	return mitogen_call(mitogen_parent(mitogen_message_router(m)), add, NULL, error, 1, 2);
}
MITOGEN_EXPORT(call_parent);

static int who_calls(mitogen_message *m, mitogen_error *error)
{
	mitogen_router here = mitogen_message_router(m);

	return mitogen_reply(m, error, mitogen_context_id(mitogen_message_from(m)),
			     mitogen_context_id(mitogen_self(here)),
			     mitogen_context_id(mitogen_parent(here)));
}
MITOGEN_EXPORT(who_calls);

/* ---- Scenarios ---- */

static void calls_below(void)
{
	mitogen_context child = mitogen_local(router, &err), other = mitogen_local(router, &err);
	MITOGEN_AUTO(message, m);
	uint32_t id;
	const char *name;
	pid_t pid, middle;
	int sum;

	EXPECT_OK(mitogen_call(child, start_below, &m, &err));
	EXPECT_OK(mitogen_read(m, &err, &sum, &name, &id, &pid, &middle));
	EXPECT(sum == 42 && strcmp(name, "local.1/local.1") == 0);
	EXPECT(pid != middle && pid != getpid() && middle != getpid());
	EXPECT(id != mitogen_context_id(child) && id != mitogen_context_id(other) && id != 0);
	EXPECT_FAILURE(mitogen_call(child, refuse_below, NULL, &err), MITOGEN_ERR_CALL,
		       "local.1: refuse_below: local.1/local.1: refuse: no such key");
	EXPECT(strcmp(err.type, "KeyError") == 0);
	EXPECT(strcmp(err.where, "local.1: refuse_below") == 0);
}

/* It is not killed at once: what it has printed comes up, through both. */
static void printed_below(void)
{
	mitogen_context child = mitogen_local(router, &err);

	EXPECT_OK(mitogen_call(child, start_below, NULL, &err));
	EXPECT_OK(mitogen_call(child, print_below, NULL, &err, "from below, without a newline"));
	EXPECT_OK(mitogen_context_shutdown(child, &err));
}

static void wait_for_end(int pidfd)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};

	EXPECT(poll(&ended, 1, -1) == 1);
	close(pidfd);
}

/* The end of the one in the middle is the end of those below. */
static void middle_is_killed(void)
{
	mitogen_context child = mitogen_local(router, &err);
	MITOGEN_AUTO(message, m);
	mitogen_cursor ignored;
	pid_t pid, middle;
	int pidfd;

	EXPECT_OK(mitogen_call(child, start_below, &m, &err));
	EXPECT_OK(mitogen_read(m, &err, &ignored, &ignored, &ignored, &pid, &middle));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	EXPECT(pidfd >= 0);
	EXPECT(kill(middle, SIGKILL) == 0);
	wait_for_end(pidfd);
	EXPECT_FAILURE(mitogen_call(child, add, NULL, &err, 1, 2), MITOGEN_ERR_LOST,
		       "was killed by SIGKILL");
}

/* A child of a child has one ID, its own; the master gives it more. */
static void ids_come_on_demand(void)
{
	mitogen_context child = mitogen_local(router, &err);

	EXPECT_OK(mitogen_call(child, start_two_below, NULL, &err));
}

/* Parents call; nobody calls a sibling, a parent or itself. */
static void only_parents_call(void)
{
	mitogen_context child = mitogen_local(router, &err), sibling = mitogen_local(router, &err);
	MITOGEN_AUTO(message, m);
	uint32_t from, self, parent;

	EXPECT_OK(mitogen_context_wait(sibling, &err));
	EXPECT_FAILURE(mitogen_call(child, call_add, NULL, &err, sibling), MITOGEN_ERR_CALL,
		       "refused");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_REFUSED") == 0);
	EXPECT_FAILURE(mitogen_call(child, call_parent, NULL, &err), MITOGEN_ERR_CALL, "refused");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_REFUSED") == 0);
	EXPECT_FAILURE(mitogen_call(child, call_add, NULL, &err, child), MITOGEN_ERR_CALL,
		       "itself");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_DEADLOCK") == 0);
	EXPECT_OK(mitogen_call(child, who_calls, &m, &err));
	EXPECT_OK(mitogen_read(m, &err, &from, &self, &parent));
	EXPECT(from == 0 && parent == 0 && self == mitogen_context_id(child));
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"calls_below", calls_below},
		{"printed_below", printed_below},
		{"middle_is_killed", middle_is_killed},
		{"ids_come_on_demand", ids_come_on_demand},
		{"only_parents_call", only_parents_call},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
