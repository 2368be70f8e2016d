/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that run in contexts, as the one sees it who has them run. */
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "scenario.h"

/* ---- Functions ---- */

struct output {
	char text[256];
	int status;
};

/* Everything up to the exit. 0, or a negative code. */
static int take_output(mitogen_receiver receiver, struct output *output, mitogen_error *error)
{
	mitogen_event event = MITOGEN_EVENT_NONE;
	MITOGEN_AUTO(message, m);

	while (event != MITOGEN_EVENT_EXIT) {
		mitogen_bytes bytes = {0};
		size_t used = strlen(output->text);
		int r = mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, error);

		if (r < 0)
			return r;
		event = mitogen_message_event(m);
		if (event != MITOGEN_EVENT_STDOUT && event != MITOGEN_EVENT_STDERR)
			continue;
		r = mitogen_read(m, error, &bytes);
		if (r < 0)
			return r;
		snprintf(output->text + used, sizeof(output->text) - used, "%.*s", (int)bytes.size,
			 (const char *)bytes.data);
	}
	return mitogen_read(m, error, &output->status);
}

/* Runs a program in its own process, with input. */
static int exec_here(mitogen_message *m, mitogen_error *error)
{
	const char *const argv[] = {"sh", "-c", "cat; echo on stderr >&2; exit 5", NULL};
	mitogen_router here = mitogen_message_router(m);
	mitogen_receiver receiver = mitogen_receiver_new(here, error);
	mitogen_process process = mitogen_exec(mitogen_self(here), argv, receiver, NULL, error);
	struct output output = {0};
	ptrdiff_t sent = mitogen_process_write(process, "some input, ", 12, error);
	int r = sent < 0 ? (int)sent : mitogen_process_close_stdin(process, error);

	if (r == 0)
		r = take_output(receiver, &output, error);
	return r < 0 ? r : mitogen_reply(m, error, output.status, output.text);
}
MITOGEN_EXPORT(exec_here);

/* (fifo): changes its environment until there is somebody at the fifo. */
static int churn_environment(mitogen_message *m, mitogen_error *error)
{
	const char *path;
	struct pollfd stop = {.events = POLLIN};
	int r = mitogen_read(m, error, &path);

	if (r < 0)
		return r;
	stop.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (stop.fd < 0)
		return mitogen_fail_errno(error, "%s", path);
	while (poll(&stop, 1, 0) == 0) {
		for (int i = 0; i < 500; i++) {
			char name[64];

			snprintf(name, sizeof(name), "VARIABLE_%d", i);
			setenv(name, "a value that is of some length", 1);
		}
		clearenv();
	}
	close(stop.fd);
	return 0;
}
MITOGEN_EXPORT(churn_environment, MITOGEN_TEXT);

static int ignore_sigchld(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	signal(SIGCHLD, SIG_IGN);
	return 0;
}
MITOGEN_EXPORT(ignore_sigchld);

static int ping(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error);
}
MITOGEN_EXPORT(ping);

/* ---- A program ---- */

/* Leaves the process group that it was given: for its parent's, or for a session of its own. */
static int leave_group(const char *how)
{
	if (setpgid(0, getpgid(getppid())) < 0 || (strcmp(how, "session") == 0 && setsid() < 0)) {
		perror(how);
		return 1;
	}
	printf("left\n");
	fflush(stdout);
	for (;;)
		pause();
}

/* ---- Scenarios ---- */

static mitogen_receiver receiver;

static mitogen_message *next_event(mitogen_event event)
{
	mitogen_message *m = NULL;

	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT(mitogen_message_event(m) == event);
	return m;
}

static void on_oneself(void)
{
	mitogen_context child = new_child(router, &err);

	for (int i = 0; i < 20; i++) {
		MITOGEN_AUTO(message, m);
		const char *text;
		int status;

		EXPECT_OK(mitogen_call(child, exec_here, &m, &err));
		EXPECT_OK(mitogen_read(m, &err, &status, &text));
		EXPECT(status == 5 && strstr(text, "some input, ") && strstr(text, "on stderr"));
	}
}

