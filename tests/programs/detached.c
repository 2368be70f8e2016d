/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts that are let go: what of theirs still arrives, what they go on with, who is told. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "scenario.h"

#define LET_GO "the context was detached"

/* ---- Functions ---- */

static int get_pid(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, getpid());
}
MITOGEN_EXPORT(get_pid);

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* (started, go_on, result): runs from one meeting to the other, then writes to a file or fifo. */
static int work(mitogen_message *m, mitogen_error *error)
{
	const char *started, *go_on, *result;
	int r = mitogen_read(m, error, &started, &go_on, &result);

	if (r < 0)
		return r;
	meet_as_writer(started);
	meet_as_reader(go_on);
	write_file(result, "done");
	return mitogen_reply(m, error, "nobody hears that");
}
MITOGEN_EXPORT(work, MITOGEN_TEXT, MITOGEN_TEXT, MITOGEN_TEXT);

static int append(mitogen_message *m, mitogen_error *error)
{
	const char *path, *text;
	int r = mitogen_read(m, error, &path, &text);

	if (r == 0)
		write_file(path, text);
	return r;
}
MITOGEN_EXPORT(append, MITOGEN_TEXT, MITOGEN_TEXT);

/* As work, but that it prints more than any pipe holds. */
static int print_much(mitogen_message *m, mitogen_error *error)
{
	const char *started, *go_on, *result;
	int r = mitogen_read(m, error, &started, &go_on, &result);

	if (r < 0)
		return r;
	printf("before");
	meet_as_writer(started);
	meet_as_reader(go_on);
	for (int i = 0; i < 1 << 20; i++)
		printf("after%c", i % 100 ? ' ' : '\n');
	fprintf(stderr, "after\n");
	write_file(result, ferror(stdout) || ferror(stderr) ? "error" : "done");
	return 0;
}
MITOGEN_EXPORT(print_much, MITOGEN_TEXT, MITOGEN_TEXT, MITOGEN_TEXT);

/* Sends numbers through its channel, meets somebody, and sends more. */
static int send_numbers(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m);
	const char *started, *go_on, *result;
	int count, r = mitogen_read(m, error, &count, &started, &go_on, &result);

	for (int i = 0; i < count && r >= 0; i++)
		r = mitogen_send(caller.tx, error, i);
	if (r < 0)
		return r;
	meet_as_writer(started);
	meet_as_reader(go_on);
	while (mitogen_send(caller.tx, error, -1) == 0)
		; /* until we hear that nobody listens */
	write_file(result, "cannot be sent");
	return 0;
}
MITOGEN_EXPORT(send_numbers, MITOGEN_INT, MITOGEN_TEXT, MITOGEN_TEXT, MITOGEN_TEXT);

/* Waits for what comes through its channel, until there is an end; writes how that was told. */
static int listen_to_caller(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m);
	MITOGEN_AUTO(message, got);
	mitogen_error mine = {0};
	const char *started, *result;
	int r = mitogen_read(m, error, &started, &result);

	if (r < 0)
		return r;
	meet_as_writer(started);
	do
		r = mitogen_receiver_get(caller.rx, &got, MITOGEN_FOREVER, &mine);
	while (r > 0 && mitogen_read(got, &mine) == 0);
	write_file(result, mine.text);
	return 0;
}
MITOGEN_EXPORT(listen_to_caller, MITOGEN_TEXT, MITOGEN_TEXT);

/* As work, with a child of its own, of which it asks something at the end. */
static int work_with_child(mitogen_message *m, mitogen_error *error)
{
	mitogen_router here = mitogen_message_router(m);
	mitogen_context child = mitogen_local(here, error);
	const char *started, *go_on, *result;
	pid_t pid;
	int r = mitogen_read(m, error, &started, &go_on, &result);

	if (r == 0)
		r = mitogen_context_wait(child, error);
	if (r < 0)
		return r;
	meet_as_writer(started);
	meet_as_reader(go_on);
	r = mitogen_call(child, get_pid, &pid, error);
	if (r == 0)
		r = mitogen_call(mitogen_local(here, error), get_pid, NULL, error);
	write_file(result, r < 0 ? error->text : "done");
	return r;
}
MITOGEN_EXPORT(work_with_child, MITOGEN_TEXT, MITOGEN_TEXT, MITOGEN_TEXT);

