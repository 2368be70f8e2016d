/* SPDX-License-Identifier: BSD-3-Clause */
/* C28: one contract, run against each poller; the loop does not know which it has. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/poller.h"
#include "fixture.h"

#define MANY 100

static struct poller *poller;
static const struct poller_ops *ops;
static int fds[2];
static struct source source, other;

static void watch(struct source *watched, int fd, unsigned events)
{
	*watched = (struct source){.fd = fd, .wanted = events};
	assert_int_equal(ops->update(poller, watched, 0), 0);
}

static int want(struct source *watched, unsigned events)
{
	unsigned before = watched->wanted;

	watched->wanted = events;
	return ops->update(poller, watched, before);
}

/* What is ready of one source, without waiting. */
static unsigned ready_events(const struct source *watched)
{
	struct poller_ready ready[8];
	int count = ops->wait(poller, ready, 8, 0);
	unsigned events = 0;

	for (int i = 0; i < count; i++)
		if (ready[i].source == watched)
			events |= ready[i].events;
	return events;
}

static int setup(void **state)
{
	ops = *state;
	poller = ops->create();
	return poller && fd_socketpair(fds) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fd_close(fds[0]);
	fd_close(fds[1]);
	ops->destroy(poller);
	ops->destroy(NULL);
	return 0;
}

static void readable_as_long_as_there_is_something(void **state)
{
	char bytes[2];

	(void)state;
	watch(&source, fds[0], POLLER_READ);
	assert_int_equal(ready_events(&source), 0);
	assert_int_equal(write(fds[1], "ab", 2), 2);
	assert_int_equal(ready_events(&source), POLLER_READ);
	assert_int_equal(read(fds[0], bytes, 1), 1);
	assert_int_equal(ready_events(&source), POLLER_READ);
	assert_int_equal(read(fds[0], bytes, 1), 1);
	assert_int_equal(ready_events(&source), 0);
}

static void end_of_file_is_readable(void **state)
{
	(void)state;
	watch(&source, fds[0], POLLER_READ);
	fd_close(fds[1]);
	fds[1] = -1;
	assert_true(ready_events(&source) & POLLER_READ);
}

static void writable_until_full(void **state)
{
	char data[4096] = {0};

	(void)state;
	fd_set_nonblocking(fds[0]);
	watch(&source, fds[0], POLLER_WRITE);
	assert_int_equal(ready_events(&source), POLLER_WRITE);
	while (write(fds[0], data, sizeof(data)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(ready_events(&source), 0);
}

static void broken_pipe_is_writable(void **state)
{
	int pipes[2];

	(void)state;
	assert_int_equal(fd_pipe(pipes), 0);
	watch(&source, pipes[1], POLLER_WRITE);
	fd_close(pipes[0]);
	assert_true(ready_events(&source) & POLLER_WRITE);
	assert_int_equal(want(&source, 0), 0);
	fd_close(pipes[1]);
}

static void only_what_is_wanted(void **state)
{
	(void)state;
	assert_int_equal(write(fds[1], "a", 1), 1);
	watch(&source, fds[0], POLLER_WRITE);
	assert_int_equal(ready_events(&source), POLLER_WRITE);
	assert_int_equal(want(&source, POLLER_READ | POLLER_WRITE), 0);
	assert_int_equal(ready_events(&source), POLLER_READ | POLLER_WRITE);
	assert_int_equal(want(&source, POLLER_READ), 0);
	assert_int_equal(ready_events(&source), POLLER_READ);
	assert_int_equal(want(&source, 0), 0);
	assert_int_equal(ready_events(&source), 0);
	assert_int_equal(want(&source, POLLER_READ), 0);
	assert_int_equal(ready_events(&source), POLLER_READ);
}

/* C29: changes for closed descriptors do no harm, and nobody else is woken in their place. */
static void taking_away_after_close_works(void **state)
{
	(void)state;
	watch(&source, fds[0], POLLER_READ);
	watch(&other, fds[1], POLLER_READ);
	fd_close(fds[0]);
	assert_int_equal(want(&source, 0), 0);
	fds[0] = -1;
	assert_int_equal(ready_events(&source), 0);
	assert_int_equal(ready_events(&other), POLLER_READ);
}

static void nothing_in_time(void **state)
{
	struct poller_ready ready[1];

	(void)state;
	watch(&source, fds[0], POLLER_READ);
	assert_int_equal(ops->wait(poller, ready, 1, 1), 0);
}

static void nothing_to_watch(void **state)
{
	struct poller_ready ready[1];

	(void)state;
	assert_int_equal(ops->wait(poller, ready, 1, 0), 0);
}

/* Those that are always ready keep nobody else from being seen. */
static void all_have_their_turn(void **state)
{
	static struct source many[MANY];
	static int seen[MANY];
	int copies[MANY];

	(void)state;
	assert_int_equal(write(fds[1], "a", 1), 1);
	for (int i = 0; i < MANY; i++) {
		seen[i] = 0;
		copies[i] = fd_dup_high(fds[0]);
		assert_true(copies[i] >= 0);
		watch(&many[i], copies[i], POLLER_READ);
	}
	for (int round = 0; round < 2 * MANY / 8; round++) {
		struct poller_ready ready[8];
		int count = ops->wait(poller, ready, 8, 0);

		assert_int_equal(count, 8);
		for (int i = 0; i < count; i++)
			seen[ready[i].source - many]++;
	}
	for (int i = 0; i < MANY; i++) {
		assert_true(seen[i] > 0);
		assert_int_equal(want(&many[i], 0), 0);
		fd_close(copies[i]);
	}
}

static void chosen_by_environment(void **state)
{
	const struct poller_ops *best;

	(void)state;
	unsetenv("MITOGEN_POLLER");
	best = poller_choose();
#ifdef __linux__
	assert_ptr_equal(best, &poller_epoll);
#endif
	setenv("MITOGEN_POLLER", "poll", 1);
	assert_ptr_equal(poller_choose(), &poller_poll);
	setenv("MITOGEN_POLLER", "nonsense", 1);
	assert_ptr_equal(poller_choose(), best);
}

static int run_contract(const struct poller_ops *tested)
{
	void *state = (void *)(uintptr_t)tested;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate_setup_teardown(readable_as_long_as_there_is_something,
							 setup, teardown, state),
		cmocka_unit_test_prestate_setup_teardown(end_of_file_is_readable, setup, teardown,
							 state),
		cmocka_unit_test_prestate_setup_teardown(writable_until_full, setup, teardown,
							 state),
		cmocka_unit_test_prestate_setup_teardown(broken_pipe_is_writable, setup, teardown,
							 state),
		cmocka_unit_test_prestate_setup_teardown(only_what_is_wanted, setup, teardown,
							 state),
		cmocka_unit_test_prestate_setup_teardown(taking_away_after_close_works, setup,
							 teardown, state),
		cmocka_unit_test_prestate_setup_teardown(nothing_in_time, setup, teardown, state),
		cmocka_unit_test_prestate_setup_teardown(nothing_to_watch, setup, teardown, state),
		cmocka_unit_test_prestate_setup_teardown(all_have_their_turn, setup, teardown,
							 state),
	};

	return cmocka_run_group_tests_name(tested->name, tests, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(chosen_by_environment)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	failed += run_contract(&poller_poll);
#ifdef __linux__
	failed += run_contract(&poller_epoll);
#endif
	return failed;
}
