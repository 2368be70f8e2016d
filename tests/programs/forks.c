/* SPDX-License-Identifier: BSD-3-Clause */
/* Children that are copies of the program, beyond what holds for all children (METHOD=fork). */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "counting.h"

/* ---- The state of the program ---- */

static int *table; /* of 1000 numbers; built before the fork server is set up */
static FILE *file; /* open since before, with something in its buffer */
static int pipes[2];

static void build_table(int first)
{
	if (!table)
		table = malloc(1000 * sizeof(*table));
	EXPECT(table != NULL);
	for (int i = 0; i < 1000; i++)
		table[i] = first + i;
}

/* ---- Functions ---- */

static int get_entry(mitogen_message *m, mitogen_error *error)
{
	size_t i;
	int r = mitogen_read(m, error, &i);

	if (r < 0)
		return r;
	return table ? mitogen_reply(m, error, table[i]) : mitogen_fail(error, NULL, "no table");
}
MITOGEN_EXPORT(get_entry, MITOGEN_INT);

static int set_entry(mitogen_message *m, mitogen_error *error)
{
	size_t i;
	int value, r = mitogen_read(m, error, &i, &value);

	if (r == 0)
		table[i] = value;
	return r;
}
MITOGEN_EXPORT(set_entry, MITOGEN_INT, MITOGEN_INT);

static int get_pid(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, getpid(), getppid());
}
MITOGEN_EXPORT(get_pid);

static int exit_3(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	_exit(3);
}
MITOGEN_EXPORT(exit_3);

static int print_to_file(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	fprintf(file, "from a child\n");
	fflush(file);
	return 0;
}
MITOGEN_EXPORT(print_to_file);

static int read_input(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, getchar());
}
MITOGEN_EXPORT(read_input);

/* How many descriptors it has, and how many of them are pipes. */
static int list_descriptors(mitogen_message *m, mitogen_error *error)
{
	char path[64], target[256];
	int all = 0, found = 0;

	for (int fd = 0; fd < 256; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		all++;
		if (strstr(target, "pipe:"))
			found++;
	}
	return mitogen_reply(m, error, all, found);
}
MITOGEN_EXPORT(list_descriptors);

/* Whether all signals have their default, and none is blocked. */
static int check_signals(mitogen_message *m, mitogen_error *error)
{
	struct sigaction action;
	sigset_t mask;

	(void)m;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&mask, number) > 0 ||
		    (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
		     number != SIGPIPE))
			return mitogen_fail(error, NULL, "signal %d", number);
	return 0;
}
MITOGEN_EXPORT(check_signals);

static int fork_below(mitogen_message *m, mitogen_error *error)
{
	mitogen_context below = mitogen_fork(mitogen_message_router(m), error, .fork_server = true);
	char name[64];
	int entry, r = mitogen_call(below, get_entry, &entry, error, 7);

	return r < 0 ? r
		     : mitogen_reply(m, error, entry,
				     mitogen_context_name(below, name, sizeof(name)));
}
MITOGEN_EXPORT(fork_below);

/* ---- What a scenario needs ---- */

static pid_t child_of(pid_t pid)
{
	char path[64];
	FILE *list;
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	list = fopen(path, "r");
	EXPECT(list && fscanf(list, "%d", &child) >= 0);
	fclose(list);
	return child;
}

static void pids_of(mitogen_context child, pid_t *ret_pid, pid_t *ret_server)
{
	MITOGEN_AUTO(message, m);

	EXPECT_OK(mitogen_call(child, get_pid, &m, &err));
	EXPECT_OK(mitogen_read(m, &err, ret_pid, ret_server));
}

static void expect_entry(mitogen_context child, int i, int expected_value)
{
	int value = -1;

	EXPECT_OK(mitogen_call(child, get_entry, &value, &err, i));
	EXPECT(value == expected_value);
}

