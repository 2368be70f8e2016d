/* SPDX-License-Identifier: BSD-3-Clause */
/* Work for the broker thread. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "scenario.h"

/* ---- Functions ---- */

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

static int hang(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	pause();
	return 0;
}
MITOGEN_EXPORT(hang);

static pthread_t worker;

static int note_thread(mitogen_router here, void *user, mitogen_error *error)
{
	(void)here;
	(void)error;
	*(pthread_t *)user = pthread_self();
	return 5;
}

/* The same in a child. */
static int defer_here(mitogen_message *m, mitogen_error *error)
{
	pthread_t thread = pthread_self();
	int r = mitogen_defer_wait(mitogen_message_router(m), note_thread, &thread, error);

	return r < 0 ? r : mitogen_reply(m, error, r, !pthread_equal(thread, pthread_self()));
}
MITOGEN_EXPORT(defer_here);

/* ---- Work ---- */

static char order[64];

static int note(mitogen_router here, void *user, mitogen_error *error)
{
	(void)error;
	EXPECT(here.ref == router.ref || router.ref == 0);
	strcat(order, user);
	return 0;
}

static int refuse(mitogen_router here, void *user, mitogen_error *error)
{
	(void)here;
	return mitogen_fail(error, "KeyError", "no user \"%s\" here", (char *)user);
}

static int fail_silently(mitogen_router here, void *user, mitogen_error *error)
{
	(void)here;
	(void)user;
	(void)error;
	return MITOGEN_ERR_TOO_BIG;
}

struct tools {
	mitogen_context child;
	mitogen_receiver receiver;
	mitogen_error inside;
};

/* What does not wait works on the broker thread, and what waits says so. */
static int use_library(mitogen_router here, void *user, mitogen_error *error)
{
	struct tools *tools = user;
	mitogen_error *inside = &tools->inside;
	mitogen_context another;
	MITOGEN_AUTO(message, m);
	int ignored;

	EXPECT(mitogen_call(tools->child, add, &ignored, inside, 1, 2) == MITOGEN_ERR_DEADLOCK);
	EXPECT(strstr(inside->text, "broker thread"));
	EXPECT(mitogen_context_wait(tools->child, inside) == MITOGEN_ERR_DEADLOCK);
	EXPECT(mitogen_context_shutdown(tools->child, inside) == MITOGEN_ERR_DEADLOCK);
	EXPECT(mitogen_receiver_get(tools->receiver, &m, 1, inside) == MITOGEN_ERR_DEADLOCK);
	EXPECT(mitogen_receiver_get(tools->receiver, &m, 0, inside) == 0);
	EXPECT(mitogen_defer_wait(here, note, "x", inside) == MITOGEN_ERR_DEADLOCK);
	EXPECT(mitogen_defer(here, note, "later", inside) == 0);
	mitogen_router_close(here); /* is nothing that it could do */
	EXPECT(mitogen_call_async(tools->child, add, tools->receiver, &worker, inside, 20, 22) ==
	       0);
	another = mitogen_local(here, error);
	return mitogen_call_async(another, add, tools->receiver, NULL, error, 30, 33);
}

/* ---- Scenarios ---- */

static void in_order(void)
{
	static const char *const notes[] = {"a", "b", "c", "d"};

	for (int i = 0; i < 4; i++)
		EXPECT_OK(mitogen_defer(router, note, (void *)(uintptr_t)notes[i], &err));
	EXPECT(mitogen_defer_wait(router, note_thread, &worker, &err) == 5);
	EXPECT(strcmp(order, "abcd") == 0);
	EXPECT(!pthread_equal(worker, pthread_self()));
	EXPECT(err.code == 0);
}

static void failures(void)
{
	EXPECT_FAILURE(mitogen_defer_wait(router, refuse, "nobody", &err), MITOGEN_ERR_CALL,
		       "no user \"nobody\" here");
	EXPECT(strcmp(err.type, "KeyError") == 0);
	EXPECT_FAILURE(mitogen_defer_wait(router, fail_silently, NULL, &err), MITOGEN_ERR_TOO_BIG,
		       "does not say why");
	EXPECT(mitogen_defer_wait(router, refuse, "nobody", NULL) == MITOGEN_ERR_CALL);
	EXPECT_OK(mitogen_defer(router, refuse, "somebody", &err));
	EXPECT_OK(mitogen_defer_wait(router, note, "", &err));
}

