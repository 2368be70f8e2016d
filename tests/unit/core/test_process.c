/* SPDX-License-Identifier: BSD-3-Clause */
/* Each way to learn of the end, with and without pidfds. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "core/process.h"
#include "fixture.h"

static struct broker broker;
static struct process process;
static int end_status, ends;
static int hold[2]; /* a child that waits ends when the writing end is closed */

static int no_pidfd(pid_t pid)
{
	(void)pid;
	errno = ENOSYS;
	return -1;
}

static void on_ended(struct process *ended, int status)
{
	assert_ptr_equal(ended, &process);
	assert_int_equal(ended->pid, 0);
	end_status = status;
	ends++;
}

static int setup(void **state)
{
	end_status = ends = 0;
	if (*state)
		sys.pidfd_open = no_pidfd;
	return broker_init(&broker) == 0 && fd_pipe(hold) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	signal(SIGCHLD, SIG_DFL);
	fd_close(hold[0]);
	fd_close(hold[1]);
	broker_clear(&broker);
	return 0;
}

/* Starts a process that waits until the pipe is let go, then ends so. */
static void start(int exit_code, int signal_number)
{
	char byte;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setpgid(0, 0);
		close(hold[1]);
		if (read(hold[0], &byte, 1) > 0)
			_exit(99);
		if (signal_number)
			raise(signal_number);
		_exit(exit_code);
	}
	setpgid(pid, pid);
	process_watch(&process, &broker, pid, on_ended);
}

static void let_go(void)
{
	fd_close(TAKE_FD(hold[1]));
}

static void pump_until_ended(void)
{
	while (ends == 0)
		pump_once(&broker, process.pidfd.fd >= 0 ? -1 : 1);
}

/* It was reaped, by whoever. */
static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_null(broker.timers.first);
}

static void an_exit(void **state)
{
	(void)state;
	start(3, 0);
	pump(&broker);
	assert_int_equal(ends, 0);
	let_go();
	pump_until_ended();
	assert_int_equal(ends, 1);
	assert_true(WIFEXITED(end_status) && WEXITSTATUS(end_status) == 3);
	assert_no_child();
}

static void a_kill(void **state)
{
	(void)state;
	start(0, SIGTERM);
	let_go();
	pump_until_ended();
	assert_true(WIFSIGNALED(end_status) && WTERMSIG(end_status) == SIGTERM);
	assert_no_child();
}

static void an_end_before_it_is_watched(void **state)
{
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(4);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	process_watch(&process, &broker, pid, on_ended);
	pump_until_ended();
	assert_int_equal(WEXITSTATUS(end_status), 4);
	assert_no_child();
}

/* With SIGCHLD ignored the kernel reaps; the end is noticed, the status is not known. */
static void a_child_that_the_kernel_reaps(void **state)
{
	(void)state;
	signal(SIGCHLD, SIG_IGN);
	start(3, 0);
	let_go();
	pump_until_ended();
	assert_int_equal(end_status, -1);
	assert_int_equal(ends, 1);
	assert_no_child();
}

static void a_signal_is_sent(void **state)
{
	(void)state;
	start(0, 0);
	process_signal(&process, SIGUSR1, false);
	pump_until_ended();
	assert_int_equal(WTERMSIG(end_status), SIGUSR1);
	process_signal(&process, SIGUSR1, false); /* to nobody */
	process_signal(&process, SIGUSR1, true);
	assert_no_child();
}

/* A process of its group that stays behind goes with it, if that is asked for. */
static void its_group_goes_with_it(void **state)
{
	int alive[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(fd_pipe(alive), 0);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		close(hold[1]);
		if (fork() == 0)
			for (;;)
				pause(); /* holds `alive` open */
		_exit(read(hold[0], &byte, 1) == 0 ? 5 : 99);
	}
	setpgid(pid, pid);
	fd_close(alive[1]);
	process_watch(&process, &broker, pid, on_ended);
	process.kill_group = true;
	let_go();
	pump_until_ended();
	assert_int_equal(WEXITSTATUS(end_status), 5);
	assert_int_equal(read(alive[0], &byte, 1), 0); /* waits for its end */
	fd_close(alive[0]);
}

static int sent_signal;
static bool sent_to_group;

static void note_signal(struct process *to, int signal_number, bool group)
{
	assert_ptr_equal(to->kept, &sent_signal);
	sent_signal = signal_number;
	sent_to_group = group;
}

static void forget(struct process *to)
{
	assert_ptr_equal(to->kept, &sent_signal);
	sent_signal = 0;
}

