/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that use the library in a process of their own ways: signals, descriptors, forks. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "counting.h"

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

static int exit_3(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	_exit(3);
}
MITOGEN_EXPORT(exit_3);

static int print(mitogen_message *m, mitogen_error *error)
{
	const char *text;
	int r = mitogen_read(m, error, &text);

	if (r == 0)
		printf("%s", text);
	return r;
}
MITOGEN_EXPORT(print, MITOGEN_TEXT);

static int print_megabyte(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	for (int i = 0; i < 1 << 20; i++)
		putchar('x');
	return 0;
}
MITOGEN_EXPORT(print_megabyte);

/* How many descriptors it has, beside the standard ones and what its own library needs. */
static int list_descriptors(mitogen_message *m, mitogen_error *error)
{
	char path[64], target[256];
	int found = 0;

	for (int fd = 3; fd < 256; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (!strstr(target, "anon_inode:") && !strstr(target, "socket:"))
			found++;
	}
	return mitogen_reply(m, error, found);
}
MITOGEN_EXPORT(list_descriptors);

/* ---- What a process has ---- */

static bool has_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

static void expect_call(mitogen_context child)
{
	int64_t sum = 0;

	EXPECT_OK(mitogen_call(child, add, &sum, &err, 20, 22));
	EXPECT(sum == 42);
}

/* ---- Scenarios ---- */

static void sigchld_ignored(void)
{
	mitogen_context child;

	signal(SIGCHLD, SIG_IGN);
	child = new_child(router, &err);
	expect_call(child);
	EXPECT_FAILURE(mitogen_call(child, exit_3, NULL, &err), MITOGEN_ERR_LOST,
		       "local.1: exit_3: the context was lost: its process ended");
	expect_call(new_child(router, &err));
}

static void reap_all(int signal_number)
{
	int saved = errno;

	(void)signal_number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved;
}

/* A program that reaps whatever ends takes the status of our children, too. */
static void reaps_everything(void)
{
	struct sigaction action = {.sa_handler = reap_all, .sa_flags = SA_RESTART};
	mitogen_context child;

	EXPECT(sigaction(SIGCHLD, &action, NULL) == 0);
	child = new_child(router, &err);
	expect_call(child);
	EXPECT_FAILURE(mitogen_call(child, exit_3, NULL, &err), MITOGEN_ERR_LOST,
		       "local.1: exit_3: the context was lost: its process ");
	expect_call(new_child(router, &err));
}