static void uses_the_library(void)
{
	struct tools tools = {.child = new_child(router, &err),
			      .receiver = mitogen_receiver_new(router, &err)};
	MITOGEN_AUTO(message, m);
	int sum, tagged = 0;

	EXPECT_OK(mitogen_context_wait(tools.child, &err));
	EXPECT_OK(mitogen_defer_wait(router, use_library, &tools, &err));
	for (int i = 0; i < 2; i++) {
		EXPECT(mitogen_receiver_get(tools.receiver, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_OK(mitogen_read(m, &err, &sum));
		tagged += mitogen_message_tag(m) == &worker;
		EXPECT(sum == (mitogen_message_tag(m) ? 42 : 63));
	}
	EXPECT(tagged == 1);
	EXPECT_OK(mitogen_defer_wait(router, note, "", &err));
	EXPECT(strcmp(order, "later") == 0);
}

static void in_a_child(void)
{
	MITOGEN_AUTO(message, m);
	bool is_another;
	int result;

	EXPECT_OK(mitogen_call(new_child(router, &err), defer_here, &m, &err));
	EXPECT_OK(mitogen_read(m, &err, &result, &is_another));
	EXPECT(result == 5 && is_another);
}

static void *close_it(void *argument)
{
	mitogen_router_close(*(mitogen_router *)argument);
	return NULL;
}

/* What was accepted is done; what comes to a router that is closing or closed fails at once, though
 * its child takes its time. */
static void stopped(void)
{
	mitogen_router other = mitogen_router_new(&err, .shutdown_ms = 60000);
	mitogen_context child = mitogen_local(other, &err);
	mitogen_receiver receiver = mitogen_receiver_new(other, &err);
	MITOGEN_AUTO(message, m);
	pthread_t closer;
	pid_t pid;

	router.ref = 0;
	EXPECT_OK(mitogen_call(child, "get_pid", &pid, &err));
	EXPECT_OK(mitogen_call_no_reply(child, hang, &err));
	EXPECT_OK(mitogen_defer(other, note, "done", &err));
	EXPECT(pthread_create(&closer, NULL, close_it, &other) == 0);
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == MITOGEN_ERR_CLOSED);
	EXPECT_FAILURE(mitogen_defer(other, note, "!", &err), MITOGEN_ERR_CLOSED, "closed");
	EXPECT_FAILURE(mitogen_defer_wait(other, note, "!", &err), MITOGEN_ERR_CLOSED, "closed");
	EXPECT_FAILURE(mitogen_call(child, add, NULL, &err, 1, 2), MITOGEN_ERR_CLOSED, "closed");
	EXPECT(mitogen_local(other, &err).ref == 0 && err.code == MITOGEN_ERR_CLOSED);
	EXPECT(kill(pid, 0) == 0); /* it is still closing */
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(pthread_join(closer, NULL) == 0);
	EXPECT_FAILURE(mitogen_defer(other, note, "!", &err), MITOGEN_ERR_CLOSED, "closed");
	EXPECT_FAILURE(mitogen_defer_wait(other, note, "!", &err), MITOGEN_ERR_CLOSED, "closed");
	EXPECT(strcmp(order, "done") == 0);
}

static unsigned accepted, run; /* atomic */

static int count(mitogen_router here, void *user, mitogen_error *error)
{
	(void)here;
	(void)user;
	(void)error;
	__atomic_add_fetch(&run, 1, __ATOMIC_RELAXED);
	return 0;
}

static void *defer_until_closed(void *argument)
{
	mitogen_router to = *(mitogen_router *)argument;

	for (unsigned i = 0;; i++) {
		int r = i % 4 ? mitogen_defer(to, count, NULL, NULL)
			      : mitogen_defer_wait(to, count, NULL, NULL);

		if (r < 0)
			return r == MITOGEN_ERR_CLOSED ? NULL : argument;
		__atomic_add_fetch(&accepted, 1, __ATOMIC_RELAXED);
	}
}

/* Threads that defer while the router is closed: each piece is done or refused, nobody hangs. */
static void closed_under_way(void)
{
	router.ref = 0;
	for (int round = 0; round < 30; round++) {
		mitogen_router other = mitogen_router_new(&err);
		pthread_t threads[3];

		accepted = run = 0;
		for (int i = 0; i < 3; i++)
			EXPECT(pthread_create(&threads[i], NULL, defer_until_closed, &other) == 0);
		while (__atomic_load_n(&run, __ATOMIC_RELAXED) < 100)
			sched_yield();
		mitogen_router_close(other);
		for (int i = 0; i < 3; i++) {
			void *failed;

			EXPECT(pthread_join(threads[i], &failed) == 0 && !failed);
		}
		EXPECT(accepted == run);
	}
}

static int get_pid(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, getpid());
}
MITOGEN_EXPORT(get_pid);

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"in_order", in_order},
		{"failures", failures},
		{"uses_the_library", uses_the_library},
		{"in_a_child", in_a_child},
		{"stopped", stopped},
		{"closed_under_way", closed_under_way},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