/* ---- What a scenario needs ---- */

static const char *started, *go_on, *result;

static void make_meetings(void)
{
	started = strdup(make_fifo("started"));
	go_on = strdup(make_fifo("go_on"));
	result = strdup(path_of("result"));
	EXPECT(started && go_on && result);
}

static pid_t pid_of(mitogen_context child)
{
	pid_t pid;

	EXPECT_OK(mitogen_call(child, get_pid, &pid, &err));
	return pid;
}

static int open_process(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	EXPECT(fd >= 0);
	return fd;
}

static void wait_for_end(int process)
{
	EXPECT(poll(&(struct pollfd){.fd = process, .events = POLLIN}, 1, -1) == 1);
	close(process);
}

static bool is_stopped(pid_t pid)
{
	char path[64], state = 'T';
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	EXPECT(tasks != NULL);
	while (state == 'T' && (entry = readdir(tasks)) != NULL) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", (int)pid, entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (file) {
			EXPECT(fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
			fclose(file);
		}
	}
	closedir(tasks);
	return state == 'T';
}

/* Each of its threads: they stop one after the other. */
static void stop(pid_t pid)
{
	EXPECT(kill(pid, SIGSTOP) == 0);
	while (!is_stopped(pid))
		usleep(1000);
}

static void expect_text(const char *path, const char *expected_text)
{
	char text[2048] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	EXPECT(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	if (strcmp(text, expected_text) != 0)
		fprintf(stderr, "%s has \"%s\"\n", path, text);
	EXPECT(strcmp(text, expected_text) == 0);
}

static void expect_result(const char *expected_text)
{
	expect_text(result, expected_text);
}

/* Starts the function in child, which is then in the middle of it. Its end comes to the receiver. */
static mitogen_receiver begin(mitogen_context child, mitogen_function *function)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);

	make_meetings();
	EXPECT_OK(
		mitogen_call_async(child, function, receiver, NULL, &err, started, go_on, result));
	meet_as_reader(started);
	return receiver;
}

static void expect_failed_call(mitogen_receiver receiver, const char *text)
{
	MITOGEN_AUTO(message, m);

	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_CLOSED, text);
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
}

/* ---- Scenarios ---- */

static void goes_on(void)
{
	mitogen_context child = new_child(router, &err), other = new_child(router, &err);
	int process = open_process(pid_of(child));
	mitogen_receiver receiver = begin(child, work);

	EXPECT_OK(mitogen_context_detach(child, &err));
	EXPECT(err.code == 0);
	expect_failed_call(receiver, "local.1: work: " LET_GO);
	EXPECT_FAILURE(mitogen_call(child, get_pid, NULL, &err), MITOGEN_ERR_CLOSED,
		       "local.1: get_pid: " LET_GO);
	EXPECT_FAILURE(mitogen_context_wait(child, &err), MITOGEN_ERR_CLOSED, LET_GO);
	EXPECT_FAILURE(mitogen_context_detach(child, &err), MITOGEN_ERR_CLOSED, LET_GO);
	EXPECT_OK(mitogen_context_shutdown(child, &err));
	meet_as_writer(go_on);
	wait_for_end(process);
	expect_result("done");
	pid_of(other);
}

/* It is no zombie while the router is there. */
static void is_reaped(void)
{
	mitogen_context child = new_child(router, &err);
	pid_t pid = pid_of(child);

	EXPECT_OK(mitogen_context_detach(child, &err)); /* it has nothing to do */
	while (kill(pid, 0) == 0)
		usleep(1000);
	EXPECT(errno == ESRCH);
}

