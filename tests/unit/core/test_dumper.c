/* SPDX-License-Identifier: BSD-3-Clause */
/* Its thread, and what it prints to a pipe in place of stderr. */
#include "core/dumper.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "fixture.h"

static int pipes[2], stderr_before;
static FILE *lines;

static int setup(void **state)
{
	stderr_before = dup(STDERR_FILENO);
	assert_int_equal(pipe(pipes), 0);
	lines = fdopen(pipes[0], "r");
	fflush(stderr);
	assert_int_equal(dup2(pipes[1], STDERR_FILENO), STDERR_FILENO);
	return pair_setup(state);
}

static int teardown(void **state)
{
	dup2(stderr_before, STDERR_FILENO);
	close(stderr_before);
	close(pipes[1]);
	fclose(lines);
	return pair_teardown(state);
}

/* Reads up to the end of a dump. Whether this was in it. */
static bool read_dump(const char *part)
{
	char line[1024];
	bool found = false;

	do {
		assert_non_null(fgets(line, sizeof(line), lines));
		found |= strstr(line, part) != NULL;
	} while (strcmp(line, "mitogen: end of the dump\n") != 0);
	return found;
}

static bool is_handled(int number)
{
	struct sigaction action;

	assert_int_equal(sigaction(number, NULL, &action), 0);
	return action.sa_handler != SIG_DFL;
}

static void nothing_unasked(void **state)
{
	(void)state;
	diagnosis_begin(&pair.master.diagnosis, "");
	dumper_add(&pair.master);
	assert_false(is_handled(SIGUSR1));
	assert_false(is_handled(SIGURG));
	dumper_remove(&pair.master);
}

static void at_intervals(void **state)
{
	(void)state;
	pair.master.diagnosis.dump_seconds = 1;
	dumper_add(&pair.master);
	assert_false(is_handled(SIGUSR1));
	assert_true(read_dump("dump of the master"));
	assert_true(read_dump("dump of the master"));
	dumper_remove(&pair.master);
	dumper_remove(&pair.master);
}

static void when_it_is_signalled(void **state)
{
	(void)state;
	pair.master.diagnosis.dumps_on_signal = pair.child.diagnosis.dumps_on_signal = 1;
	dumper_add(&pair.master);
	assert_true(is_handled(SIGUSR1));
	raise(SIGUSR1);
	assert_true(read_dump("dump of the master"));
	dumper_add(&pair.child);
	raise(SIGUSR1);
	assert_true(read_dump("dump of local.1"));
	dumper_remove(&pair.master);
	assert_true(is_handled(SIGUSR1));
	raise(SIGUSR1);
	assert_false(read_dump("dump of the master"));
	dumper_remove(&pair.child);
	assert_false(is_handled(SIGUSR1));
}

/* The router is held by whoever hangs. */
static void a_lock_that_is_not_to_be_had(void **state)
{
	(void)state;
	pair.master.diagnosis.dumps_on_signal = 1;
	dumper_add(&pair.master);
	broker_lock(&pair.master.broker);
	raise(SIGUSR1);
	assert_true(read_dump("the router's lock is not to be had"));
	broker_unlock(&pair.master.broker);
	dumper_remove(&pair.master);
}

/* Who has a stderr that nobody reads can end all the same. */
static void nobody_reads(void **state)
{
	struct pollfd pollfd = {.fd = pipes[1], .events = POLLOUT};

	(void)state;
	while (poll(&pollfd, 1, 0) == 1)
		assert_true(write(pipes[1], "a line to fill it\n", 18) > 0);
	pair.master.diagnosis.dumps_on_signal = 1;
	dumper_add(&pair.master);
	raise(SIGUSR1);
	dumper_remove(&pair.master);
}

static void what_the_environment_asks_for(void **state)
{
	struct diagnosis diagnosis = {0};

	(void)state;
	diagnosis_add_environment(&diagnosis);
	assert_int_equal(
		diagnosis.dump_seconds + diagnosis.dumps_on_signal + diagnosis.traces_crashes, 0);
	setenv("MITOGEN_DUMP_THREAD_STACKS", "15", 1);
	setenv("MITOGEN_DUMP_ON_SIGUSR1", "1", 1);
	setenv("MITOGEN_TRACE_CRASHES", "1", 1);
	diagnosis_add_environment(&diagnosis);
	assert_int_equal(diagnosis.dump_seconds, 15);
	assert_int_equal(diagnosis.dumps_on_signal, 1);
	assert_int_equal(diagnosis.traces_crashes, 1);
	setenv("MITOGEN_DUMP_THREAD_STACKS", "often", 1);
	setenv("MITOGEN_DUMP_ON_SIGUSR1", "0", 1);
	diagnosis = (struct diagnosis){.dump_seconds = 7};
	diagnosis_add_environment(&diagnosis);
	assert_int_equal(diagnosis.dump_seconds, 7);
	assert_int_equal(diagnosis.dumps_on_signal, 0);
	unsetenv("MITOGEN_DUMP_THREAD_STACKS");
	unsetenv("MITOGEN_DUMP_ON_SIGUSR1");
	unsetenv("MITOGEN_TRACE_CRASHES");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_unasked, setup, teardown),
		cmocka_unit_test_setup_teardown(at_intervals, setup, teardown),
		cmocka_unit_test_setup_teardown(when_it_is_signalled, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lock_that_is_not_to_be_had, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_reads, setup, teardown),
		cmocka_unit_test(what_the_environment_asks_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
