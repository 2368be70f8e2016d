/* SPDX-License-Identifier: BSD-3-Clause */
/* How a parent asks a child to let go, and what it makes of the answer. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "core/process.h"
#include "parent/detach.h"
#include "wire/handles.h"

#include "../core/fixture.h"

static struct detach detach;
static struct handle port, caller; /* the child's, which is asked; ours, of who waits */
static struct mitogen_message *asked, *answer;
static int dones, asked_count, answers;

static void done(struct detach *of)
{
	assert_ptr_equal(of, &detach);
	dones++;
}

static void receive_request(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	message_unref(asked);
	asked = m;
	asked_count++;
}

static void receive_answer(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	message_unref(answer);
	answer = m;
	answers++;
}

static const struct handle_ops request_ops = {.receive = receive_request};
static const struct handle_ops answer_ops = {.receive = receive_answer};

static int setup(void **state)
{
	asked = answer = NULL;
	dones = asked_count = answers = 0;
	pair_setup(state);
	detach_init(&detach, done);
	assert_int_equal(handles_add(&pair.child, &port, HANDLE_DETACHING, &request_ops, NULL), 0);
	return handles_add(&pair.master, &caller, 0, &answer_ops, NULL);
}

static int teardown(void **state)
{
	detach_answer(&detach, &pair.master, NULL);
	pair_pump();
	message_unref(asked);
	message_unref(answer);
	handles_remove(&pair.child, &port);
	handles_remove(&pair.master, &caller);
	return pair_teardown(state);
}

static void ask(void)
{
	assert_int_equal(detach_ask(&detach, &pair.master, &pair.below, pair.child_context), 0);
	pair_pump();
}

/* Somebody waits. */
static void call(void)
{
	struct mitogen_message *m = message_new(0);

	m->header.src_id = 0;
	m->header.reply_to = caller.by_number.key;
	list_append(&detach.calls, &m->link);
}

static void reply(struct mitogen_message *m)
{
	m->header.dst_id = 0;
	m->header.handle = asked->header.reply_to;
	router_send(&pair.child, m, false);
	pair_pump();
}

static void asked_once(void **state)
{
	(void)state;
	ask();
	ask();
	assert_int_equal(asked_count, 1);
	assert_int_equal(asked->header.src_id, 0);
	assert_int_equal(asked->header.kind, FRAME_CBOR);
	assert_true(asked->header.reply_to >= HANDLE_FIRST_FREE);
}

static void it_has_let_go(void **state)
{
	(void)state;
	ask();
	reply(message_of_text("any value"));
	assert_int_equal(dones, 1);
	reply(message_of_text("once more"));
	assert_int_equal(dones, 1);
}

static void all_who_wait_are_told(void **state)
{
	(void)state;
	call();
	call();
	ask();
	detach_answer(&detach, &pair.master, NULL);
	pair_pump();
	assert_int_equal(answers, 2);
	assert_null(message_failure(answer));
	reply(message_of_text("too late"));
	assert_int_equal(dones, 0);
}

static void it_cannot(void **state)
{
	mitogen_error failure;

	(void)state;
	call();
	ask();
	reply(message_new_dead(MITOGEN_ERR_SYSTEM, "it cannot open /dev/null"));
	assert_int_equal(dones, 0);
	assert_int_equal(answers, 1);
	message_decode_failure(answer, &failure);
	assert_non_null(strstr(failure.text, "it cannot open /dev/null"));
	ask(); /* another time */
	assert_int_equal(asked_count, 2);
}

static void its_loss_is_told_by_others(void **state)
{
	(void)state;
	call();
	ask();
	pair_lose_child();
	pair_pump();
	assert_int_equal(answers + dones, 0);
	assert_null(detach.reply.ops);
}

/* ---- Its process ---- */

static struct process process;
static int ends;

static void on_ended(struct process *ended, int status)
{
	(void)ended;
	(void)status;
	ends++;
}

static pid_t start_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	process_watch(&process, &pair.master.broker, pid, on_ended);
	return pid;
}

static void is_reaped_when_it_ends(void **state)
{
	pid_t pid = start_process();

	(void)state;
	detach_process(&pair.master, &process);
	assert_false(process_is_alive(&process));
	kill(pid, SIGKILL);
	while (!list_is_empty(&pair.master.residents))
		pump_once(&pair.master.broker, 10);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	assert_int_equal(ends, 0);
}

static void is_left_alone_when_the_router_ends(void **state)
{
	pid_t pid = start_process();

	(void)state;
	detach_process(&pair.master, &process);
	router_close(&pair.master, false);
	pump(&pair.master.broker);
	assert_true(list_is_empty(&pair.master.residents));
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void keeps_no_router_that_is_closing(void **state)
{
	pid_t pid = start_process();

	(void)state;
	router_close(&pair.master, false);
	detach_process(&pair.master, &process);
	assert_true(list_is_empty(&pair.master.residents));
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(asked_once, setup, teardown),
		cmocka_unit_test_setup_teardown(it_has_let_go, setup, teardown),
		cmocka_unit_test_setup_teardown(all_who_wait_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(it_cannot, setup, teardown),
		cmocka_unit_test_setup_teardown(its_loss_is_told_by_others, setup, teardown),
		cmocka_unit_test_setup_teardown(is_reaped_when_it_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(is_left_alone_when_the_router_ends, setup,
						teardown),
		cmocka_unit_test_setup_teardown(keeps_no_router_that_is_closing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