/* Those who are not ours are not reaped by us. */
static void own_children_are_left_alone(void)
{
	mitogen_context child = new_child(router, &err);
	int status;
	pid_t pid;

	expect_call(child);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0)
		_exit(7);
	EXPECT(mitogen_call(child, exit_3, NULL, &err) == MITOGEN_ERR_LOST);
	expect_call(new_child(router, &err));
	EXPECT(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* Says with its exit status what is wrong, as nothing else is open. */
static void without_standard_descriptors(void)
{
	mitogen_router late;
	mitogen_context child;
	int64_t sum = 0;

	for (int fd = 0; fd < 3; fd++)
		close(fd);
	late = mitogen_router_new(&err);
	child = mitogen_local(late, &err);
	if (mitogen_call(child, add, &sum, &err, 20, 22) < 0 || sum != 42)
		_exit(10);
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			_exit(11 + fd); /* what the program prints would go there */
	mitogen_router_close(late);
}

/* What the program has open without close-on-exec does not go into children. */
static void descriptors_are_not_inherited(void)
{
	mitogen_context child;
	int found, pipes[2];

	EXPECT(pipe(pipes) == 0);
	child = new_child(router, &err);
	EXPECT_OK(mitogen_call(child, list_descriptors, &found, &err));
	EXPECT(found == 2); /* from us and to us */
}

static void too_few_descriptors(void)
{
	struct rlimit limit, low;
	mitogen_context children[20];
	int before, works = 0, r = 0;

	expect_call(new_child(router, &err));
	before = count_descriptors();
	EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	low = limit;
	low.rlim_cur = 30;
	EXPECT(setrlimit(RLIMIT_NOFILE, &low) == 0);
	while (works < 20 && r == 0) {
		children[works] = new_child(router, &err);
		r = mitogen_context_wait(children[works], &err);
		if (r == 0)
			works++;
	}
	EXPECT_FAILURE(r, MITOGEN_ERR_CONNECT, "Too many open files");
	EXPECT(strstr(err.text, "could not be started"));
	for (int i = 0; i < works; i++)
		expect_call(children[i]);
	EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	expect_call(new_child(router, &err));
	for (int i = 0; i < works; i++)
		EXPECT_OK(mitogen_context_shutdown(children[i], &err));
	EXPECT(works > 0 && count_descriptors() < before + 5);
}

/* In the copy every call fails, and says why; the original is not disturbed. */
static int use_copy(mitogen_context child, mitogen_receiver receiver)
{
	MITOGEN_AUTO(message, m);
	mitogen_error mine = {0};
	const char *const argv[] = {"true", NULL};

	if (mitogen_call(child, add, NULL, &mine, 1, 2) != MITOGEN_ERR_FORKED ||
	    mine.code != MITOGEN_ERR_FORKED)
		return 1;
	if (mitogen_call_async(child, add, receiver, NULL, NULL, 1, 2) != MITOGEN_ERR_FORKED)
		return 2;
	if (mitogen_call_no_reply(child, add, NULL, 1, 2) != MITOGEN_ERR_FORKED)
		return 3;
	if (mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, NULL) != MITOGEN_ERR_FORKED)
		return 4;
	if (mitogen_receiver_fd(receiver, NULL) != MITOGEN_ERR_FORKED)
		return 5;
	if (mitogen_context_wait(child, NULL) != MITOGEN_ERR_FORKED ||
	    mitogen_context_shutdown(child, NULL) != MITOGEN_ERR_FORKED)
		return 6;
	if (mitogen_local(router, &mine).ref || mine.code != MITOGEN_ERR_FORKED)
		return 7;
	if (mitogen_receiver_new(router, &mine).ref || mine.code != MITOGEN_ERR_FORKED)
		return 8;
	mine.code = 0;
	if (mitogen_router_new(&mine).ref || mine.code != MITOGEN_ERR_FORKED)
		return 9;
	mine.code = 0;
	if (mitogen_exec(child, argv, receiver, NULL, &mine).ref || mine.code != MITOGEN_ERR_FORKED)
		return 10;
	mitogen_receiver_close(receiver);
	mitogen_router_close(router);
	return 0;
}

static void forks(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	int status;
	pid_t pid;

	expect_call(child);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0)
		_exit(use_copy(child, receiver));
	EXPECT(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status));
	EXPECT(WEXITSTATUS(status) == 0);
	expect_call(child);
}

/* SIGPIPE has its default here: one would end the program. */
static void no_sigpipe(void)
{
	for (int i = 0; i < 20; i++) {
		mitogen_context child = new_child(router, &err);
		pid_t pid;

		EXPECT_OK(mitogen_call(child, get_pid, &pid, &err));
		EXPECT(kill(pid, SIGKILL) == 0);
		for (int j = 0; j < 10; j++)
			EXPECT(mitogen_call(child, add, NULL, &err, 1, 2) == MITOGEN_ERR_LOST);
	}
}

static void prints(void)
{
	mitogen_context child = new_child(router, &err, .name = "web");

	EXPECT_OK(mitogen_call(child, print, NULL, &err, "one line\nanother \x1b[31mline\n"));
	EXPECT_OK(mitogen_call(child, print, NULL, &err, "the end"));
	EXPECT_OK(mitogen_context_shutdown(child, &err));
}

static void prints_a_megabyte(void)
{
	mitogen_context child = new_child(router, &err, .name = "web");

	EXPECT_OK(mitogen_call(child, print_megabyte, NULL, &err));
	EXPECT_OK(mitogen_call(child, print, NULL, &err, "\na short line\n"));
	expect_call(child);
	EXPECT_OK(mitogen_context_shutdown(child, &err));
}