static void nobody_waits_for_it(void)
{
	mitogen_context child = new_child(router, &err);
	int process = open_process(pid_of(child));

	begin(child, work);
	EXPECT_OK(mitogen_context_detach(child, &err));
	mitogen_router_close(router);
	EXPECT(poll(&(struct pollfd){.fd = process, .events = POLLIN}, 1, 0) == 0);
	meet_as_writer(go_on);
	wait_for_end(process);
	expect_result("done");
}

/* So that it outlives us. */
static void is_left_behind(void)
{
	mitogen_context child = new_child(router, &err);
	pid_t pid = pid_of(child);

	begin(child, work);
	EXPECT_OK(mitogen_context_detach(child, &err));
	printf("%d\n", (int)pid);
}

static void runs_what_is_queued(void)
{
	mitogen_context child = new_child(router, &err);
	int process = open_process(pid_of(child));
	mitogen_receiver receiver = begin(child, work);

	for (int i = 0; i < 100; i++)
		EXPECT_OK(mitogen_call_no_reply(child, append, &err, result, i < 99 ? "." : "!"));
	EXPECT_OK(mitogen_context_detach(child, &err));
	expect_failed_call(receiver, LET_GO);
	meet_as_writer(go_on);
	wait_for_end(process);
	expect_result("done"
		      ".................................................."
		      ".................................................!");
}

/* All that it has sent arrives, before its end. */
static void what_it_sent_arrives(void)
{
	mitogen_context child = new_child(router, &err);
	int process = open_process(pid_of(child)), number, r;
	mitogen_channel channel;
	MITOGEN_AUTO(message, m);

	make_meetings();
	channel = mitogen_channel_open(child, send_numbers, &err, 3000, started, go_on, result);
	EXPECT(channel.rx.ref);
	meet_as_reader(started);
	EXPECT_OK(mitogen_context_detach(child, &err));
	for (int i = 0; i < 3000; i++) {
		EXPECT(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_OK(mitogen_read(m, &err, &number));
		EXPECT(number == i);
	}
	r = mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err);
	if (r == 1)
		r = mitogen_read(m, &err);
	EXPECT_FAILURE(r, MITOGEN_ERR_CLOSED, LET_GO);
	mitogen_channel_close(channel);
	meet_as_writer(go_on);
	wait_for_end(process);
	expect_result("cannot be sent");
}

static void prints_afterwards(void)
{
	mitogen_context child = new_child(router, &err);
	int process = open_process(pid_of(child));

	begin(child, print_much);
	EXPECT_OK(mitogen_context_detach(child, &err));
	meet_as_writer(go_on);
	wait_for_end(process);
	expect_result("done");
}

static void keeps_its_children(void)
{
	mitogen_context child = new_child(router, &err);
	int process = open_process(pid_of(child));

	begin(child, work_with_child);
	EXPECT_OK(mitogen_context_detach(child, &err));
	meet_as_writer(go_on);
	wait_for_end(process);
	expect_result("done");
}

/* The child of a child, which is told to let it go. */
static void further_down(void)
{
	mitogen_context middle = new_child(router, &err), child = mitogen_local(middle, &err);
	int process = open_process(pid_of(child));
	mitogen_receiver receiver = begin(child, work);

	EXPECT_OK(mitogen_context_detach(child, &err));
	expect_failed_call(receiver, "local.1/local.1: work: " LET_GO);
	EXPECT_FAILURE(mitogen_call(child, get_pid, NULL, &err), MITOGEN_ERR_CLOSED, LET_GO);
	EXPECT_OK(mitogen_context_shutdown(middle, &err));
	meet_as_writer(go_on);
	wait_for_end(process);
	expect_result("done");
}

/* Who is below it and waits for somebody above is told that there is no way. */
static void those_below_are_told(void)
{
	mitogen_context middle = new_child(router, &err), next = mitogen_local(middle, &err),
			child = mitogen_local(next, &err);
	int process = open_process(pid_of(middle));
	const char *started_below, *heard;

	begin(middle, work);
	started_below = make_fifo("started_below");
	heard = make_fifo("heard");
	EXPECT(mitogen_channel_open(child, listen_to_caller, &err, started_below, heard).rx.ref);
	meet_as_reader(started_below);
	EXPECT_OK(mitogen_context_detach(middle, &err));
	EXPECT_FAILURE(mitogen_call(child, get_pid, NULL, &err), MITOGEN_ERR_LOST,
		       "through which it was reached: " LET_GO);
	expect_text(heard, "master: local.1 was detached: nothing above it can be reached");
	meet_as_writer(go_on);
	wait_for_end(process);
	expect_result("done");
}

