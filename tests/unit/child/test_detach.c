/* SPDX-License-Identifier: BSD-3-Clause */
/* What a child does when it is to let go. In this order: once it has agreed, it stays so. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "child/detach.h"
#include "wire/handles.h"

#include "../core/fixture.h"

#define PORT 4711u

static struct handle port; /* the master's, for the answer and for what the child sends before */
static struct mitogen_message *got;
static int got_count;
static int standard[3]; /* what the standard descriptors are in between */

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	message_unref(got);
	got = m;
	got_count++;
}

static const struct handle_ops ops = {.receive = receive};

static int setup(void **state)
{
	got = NULL;
	got_count = 0;
	fflush(stdout);
	for (int fd = 1; fd < 3; fd++)
		standard[fd] = fd_dup_high(fd);
	pair_setup(state);
	assert_int_equal(detach_open(&pair.child), 0);
	return handles_add(&pair.master, &port, PORT, &ops, pair.child_context);
}

static void restore_output(void)
{
	for (int fd = 1; fd < 3; fd++)
		dup2(standard[fd], fd);
}

static int teardown(void **state)
{
	restore_output();
	for (int fd = 1; fd < 3; fd++)
		fd_close(standard[fd]);
	message_unref(got);
	detach_close(&pair.child);
	handles_remove(&pair.master, &port);
	return pair_teardown(state);
}

static void ask(void)
{
	struct mitogen_message *m = message_of_text("please");

	m->header.handle = HANDLE_DETACHING;
	m->header.reply_to = PORT;
	router_send_behind(&pair.master, &pair.below, m, NULL);
}

static bool is_null(int fd)
{
	struct stat st, null;

	return fstat(fd, &st) == 0 && stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev;
}

static void one_that_ends_does_not_answer(void **state)
{
	(void)state;
	pair.child.closing = true;
	ask();
	pair_pump();
	assert_int_equal(got_count, 0);
	assert_false(detach_is_agreed());
}

/* Nobody else may ask: here, its parent's parent. */
static void only_the_parent_asks(void **state)
{
	struct mitogen_message *m = message_new(0);

	(void)state;
	pair.above.id = 7;
	m->header.kind = FRAME_DEAD;
	m->header.handle = HANDLE_DETACHING;
	m->header.dst_id = CHILD_ID;
	router_send(&pair.master, m, false);
	pair_pump();
	assert_non_null(strstr(logged, "may not send to handle 109: refused"));
	assert_false(detach_is_agreed());
	assert_int_equal(got_count, 0);
}

static void nor_does_the_child_itself(void **state)
{
	struct mitogen_message *m = message_new(0);

	(void)state;
	assert_int_equal(detach_open(&pair.master), 0);
	m->header.kind = FRAME_DEAD;
	m->header.handle = HANDLE_DETACHING;
	m->header.dst_id = 0;
	router_send(&pair.child, m, false);
	pair_pump();
	assert_non_null(strstr(logged, "context 1 may not send to handle 109: refused"));
	assert_null(pair.ended);
	detach_close(&pair.master);
}

static void *no_memory(void *p, size_t size)
{
	(void)p;
	(void)size;
	return NULL;
}

/* Who asks does not wait for an answer that cannot be made: the stream ends. */
static void without_memory(void **state)
{
	(void)state;
	ask();
	pump(&pair.master.broker);
	sys.realloc = no_memory; /* what writers use */
	pump(&pair.child.broker);
	sys.realloc = realloc;
	pair_pump();
	assert_int_equal(got_count, 0);
	assert_non_null(pair.ended);
	assert_false(detach_is_agreed());
}

static void answers_behind_all_that_it_has_sent(void **state)
{
	static const uint8_t bytes[60000];

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct mitogen_message *m = message_of_bytes(bytes, sizeof(bytes));

		m->header.dst_id = 0;
		m->header.handle = PORT;
		m->header.flags = FRAME_BULK;
		router_send(&pair.child, m, false);
	}
	ask();
	pair_pump();
	assert_int_equal(got_count, 21);
	assert_int_equal(got->header.kind, FRAME_CBOR);
	assert_true(detach_is_agreed());
}

/* Its parent reads no more what it prints, the last of it without a newline. */
/* With its parent may go the terminal of the tool that started it. */
static void does_not_hear_terminals_hang_up(void **state)
{
	(void)state;
	ask();
	pair_pump();
	assert_true(detach_is_agreed());
	raise(SIGHUP);
	signal(SIGHUP, SIG_DFL);
}

static void prints_nowhere(void **state)
{
	int pipes[2], silent;
	char out[16] = "";

	(void)state;
	assert_int_equal(fd_pipe(pipes), 0);
	dup2(pipes[1], STDOUT_FILENO);
	dup2(pipes[1], STDERR_FILENO);
	fd_close(pipes[1]);
	printf("the last");
	ask();
	pair_pump();
	silent = is_null(STDOUT_FILENO) && is_null(STDERR_FILENO);
	restore_output();
	assert_true(silent);
	assert_int_equal(read(pipes[0], out, sizeof(out) - 1), 8);
	assert_string_equal(out, "the last");
	assert_int_equal(read(pipes[0], out, sizeof(out)), 0);
	fd_close(pipes[0]);
	assert_int_equal(got_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_that_ends_does_not_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(only_the_parent_asks, setup, teardown),
		cmocka_unit_test_setup_teardown(nor_does_the_child_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_behind_all_that_it_has_sent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(does_not_hear_terminals_hang_up, setup, teardown),
		cmocka_unit_test_setup_teardown(prints_nowhere, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