/* What it printed before it was killed is not lost. */
static void prints_and_is_killed(void)
{
	mitogen_context child = new_child(router, &err);
	pid_t pid;

	EXPECT_OK(mitogen_call(child, print, NULL, &err, "before the end\n"));
	EXPECT_OK(mitogen_call(child, get_pid, &pid, &err));
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(mitogen_context_wait(child, &err) == 0 || err.code == MITOGEN_ERR_LOST);
	EXPECT(mitogen_call(child, add, NULL, &err, 1, 2) == MITOGEN_ERR_LOST);
}

static char logged[4096];

static void keep_line(mitogen_log_level level, const char *context, const char *line, void *user)
{
	size_t used = strlen(logged);

	(void)level;
	EXPECT(user == &logged);
	snprintf(logged + used, sizeof(logged) - used, "%s: %s\n", context, line);
}

static void own_log(void)
{
	mitogen_router other = mitogen_router_new(&err, .log = keep_line, .log_user = &logged);
	mitogen_context child = mitogen_local(other, &err, .name = "web");

	EXPECT_OK(mitogen_call(child, print, NULL, &err, "one line\n"));
	mitogen_router_close(other);
	EXPECT(strcmp(logged, "web: one line\n") == 0);
}

static void fifty_routers(void)
{
	int descriptors = count_descriptors(), threads = count_threads();

	for (int i = 0; i < 50; i++) {
		mitogen_router one = mitogen_router_new(&err);
		mitogen_receiver receiver = mitogen_receiver_new(one, &err);

		EXPECT(mitogen_receiver_fd(receiver, &err) >= 0);
		mitogen_local(one, &err); /* is still connecting at the end */
		if (i % 5 == 0)
			expect_call(mitogen_local(one, &err));
		mitogen_router_close(one);
		EXPECT(err.code == 0);
	}
	EXPECT(count_descriptors() == descriptors);
	await_threads(threads);
	EXPECT(!has_children());
}

/* All start at the same time, and all answer; with more of them than events come at once. */
static void a_hundred_children(void)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	static char seen[100];
	MITOGEN_AUTO(message, m);

	for (int i = 0; i < 100; i++)
		EXPECT_OK(mitogen_call_async(new_child(router, &err), add, receiver, &seen[i], &err,
					     i, 1));
	for (int i = 0; i < 100; i++) {
		int64_t sum;
		char *tag;

		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_OK(mitogen_read(m, &err, &sum));
		tag = mitogen_message_tag(m);
		EXPECT(sum == tag - seen + 1 && ++*tag == 1);
	}
}

/* Signals of the program are delivered to its threads, never to ours. */
static volatile sig_atomic_t handled;
static pthread_t handler_thread;

static void note_thread(int signal_number)
{
	(void)signal_number;
	handler_thread = pthread_self();
	handled++;
}

static void signals_are_not_taken(void)
{
	struct sigaction action = {.sa_handler = note_thread};
	mitogen_context child = new_child(router, &err);
	sigset_t usr1;

	expect_call(child);
	EXPECT(sigaction(SIGUSR1, &action, NULL) == 0);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	EXPECT(pthread_sigmask(SIG_BLOCK, &usr1, NULL) == 0);
	EXPECT(kill(getpid(), SIGUSR1) == 0);
	expect_call(child);
	EXPECT(handled == 0);
	EXPECT(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL) == 0);
	EXPECT(handled == 1 && pthread_equal(handler_thread, pthread_self()));
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"sigchld_ignored", sigchld_ignored},
		{"reaps_everything", reaps_everything},
		{"own_children_are_left_alone", own_children_are_left_alone},
		{"without_standard_descriptors", without_standard_descriptors},
		{"descriptors_are_not_inherited", descriptors_are_not_inherited},
		{"too_few_descriptors", too_few_descriptors},
		{"forks", forks},
		{"no_sigpipe", no_sigpipe},
		{"prints", prints},
		{"prints_a_megabyte", prints_a_megabyte},
		{"prints_and_is_killed", prints_and_is_killed},
		{"own_log", own_log},
		{"fifty_routers", fifty_routers},
		{"a_hundred_children", a_hundred_children},
		{"signals_are_not_taken", signals_are_not_taken},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