static void expect_children(int count)
{
	siginfo_t info;
	int r = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);

	EXPECT(count ? r == 0 && info.si_pid == 0 : r < 0 && errno == ECHILD);
}

static void start(void)
{
	/* no patience: a process that does not end when it should stops the scenario */
	router = mitogen_router_new(&err, .fork_server = true, .shutdown_ms = MITOGEN_FOREVER);
	EXPECT(router.ref != 0);
}

/* ---- Scenarios ---- */

/* What is there before is there in all children; each changes its own. */
static void state_is_shared(void)
{
	mitogen_context a, b;

	build_table(100);
	start();
	a = mitogen_fork(router, &err);
	expect_entry(a, 7, 107);
	build_table(500);
	b = mitogen_fork(router, &err);
	expect_entry(b, 7, 107);
	EXPECT_OK(mitogen_call(a, set_entry, NULL, &err, 7, 3));
	expect_entry(a, 7, 3);
	expect_entry(b, 7, 107);
	EXPECT(table[7] == 507);
	EXPECT_FAILURE(mitogen_call(mitogen_local(router, &err), get_entry, NULL, &err, 7),
		       MITOGEN_ERR_CALL, "no table");
}

static void note_exit(void)
{
	int fd = open(path_of("exits"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	EXPECT(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
}

/* Children do not come back from the start, nor run what the program does at its exit. */
static void main_runs_once(void)
{
	struct stat st;

	EXPECT(atexit(note_exit) == 0);
	start();
	note_exit(); /* whoever is here */
	for (int i = 0; i < 3; i++)
		EXPECT_OK(mitogen_call(mitogen_fork(router, &err), get_pid, NULL, &err));
	mitogen_router_close(router);
	EXPECT(stat(path_of("exits"), &st) == 0 && st.st_size == 1);
}

/* Writes "before", "after" to stdout and to a file, each of them once. */
static void buffers_are_written_once(void)
{
	file = fopen(path_of("written"), "we");
	EXPECT(file != NULL);
	printf("before ");
	fprintf(file, "before ");
	start();
	for (int i = 0; i < 3; i++) {
		mitogen_context child = mitogen_fork(router, &err);

		EXPECT_OK(mitogen_call(child, print_to_file, NULL, &err));
		EXPECT_OK(mitogen_context_shutdown(child, &err));
	}
	mitogen_router_close(router);
	printf("after");
	fprintf(file, "after");
	fclose(file);
}

/* Of an input that both have read from, the program's own place stays as it is. */
static void input_is_the_programs(void)
{
	char line[16];
	int c;

	EXPECT(freopen(path_of("input"), "w+e", stdin) != NULL);
	EXPECT(write(STDIN_FILENO, "one\ntwo\n", 8) == 8 && lseek(STDIN_FILENO, 0, SEEK_SET) == 0);
	EXPECT(fgets(line, sizeof(line), stdin) && strcmp(line, "one\n") == 0);
	start();
	EXPECT_OK(mitogen_call(mitogen_fork(router, &err), read_input, &c, &err));
	EXPECT(c == EOF);
	mitogen_router_close(router);
	EXPECT(fgets(line, sizeof(line), stdin) && strcmp(line, "two\n") == 0);
	EXPECT(!fgets(line, sizeof(line), stdin));
}

static void without_server(void)
{
	mitogen_context child;

	router = mitogen_router_new(&err);
	EXPECT(mitogen_fork(router, &err).ref == 0);
	EXPECT_FAILURE(err.code, MITOGEN_ERR_USAGE, "give .fork_server = true to mitogen_start");
	child = mitogen_local(router, &err);
	EXPECT_FAILURE(mitogen_call(child, fork_below, NULL, &err), MITOGEN_ERR_CALL,
		       "start it with .fork_server = true");
}

static void *wait_for_ever(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static void second_thread(void)
{
	mitogen_router other = mitogen_router_new(&err);
	pthread_t thread;

	EXPECT(mitogen_router_new(&err, .fork_server = true).ref == 0);
	EXPECT_FAILURE(err.code, MITOGEN_ERR_USAGE, "before any other thread is started");
	mitogen_router_close(other);
	start(); /* that thread is gone */
	mitogen_router_close(router);
	EXPECT(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
	EXPECT(mitogen_router_new(&err, .fork_server = true).ref == 0);
	EXPECT_FAILURE(err.code, MITOGEN_ERR_USAGE, " threads; do it");
	expect_children(0);
}

/* Each router with a server of its own, of the state of its day. */
static void one_router_after_another(void)
{
	int descriptors = count_descriptors();

	for (int i = 1; i <= 3; i++) {
		build_table(i * 1000);
		start();
		expect_entry(mitogen_fork(router, &err), 1, i * 1000 + 1);
		mitogen_router_close(router);
		EXPECT(count_descriptors() == descriptors);
		expect_children(0);
	}
}

static void forks_below(void)
{
	mitogen_context child;
	MITOGEN_AUTO(message, m);
	const char *name;
	int entry;

	build_table(100);
	start();
	child = mitogen_fork(router, &err, .fork_server = true);
	EXPECT_OK(mitogen_call(child, set_entry, NULL, &err, 7, 3));
	EXPECT_OK(mitogen_call(child, fork_below, &m, &err));
	EXPECT_OK(mitogen_read(m, &err, &entry, &name));
	EXPECT(entry == 107); /* its server has the state of its start */
	EXPECT(strcmp(name, "fork.1/fork.1") == 0);
	child = mitogen_local(router, &err, .fork_server = true);
	EXPECT_FAILURE(mitogen_call(child, fork_below, &m, &err), MITOGEN_ERR_CALL,
		       "local.2/fork.1: get_entry: no table");
}

/* A context with a server forks for others, too; where there is none, that is said. */
static void via_contexts(void)
{
	mitogen_context child, below, other;
	char name[64];

	build_table(100);
	start();
	child = mitogen_fork(router, &err, .fork_server = true);
	below = mitogen_fork(child, &err);
	expect_entry(below, 7, 107);
	EXPECT(strcmp(mitogen_context_name(below, name, sizeof(name)), "fork.1/fork.1") == 0);
	other = mitogen_fork(below, &err);
	EXPECT_FAILURE(mitogen_context_wait(other, &err), MITOGEN_ERR_USAGE,
		       "fork.1/fork.1 has none: start it with .fork_server = true");
	other = mitogen_local(below, &err, .fork_server = true);
	EXPECT_FAILURE(mitogen_call(mitogen_fork(other, &err), get_entry, NULL, &err, 7),
		       MITOGEN_ERR_CALL, "no table");
}

/* The server tells how a child has ended, whatever the program does with its own children. */
static void sigchld_ignored(void)
{
	mitogen_context child;

	signal(SIGCHLD, SIG_IGN);
	start();
	child = mitogen_fork(router, &err);
	EXPECT_FAILURE(mitogen_call(child, exit_3, NULL, &err), MITOGEN_ERR_LOST,
		       "fork.1: exit_3: the context was lost: its process exited with status 3");
	EXPECT_OK(mitogen_call(mitogen_fork(router, &err), get_pid, NULL, &err));
}

static void signals_are_defaults(void)
{
	sigset_t mask;

	signal(SIGTERM, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	EXPECT(pthread_sigmask(SIG_BLOCK, &mask, NULL) == 0);
	start();
	EXPECT_OK(mitogen_call(mitogen_fork(router, &err), check_signals, NULL, &err));
	EXPECT(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0);
	EXPECT(sigismember(&mask, SIGUSR2) == 1 && sigismember(&mask, SIGCHLD) == 0);
}

/* A pipe of the program ends when the program closes it; children hold nothing of one another. */
static void descriptors_are_not_inherited(void)
{
	mitogen_context children[10];
	MITOGEN_AUTO(message, m);
	int all, first_all = 0, found;
	char byte;

	EXPECT(pipe(pipes) == 0);
	start();
	for (int i = 0; i < 10; i++) {
		children[i] = mitogen_fork(router, &err);
		EXPECT_OK(mitogen_context_wait(children[i], &err));
	}
	close(pipes[1]);
	EXPECT(read(pipes[0], &byte, 1) == 0);
	for (int i = 0; i < 10; i++) {
		EXPECT_OK(mitogen_call(children[i], list_descriptors, &m, &err));
		EXPECT_OK(mitogen_read(m, &err, &all, &found));
		first_all = i == 0 ? all : first_all;
		EXPECT(all == first_all &&
		       found == 4); /* from us and to us, and two to its own pipe */
	}
}

static void without_standard_descriptors(void)
{
	mitogen_context child;

	build_table(100);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	start();
	child = mitogen_fork(router, &err);
	if (mitogen_call(child, get_entry, NULL, &err, 7) < 0)
		_exit(10);
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			_exit(11 + fd);
	mitogen_router_close(router);
	_exit(0);
}

/* In the program and in the server, after children of every fate. */
static void nothing_is_left(void)
{
	pid_t pid, server;
	int before;

	start();
	pids_of(mitogen_fork(router, &err), &pid, &server);
	before = count_descriptors();
	for (int i = 0; i < 30; i++) {
		mitogen_context child = mitogen_fork(router, &err);

		if (i % 3 == 0)
			EXPECT(mitogen_call(child, exit_3, NULL, &err) == MITOGEN_ERR_LOST);
		EXPECT_OK(mitogen_context_shutdown(child, &err));
	}
	EXPECT(count_descriptors() == before);
	EXPECT(child_of(getpid()) == server);
	EXPECT(child_of(server) == pid); /* and no other, dead or alive, before it */
	err = (mitogen_error){0};
	mitogen_router_close(router);
	expect_children(0);
}

static void many_at_once(void)
{
	mitogen_receiver receiver;
	MITOGEN_AUTO(message, m);
	static char seen[400];

	build_table(0);
	start();
	receiver = mitogen_receiver_new(router, &err);
	for (int i = 0; i < 400; i++)
		EXPECT_OK(mitogen_call_async(mitogen_fork(router, &err), get_entry, receiver,
					     &seen[i], &err, i));
	for (int i = 0; i < 400; i++) {
		int entry;
		char *tag;

		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_OK(mitogen_read(m, &err, &entry));
		tag = mitogen_message_tag(m);
		EXPECT(entry == tag - seen && ++*tag == 1);
	}
}

/* Its children are given up; other methods go on. */
static void server_is_killed(void)
{
	mitogen_context child, other;
	pid_t pid, server;

	build_table(100);
	start();
	child = mitogen_fork(router, &err);
	other = mitogen_local(router, &err);
	pids_of(child, &pid, &server);
	EXPECT(kill(server, SIGKILL) == 0);
	while (mitogen_call(child, get_entry, NULL, &err, 1) == 0)
		;
	EXPECT_FAILURE(
		err.code, MITOGEN_ERR_LOST,
		"fork.1: get_entry: the context was lost: its process has lost its fork server");
	child = mitogen_fork(router, &err);
	EXPECT_FAILURE(mitogen_context_wait(child, &err), MITOGEN_ERR_CONNECT,
		       "fork.3 could not be started: the fork server was killed by SIGKILL");
	pids_of(other, &pid, &server);
	EXPECT(server == getpid());
}

/* One that does not answer does not keep the program from ending. */
static void server_is_stopped(void)
{
	mitogen_context child;
	pid_t pid, server;

	router = mitogen_router_new(&err, .fork_server = true, .shutdown_ms = 50);
	pids_of(mitogen_fork(router, &err), &pid, &server);
	EXPECT(kill(server, SIGSTOP) == 0);
	child = mitogen_fork(router, &err, .connect_timeout_ms = 50);
	EXPECT_FAILURE(mitogen_context_wait(child, &err), MITOGEN_ERR_TIMEOUT,
		       "fork.2 could not be started: it has not answered in 50 ms");
	mitogen_router_close(router);
	expect_children(0);
}

/* So that it can be killed: prints the PIDs of a child and its server. */
static void waits_until_killed(void)
{
	pid_t pid, server;

	start();
	pids_of(mitogen_fork(router, &err), &pid, &server);
	printf("%d %d\n", (int)pid, (int)server);
	fflush(stdout);
	for (;;)
		pause();
}

/* A signal of the terminal reaches the program alone. */
static void is_in_a_session_of_its_own(void)
{
	pid_t pid, server;

	start();
	pids_of(mitogen_fork(router, &err), &pid, &server);
	EXPECT(getsid(server) == server && getsid(pid) == pid);
}

/* A copy of the program that holds its end of the socket open does not keep the server alive. */
static void killed_beside_a_copy(void)
{
	mitogen_context child;
	pid_t pid, server, copy;

	start();
	child = mitogen_fork(router, &err);
	pids_of(child, &pid, &server);
	EXPECT_OK(mitogen_context_shutdown(child, &err));
	copy = fork();
	EXPECT(copy >= 0);
	if (copy > 0)
		printf("%d %d\n", (int)copy, (int)server);
	fflush(stdout);
	for (;;)
		pause();
}

/* Programs that it runs have none of the placeholders. */
static void runs_programs(void)
{
	const char *const argv[] = {"sh", "-c", "ls /proc/self/fd | wc -l", NULL};
	mitogen_receiver receiver;
	MITOGEN_AUTO(message, m);
	mitogen_bytes bytes;
	int status = -1;

	EXPECT(dup(0) >= 0);
	start();
	receiver = mitogen_receiver_new(router, &err);
	EXPECT(mitogen_exec(mitogen_fork(router, &err), argv, receiver, NULL, &err).ref);
	do {
		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		if (mitogen_message_event(m) != MITOGEN_EVENT_STDOUT)
			continue;
		EXPECT_OK(mitogen_read(m, &err, &bytes)); /* 0, 1, 2 and the directory */
		EXPECT(bytes.size == 2 && memcmp(bytes.data, "4\n", 2) == 0);
	} while (mitogen_message_event(m) != MITOGEN_EVENT_EXIT);
	EXPECT_OK(mitogen_read(m, &err, &status));
	EXPECT(status == 0);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"state_is_shared", state_is_shared},
		{"main_runs_once", main_runs_once},
		{"buffers_are_written_once", buffers_are_written_once},
		{"input_is_the_programs", input_is_the_programs},
		{"without_server", without_server},
		{"second_thread", second_thread},
		{"one_router_after_another", one_router_after_another},
		{"forks_below", forks_below},
		{"via_contexts", via_contexts},
		{"sigchld_ignored", sigchld_ignored},
		{"signals_are_defaults", signals_are_defaults},
		{"descriptors_are_not_inherited", descriptors_are_not_inherited},
		{"without_standard_descriptors", without_standard_descriptors},
		{"nothing_is_left", nothing_is_left},
		{"many_at_once", many_at_once},
		{"server_is_killed", server_is_killed},
		{"server_is_stopped", server_is_stopped},
		{"is_in_a_session_of_its_own", is_in_a_session_of_its_own},
		{"waits_until_killed", waits_until_killed},
		{"killed_beside_a_copy", killed_beside_a_copy},
		{"runs_programs", runs_programs},
		{NULL, NULL},
	};
	int status;

	mitogen_init(argc, argv);
	status = scenario_run(scenarios, argc, argv);
	mitogen_router_close(router);
	return status;
}