static void run_true(mitogen_context child, int count)
{
	const char *const argv[] = {"/bin/true", NULL};

	for (int i = 0; i < count; i++) {
		struct output output = {.status = -1};

		EXPECT(mitogen_exec(child, argv, receiver, NULL, &err).ref != 0);
		EXPECT_OK(take_output(receiver, &output, &err));
		EXPECT(output.status == 0);
	}
}

/* A function may: of other threads in its process it does not know. */
static void environment_of_a_child_changes(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_receiver answers = mitogen_receiver_new(router, &err);
	const char *fifo = make_fifo("stop");
	MITOGEN_AUTO(message, m);
	mitogen_cursor nothing;

	receiver = mitogen_receiver_new(router, &err);
	EXPECT_OK(mitogen_call_async(child, churn_environment, answers, NULL, &err, fifo));
	run_true(child, 400);
	meet_as_writer(fifo);
	EXPECT(mitogen_receiver_get(answers, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err, &nothing));
}

/* So may we, between calls; children start meanwhile. */
static void environment_of_ours_changes(void)
{
	mitogen_context children[30];

	for (int i = 0; i < 30; i++) {
		children[i] = new_child(router, &err);
		for (int j = 0; j < 500; j++) {
			char name[64];

			snprintf(name, sizeof(name), "VARIABLE_%d_%d", i, j);
			EXPECT(setenv(name, "a value that is of some length", 1) == 0);
		}
	}
	for (int i = 0; i < 30; i++)
		EXPECT_OK(mitogen_call(children[i], ping, NULL, &err));
}

/* Short programs behind others that fill the stream: each says first that it runs, last that it ends,
 * and between these all that it prints. */
static void started_comes_first(void)
{
	enum {
		PROGRAMS = 200, /* at once, of three descriptors each */
		SIZE = 200000
	};
	static struct {
		int started, ended;
		size_t size;
	} seen[PROGRAMS];
	const char *const much[] = {"head", "-c", "200000", "/dev/zero", NULL};
	const char *const none[] = {"true", NULL};
	mitogen_context child = new_child(router, &err);
	MITOGEN_AUTO(message, m);

	receiver = mitogen_receiver_new(router, &err);
	for (int i = 0; i < PROGRAMS; i++)
		EXPECT(mitogen_exec(child, i % 2 ? none : much, receiver, &seen[i], &err,
				    .no_stdin = true)
			       .ref != 0);
	for (int left = PROGRAMS; left > 0;) {
		mitogen_bytes bytes = {0};
		size_t i;
		int status;

		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		i = (size_t)((char *)mitogen_message_tag(m) - (char *)seen) / sizeof(seen[0]);
		EXPECT(i < PROGRAMS && !seen[i].ended);
		EXPECT((mitogen_message_event(m) == MITOGEN_EVENT_STARTED) == !seen[i].started);
		seen[i].started = 1;
		if (mitogen_message_event(m) == MITOGEN_EVENT_STDOUT)
			EXPECT_OK(mitogen_read(m, &err, &bytes));
		seen[i].size += bytes.size;
		if (mitogen_message_event(m) != MITOGEN_EVENT_EXIT)
			continue;
		EXPECT_OK(mitogen_read(m, &err, &status));
		EXPECT(status == 0 && seen[i].size == (i % 2 ? 0 : SIZE));
		seen[i].ended = 1;
		left--;
	}
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
}

/* Nobody knows how it ended: that is no success. */
static void sigchld_ignored(void)
{
	const char *const argv[] = {"sh", "-c", "echo printed; exit 7", NULL};
	mitogen_context child = new_child(router, &err);

	receiver = mitogen_receiver_new(router, &err);
	EXPECT_OK(mitogen_call(child, ignore_sigchld, NULL, &err));
	for (int i = 0; i < 20; i++) {
		struct output output = {.status = 4711};

		EXPECT(mitogen_exec(child, argv, receiver, NULL, &err).ref != 0);
		EXPECT(take_output(receiver, &output, &err) < 0);
		EXPECT(output.status == 4711 && strcmp(output.text, "printed\n") == 0);
		EXPECT(err.code != MITOGEN_ERR_LOST && strstr(err.text, "knows"));
	}
	EXPECT_OK(mitogen_call(child, ping, NULL, &err));
}