/* Nothing is done to a process that somebody else keeps, but by that. */
static void a_process_of_another(void **state)
{
	static const struct process_keeper keeper = {.signal = note_signal, .release = forget};

	(void)state;
	process_entrust(&process, &keeper, &sent_signal, on_ended);
	assert_true(process_is_alive(&process));
	process_signal(&process, SIGTERM, true);
	assert_true(sent_signal == SIGTERM && sent_to_group);
	process.pid = getpid();
	process_signal(&process, SIGKILL, false);
	assert_true(sent_signal == SIGKILL && !sent_to_group);
	process_end(&process, 3);
	assert_int_equal(ends, 1);
	assert_int_equal(end_status, 3);
	assert_false(process_is_alive(&process));
	process_signal(&process, SIGTERM, true);
	assert_int_equal(sent_signal, SIGKILL);
	process_entrust(&process, &keeper, &sent_signal, on_ended);
	process.pid = getpid();
	assert_int_equal(process_release(&process), 0);
	assert_int_equal(sent_signal, 0);
	assert_false(process_is_alive(&process));
	assert_int_equal(ends, 1);
}

/* It is reaped by whoever asked for it back. */
static void a_process_that_is_let_go(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	start(3, 0);
	pid = process.pid;
	assert_int_equal(process_release(&process), pid);
	assert_false(process_is_alive(&process));
	let_go();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	pump(&broker);
	assert_int_equal(ends, 0);
	assert_no_child();
}

static void one_that_could_not_be_made(void **state)
{
	char text[64];

	(void)state;
	assert_string_equal(process_describe(process_not_made(EAGAIN), text, sizeof(text)),
			    "could not be made: Resource temporarily unavailable");
}

static pid_t interrupted_waitpid(pid_t pid, int *status, int flags)
{
	static int calls;

	if (calls++ % 2)
		return waitpid(pid, status, flags);
	errno = EINTR;
	return -1;
}

static void an_interrupted_wait_goes_on(void **state)
{
	(void)state;
	sys.waitpid = interrupted_waitpid;
	start(3, 0);
	let_go();
	pump_until_ended();
	sys.waitpid = waitpid;
	assert_int_equal(WEXITSTATUS(end_status), 3);
	assert_no_child();
}

static void described(void **state)
{
	char text[64];
	int exited = 3 << 8, killed = SIGSEGV, other = 40; /* as waitpid has them */

	(void)state;
	assert_string_equal(process_describe(exited, text, sizeof(text)), "exited with status 3");
	assert_string_equal(process_describe(0, text, sizeof(text)), "exited with status 0");
	assert_string_equal(process_describe(killed, text, sizeof(text)), "was killed by SIGSEGV");
	assert_string_equal(process_describe(killed | 0x80, text, sizeof(text)),
			    "was killed by SIGSEGV"); /* with a core */
	assert_string_equal(process_describe(SIGKILL, text, sizeof(text)), "was killed by SIGKILL");
	assert_string_equal(process_describe(other, text, sizeof(text)), "was killed by signal 40");
	assert_non_null(strstr(process_describe(-1, text, sizeof(text)), "nobody knows how"));
}

/* As in a forked copy: it is the child of another. */
static void disowned(void **state)
{
	pid_t pid;

	(void)state;
	start(0, 0);
	pid = process.pid;
	process_disown_all(&broker);
	process_signal(&process, SIGKILL, true);
	process_end_all(&broker);
	process_end_all(&broker);
	assert_int_equal(ends, 1);
	assert_int_equal(end_status, -1);
	assert_null(broker.timers.first);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it lives */
	fd_close(TAKE_FD(hold[1]));
	assert_int_equal(waitpid(pid, &end_status, 0), pid);
	assert_int_equal(end_status, 0);
}

static int run_all(const char *name, void *state)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate_setup_teardown(an_exit, setup, teardown, state),
		cmocka_unit_test_prestate_setup_teardown(a_kill, setup, teardown, state),
		cmocka_unit_test_prestate_setup_teardown(an_end_before_it_is_watched, setup,
							 teardown, state),
		cmocka_unit_test_prestate_setup_teardown(a_child_that_the_kernel_reaps, setup,
							 teardown, state),
		cmocka_unit_test_prestate_setup_teardown(disowned, setup, teardown, state),
		cmocka_unit_test_prestate_setup_teardown(a_signal_is_sent, setup, teardown, state),
		cmocka_unit_test_prestate_setup_teardown(its_group_goes_with_it, setup, teardown,
							 state),
		cmocka_unit_test_prestate_setup_teardown(an_interrupted_wait_goes_on, setup,
							 teardown, state),
		cmocka_unit_test_prestate_setup_teardown(a_process_that_is_let_go, setup, teardown,
							 state),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(described),
		cmocka_unit_test(one_that_could_not_be_made),
		cmocka_unit_test_setup_teardown(a_process_of_another, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	failed += run_all("with pidfds", NULL);
	failed += run_all("without pidfds", &failed);
	return failed;
}