static void while_it_connects(void)
{
	mitogen_context child = new_child(router, &err);

	EXPECT_OK(mitogen_context_detach(child, &err));
	EXPECT_FAILURE(mitogen_context_wait(child, &err), MITOGEN_ERR_CLOSED, LET_GO);
}

static void cannot_be_let_go(void)
{
	mitogen_context none = {0}, child = new_child(router, &err);
	pid_t pid = pid_of(child);

	EXPECT_FAILURE(mitogen_context_detach(none, &err), MITOGEN_ERR_USAGE, "none");
	EXPECT_FAILURE(mitogen_context_detach(mitogen_self(router), &err), MITOGEN_ERR_USAGE,
		       "was not started by this process");
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(mitogen_call(child, get_pid, NULL, &err) == MITOGEN_ERR_LOST);
	EXPECT_FAILURE(mitogen_context_detach(child, &err), MITOGEN_ERR_LOST,
		       "was killed by SIGKILL");
	child = mitogen_local(router, &err, .image = "/nonexistent");
	EXPECT_FAILURE(mitogen_context_detach(child, &err), MITOGEN_ERR_CONNECT,
		       "could not be started");
}

/* One that does not answer stays; when it answers, it is gone. */
static void hangs(void)
{
	mitogen_context child = new_child(router, &err);
	pid_t pid = pid_of(child);

	stop(pid);
	EXPECT_FAILURE(mitogen_context_detach(mitogen_within(child, 20), &err), MITOGEN_ERR_TIMEOUT,
		       "in time");
	EXPECT(kill(pid, SIGCONT) == 0);
	while (mitogen_call(child, get_pid, NULL, &err) == 0)
		;
	EXPECT_FAILURE(mitogen_context_detach(child, &err), MITOGEN_ERR_CLOSED, LET_GO);
}

static void is_killed_meanwhile(void)
{
	mitogen_context child = new_child(router, &err);
	pid_t pid = pid_of(child);

	stop(pid);
	EXPECT_FAILURE(mitogen_context_detach(mitogen_within(child, 20), &err), MITOGEN_ERR_TIMEOUT,
		       "in time");
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT_FAILURE(mitogen_context_detach(child, &err), MITOGEN_ERR_LOST,
		       "was killed by SIGKILL");
}

/* What it runs for others has nobody to report to. */
static void its_programs_end(void)
{
	mitogen_context child = new_child(router, &err);
	const char *const argv[] = {"sleep", "1000", NULL};
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);
	int process = open_process(pid_of(child)), program, r;

	EXPECT(mitogen_exec(child, argv, receiver, NULL, &err).ref);
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err, &program));
	program = open_process(program);
	EXPECT_OK(mitogen_context_detach(child, &err));
	do
		r = mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err);
	while (r == 1 && mitogen_message_event(m) != MITOGEN_EVENT_EXIT);
	EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_CLOSED, LET_GO);
	wait_for_end(program);
	wait_for_end(process);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"goes_on", goes_on},
		{"is_reaped", is_reaped},
		{"nobody_waits_for_it", nobody_waits_for_it},
		{"is_left_behind", is_left_behind},
		{"runs_what_is_queued", runs_what_is_queued},
		{"what_it_sent_arrives", what_it_sent_arrives},
		{"prints_afterwards", prints_afterwards},
		{"keeps_its_children", keeps_its_children},
		{"further_down", further_down},
		{"those_below_are_told", those_below_are_told},
		{"while_it_connects", while_it_connects},
		{"cannot_be_let_go", cannot_be_let_go},
		{"hangs", hangs},
		{"is_killed_meanwhile", is_killed_meanwhile},
		{"its_programs_end", its_programs_end},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