static mitogen_process start_leaver(const char *how, int timeout_ms)
{
	static char path[PATH_MAX];
	const char *const argv[] = {path, "leave_group", how, NULL};
	mitogen_context child = new_child(router, &err);
	mitogen_process process;
	mitogen_message *m;
	mitogen_bytes bytes;

	EXPECT(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	receiver = mitogen_receiver_new(router, &err);
	process = mitogen_exec(child, argv, receiver, NULL, &err, .timeout_ms = timeout_ms);
	mitogen_message_unref(next_event(MITOGEN_EVENT_STARTED));
	m = next_event(MITOGEN_EVENT_STDOUT);
	EXPECT_OK(mitogen_read(m, &err, &bytes));
	EXPECT(bytes.size == 5 && memcmp(bytes.data, "left\n", 5) == 0);
	mitogen_message_unref(m);
	return process;
}

static void expect_killed(const char *how, int signal)
{
	mitogen_process process = start_leaver(how, 0);
	mitogen_message *m;
	int status = 4711;

	EXPECT_OK(mitogen_process_signal(process, signal, &err));
	m = next_event(MITOGEN_EVENT_EXIT);
	EXPECT_OK(mitogen_read(m, &err, &status));
	EXPECT(status == -signal);
	mitogen_message_unref(m);
}

static void group_is_left_for_another(void)
{
	expect_killed("group", SIGKILL);
}

static void group_is_left_for_a_session(void)
{
	expect_killed("session", SIGKILL);
}

static void time_ends_who_left(void)
{
	mitogen_message *m;

	start_leaver("group", 2000);
	m = next_event(MITOGEN_EVENT_EXIT);
	EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_TIMEOUT, "time");
	mitogen_message_unref(m);
}

static void signals_reach_who_left(void)
{
	expect_killed("group", SIGTERM);
}

/* What nobody takes any more does not keep the program from its end. */
static void receiver_is_closed(void)
{
	const char *const argv[] = {"head", "-c", "2000000", "/dev/zero", NULL};
	mitogen_context child = new_child(router, &err);

	for (int i = 0; i < 5; i++) {
		struct pollfd program = {.events = POLLIN};
		mitogen_message *m;
		pid_t pid;

		receiver = mitogen_receiver_new(router, &err);
		EXPECT(mitogen_exec(child, argv, receiver, NULL, &err).ref != 0);
		m = next_event(MITOGEN_EVENT_STARTED);
		EXPECT_OK(mitogen_read(m, &err, &pid));
		mitogen_message_unref(m);
		program.fd = (int)syscall(SYS_pidfd_open, pid, 0);
		mitogen_receiver_close(receiver);
		EXPECT(program.fd < 0 || poll(&program, 1, -1) == 1);
		close(program.fd);
	}
	EXPECT_OK(mitogen_call(child, ping, NULL, &err));
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"on_oneself", on_oneself},
		{"environment_of_a_child_changes", environment_of_a_child_changes},
		{"environment_of_ours_changes", environment_of_ours_changes},
		{"started_comes_first", started_comes_first},
		{"sigchld_ignored", sigchld_ignored},
		{"group_is_left_for_another", group_is_left_for_another},
		{"group_is_left_for_a_session", group_is_left_for_a_session},
		{"time_ends_who_left", time_ends_who_left},
		{"signals_reach_who_left", signals_reach_who_left},
		{"receiver_is_closed", receiver_is_closed},
		{NULL, NULL},
	};

	if (argc > 2 && strcmp(argv[1], "leave_group") == 0)
		return leave_group(argv[2]);
	return scenario_main(scenarios, argc, argv);
}
