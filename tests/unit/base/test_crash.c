/* SPDX-License-Identifier: BSD-3-Clause */
/* Each case crashes a copy of the test. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crash.h"

static char printed[8192];

static void own_handler(int number)
{
	_exit(number);
}

/* How a process ends that does this. */
static int run(void (*crash)(void))
{
	size_t used = 0;
	int status, pipes[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0});
		for (int number = 1; number < NSIG; number++)
			signal(number, SIG_DFL); /* the test's own */
		dup2(pipes[1], 2);
		close(pipes[0]);
		close(pipes[1]);
		crash();
		_exit(0);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], printed + used, sizeof(printed) - 1 - used)) > 0)
		used += (size_t)n;
	printed[used] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void write_nowhere(void)
{
	/* not through NULL, which sanitizers look for */
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	crash_enable("local.1");
	*(volatile char *)page = 1;
}

static void send_abort(void)
{
	crash_enable("");
	abort();
}

static void be_sent(void)
{
	crash_enable("local.1");
	kill(getpid(), SIGBUS);
}

static void have_a_handler(void)
{
	signal(SIGFPE, own_handler);
	crash_enable("local.1");
	raise(SIGFPE);
}

static void not_be_asked(void)
{
	crash_enter_thread();
	crash_leave_thread();
	raise(SIGSEGV);
}

static void be_renamed(void)
{
	crash_enable("local.1");
	crash_enable("local.2");
	crash_leave_thread();
	crash_leave_thread();
	raise(SIGILL);
}

static void the_signal_and_its_place_are_printed(void **state)
{
	int status = run(write_nowhere);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	assert_int_equal(strncmp(printed, "mitogen: local.1: SIGSEGV at 0x7", 32), 0);
	assert_non_null(strstr(printed, "000 in the thread \""));
	assert_non_null(strstr(printed, "\n  #0 0x"));
	assert_non_null(strstr(printed, "\n  #1 0x"));
	assert_null(strstr(strstr(printed, "mitogen:") + 1, "mitogen:")); /* once */
}

static void one_that_was_sent_ends_it_too(void **state)
{
	int status = run(send_abort);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_int_equal(strncmp(printed, "mitogen: SIGABRT in the thread \"", 32), 0);
	status = run(be_sent);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	assert_non_null(strstr(printed, "SIGBUS in the thread"));
}

static void handlers_of_the_program_stay(void **state)
{
	int status = run(have_a_handler);

	(void)state;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == SIGFPE);
	assert_string_equal(printed, "");
}

static void only_when_it_is_asked_for(void **state)
{
	int status = run(not_be_asked);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	assert_string_equal(printed, "");
}

static void the_latest_name_counts(void **state)
{
	int status = run(be_renamed);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL);
	assert_non_null(strstr(printed, "mitogen: local.2: SIGILL"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_signal_and_its_place_are_printed),
		cmocka_unit_test(one_that_was_sent_ends_it_too),
		cmocka_unit_test(handlers_of_the_program_stay),
		cmocka_unit_test(only_when_it_is_asked_for),
		cmocka_unit_test(the_latest_name_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
