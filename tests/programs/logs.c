/* SPDX-License-Identifier: BSD-3-Clause */
/* What children log and print, and what becomes of it in the master. */
#include <pthread.h>
#include <signal.h>

#include "scenario.h"

/* ---- Functions ---- */

static int say(mitogen_message *m, mitogen_error *error)
{
	const char *text;
	int level;
	int r = mitogen_read(m, error, &level, &text);

	if (r == 0)
		mitogen_log((mitogen_log_level)level, "%s", text);
	return r;
}
MITOGEN_EXPORT(say, MITOGEN_INT, MITOGEN_TEXT);

static int say_often(mitogen_message *m, mitogen_error *error)
{
	int count;
	int r = mitogen_read(m, error, &count);

	for (int i = 0; r == 0 && i < count; i++)
		mitogen_log(MITOGEN_LOG_WARNING, "line %d", i);
	return r;
}
MITOGEN_EXPORT(say_often, MITOGEN_INT);

static int say_and_abort(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	mitogen_log(MITOGEN_LOG_ERROR, "this cannot be");
	abort();
}
MITOGEN_EXPORT(say_and_abort);

static int print(mitogen_message *m, mitogen_error *error)
{
	mitogen_bytes bytes;
	int fd;
	int r = mitogen_read(m, error, &fd, &bytes);

	if (r == 0 && write(fd, bytes.data, bytes.size) != (ssize_t)bytes.size)
		r = mitogen_fail_errno(error, "cannot write");
	return r;
}
MITOGEN_EXPORT(print, MITOGEN_INT, MITOGEN_BYTES);

static int run_shell(mitogen_message *m, mitogen_error *error)
{
	const char *command;
	int status;
	int r = mitogen_read(m, error, &command);

	if (r < 0)
		return r;
	status = system(command);
	return mitogen_reply(m, error, status);
}
MITOGEN_EXPORT(run_shell, MITOGEN_TEXT);

static int nothing(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	return 0;
}
MITOGEN_EXPORT(nothing);

static int close_output(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	mitogen_log(MITOGEN_LOG_WARNING, "not heard on a descriptor");
	return 0;
}
MITOGEN_EXPORT(close_output);

static int reopen_output(mitogen_message *m, mitogen_error *error)
{
	const char *path;
	int r = mitogen_read(m, error, &path);

	if (r < 0)
		return r;
	if (!freopen(path, "a", stdout) || !freopen(path, "a", stderr))
		return mitogen_fail_errno(error, "%s", path);
	printf("to the file\n");
	return 0;
}
MITOGEN_EXPORT(reopen_output, MITOGEN_BYTES);

/* A child of the child, of which the master knows what it is told. */
static int start_below(mitogen_message *m, mitogen_error *error)
{
	mitogen_context below;
	const char *name;
	int r = mitogen_read(m, error, &name);

	if (r < 0)
		return r;
	below = mitogen_local(mitogen_message_router(m), error, .name = name);
	r = mitogen_call(below, say, NULL, error, MITOGEN_LOG_WARNING, "logged far below");
	if (r == 0)
		r = mitogen_call(below, print, NULL, error, 1, mitogen_path("printed far below\n"));
	return r < 0 ? r : mitogen_reply(m, error, below);
}
MITOGEN_EXPORT(start_below, MITOGEN_TEXT);

/* ---- The log of the master ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *text; /* "level context|line", line by line */
	size_t size;
	pthread_t thread; /* of the latest line */
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void see(mitogen_log_level level, const char *context, const char *line, void *user)
{
	char *added;
	int size;

	(void)user;
	size = asprintf(&added, "%d %s|%s\n", (int)level, context, line);
	EXPECT(size > 0 && strchr(line, '\n') == NULL);
	pthread_mutex_lock(&seen.lock);
	seen.text = realloc(seen.text, seen.size + (size_t)size + 1);
	EXPECT(seen.text);
	memcpy(seen.text + seen.size, added, (size_t)size + 1);
	seen.size += (size_t)size;
	seen.thread = pthread_self();
	pthread_cond_broadcast(&seen.changed);
	pthread_mutex_unlock(&seen.lock);
	free(added);
}

/* Waits until all of them have come. */
static void expect_lines(const char *const *lines)
{
	pthread_mutex_lock(&seen.lock);
	for (; *lines; lines++)
		while (!seen.text || !strstr(seen.text, *lines))
			pthread_cond_wait(&seen.changed, &seen.lock);
	pthread_mutex_unlock(&seen.lock);
}

static void expect_line(const char *line)
{
	expect_lines((const char *const[]){line, NULL});
}

static bool has_seen(const char *text)
{
	bool has;

	pthread_mutex_lock(&seen.lock);
	has = seen.text && strstr(seen.text, text);
	pthread_mutex_unlock(&seen.lock);
	return has;
}

static void start_seeing(mitogen_log_level level)
{
	router = mitogen_router_new(&err, .log = see, .log_level = level);
	EXPECT(router.ref != 0);
}

static void start_plainly(void)
{
	router = mitogen_router_new(&err);
	EXPECT(router.ref != 0);
}

static mitogen_context start_at_depth(int depth)
{
	mitogen_context context = mitogen_local(router, &err);

	for (int i = 1; i < depth; i++)
		context = mitogen_local(context, &err);
	EXPECT_OK(mitogen_context_wait(context, &err));
	return context;
}

static void shell(mitogen_context context, const char *command)
{
	int status;

	EXPECT_OK(mitogen_call(context, run_shell, &status, &err, command));
	EXPECT(status == 0);
}

/* ---- Scenarios ---- */

/* At any depth, with our name for it. */
static void names(void)
{
	mitogen_context one, two, three, four;

	start_seeing(MITOGEN_LOG_INFO);
	one = mitogen_local(router, &err, .name = "web");
	two = mitogen_local(one, &err, .name = "root");
	three = mitogen_local(two, &err);
	EXPECT_OK(mitogen_call(three, start_below, &four, &err, "deep"));
	EXPECT_OK(mitogen_call(one, say, NULL, &err, MITOGEN_LOG_INFO, "an info"));
	EXPECT_OK(mitogen_call(two, say, NULL, &err, MITOGEN_LOG_ERROR, "an\nerror\n"));
	EXPECT_OK(mitogen_call(three, print, NULL, &err, 1, mitogen_path("to stdout\n")));
	EXPECT_OK(mitogen_call(three, print, NULL, &err, 2, mitogen_path("to stderr\n")));
	EXPECT_OK(mitogen_call(four, print, NULL, &err, 2, mitogen_path("no newline")));
	mitogen_log(MITOGEN_LOG_WARNING, "%s", "our own");
	mitogen_log(MITOGEN_LOG_DEBUG, "%s", "below the level");
	expect_lines((const char *const[]){
		"3 web|an info\n",
		"1 web/root|an\n1 web/root|error\n",
		"2 web/root/local.1|to stdout\n2 web/root/local.1|to stderr\n",
		"2 web/root/local.1/deep|logged far below\n",
		"2 web/root/local.1/deep|printed far below\n",
		"2 |our own\n",
		NULL,
	});
	mitogen_router_close(router);
	EXPECT(has_seen("2 web/root/local.1/deep|no newline\n"));
	EXPECT(!has_seen("below the level"));
}

/* As many lines as a program prints, however slowly they are read; argv[3]: how deep. Meanwhile calls
 * are answered. */
static const char *argument;

static void chatty(void)
{
	mitogen_context context, other;
	mitogen_receiver receiver;
	MITOGEN_AUTO(message, m);
	int status = 0;

	start_plainly();
	receiver = mitogen_receiver_new(router, &err);
	context = start_at_depth(atoi(argument));
	other = start_at_depth(atoi(argument));
	EXPECT_OK(mitogen_call_async(context, run_shell, receiver, NULL, &err,
				     "yes | head -n 100000"));
	for (int i = 0; i < 100; i++)
		EXPECT_OK(mitogen_call(other, nothing, NULL, &err));
	printf("called\n");
	fflush(stdout);
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err, &status));
	EXPECT(status == 0);
	mitogen_router_close(router);
}

/* Nobody reads what it prints: it waits; it is not in the way of calls; it can be ended. */
static void chatty_and_unread(void)
{
	mitogen_context context, other;
	mitogen_receiver receiver;
	MITOGEN_AUTO(message, none);

	router = mitogen_router_new(&err, .shutdown_ms = 500);
	receiver = mitogen_receiver_new(router, &err);
	context = start_at_depth(atoi(argument));
	other = start_at_depth(atoi(argument));
	EXPECT_OK(mitogen_call_async(context, run_shell, receiver, NULL, &err, "exec yes"));
	for (int i = 0; i < 1000; i++)
		EXPECT_OK(mitogen_call(other, nothing, NULL, &err));
	EXPECT(mitogen_receiver_get(receiver, &none, 0, &err) == 0);
	printf("called\n");
	fflush(stdout);
	mitogen_router_close(router);
}

static void rubbish(void)
{
	static char bytes[100000];
	mitogen_context context;
	unsigned state = 1;

	start_plainly();
	context = start_at_depth(2);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		state = state * 1103515245 + 12345;
		bytes[i] = (char)(state >> 16);
	}
	EXPECT_OK(mitogen_call(context, print, NULL, &err, 1,
			       mitogen_bytes_of(bytes, sizeof(bytes))));
	EXPECT_OK(mitogen_call(context, print, NULL, &err, 1,
			       mitogen_path("\n\033]0;title\007\033[2Jred\r\xc2\x9b\n")));
	EXPECT_OK(mitogen_call(context, say, NULL, &err, MITOGEN_LOG_ERROR, "\033[31mred\r"));
	EXPECT_OK(mitogen_context_shutdown(context, &err));
	mitogen_router_close(router);
}

static void subprocesses(void)
{
	mitogen_context context;

	start_seeing(MITOGEN_LOG_WARNING);
	context = start_at_depth(2);
	shell(context, "echo to stdout; echo to stderr >&2");
	shell(context, "exec >&- 2>&-; true");
	shell(context, "printf 'part of a '; printf 'line\\n'");
	shell(context, "(sleep 0.1; echo from behind) & exec >&- 2>&-");
	EXPECT_OK(mitogen_call(context, nothing, NULL, &err));
	expect_lines((const char *const[]){
		"2 local.1/local.1|to stdout\n2 local.1/local.1|to stderr\n",
		"2 local.1/local.1|part of a line\n",
		"2 local.1/local.1|from behind\n",
		NULL,
	});
	mitogen_router_close(router);
}

static void closed_and_reopened(void)
{
	mitogen_context one, two;
	char text[64] = "";
	FILE *file;

	start_seeing(MITOGEN_LOG_WARNING);
	one = start_at_depth(1);
	two = start_at_depth(2);
	EXPECT_OK(mitogen_call(one, close_output, NULL, &err));
	EXPECT_OK(mitogen_call(one, nothing, NULL, &err));
	expect_line("2 local.1|not heard on a descriptor\n");
	EXPECT_FAILURE(mitogen_call(one, print, NULL, &err, 1, mitogen_path("x")), MITOGEN_ERR_CALL,
		       "cannot write");
	EXPECT_OK(mitogen_call(two, reopen_output, NULL, &err, mitogen_path(path_of("out"))));
	EXPECT_OK(mitogen_call(two, say, NULL, &err, MITOGEN_LOG_WARNING, "still heard"));
	expect_line("2 local.2/local.1|still heard\n");
	mitogen_router_close(router);
	file = fopen(path_of("out"), "r");
	EXPECT(file && fgets(text, sizeof(text), file) && strcmp(text, "to the file\n") == 0);
	fclose(file);
}

/* What it had to say comes before its end does. */
static void said_before_a_crash(void)
{
	mitogen_context context;

	start_seeing(MITOGEN_LOG_WARNING);
	context = start_at_depth(2);
	EXPECT(mitogen_call(context, say_and_abort, NULL, &err) == MITOGEN_ERR_LOST);
	expect_line("1 local.1/local.1|this cannot be\n");
	mitogen_router_close(router);
}

/* Lines beyond the quota are dropped and counted. */
static void too_much(void)
{
	mitogen_context context;
	unsigned long lines = 0, dropped = 0, count;
	char *at;

	start_seeing(MITOGEN_LOG_WARNING);
	context = start_at_depth(2);
	EXPECT_OK(mitogen_call(context, say_often, NULL, &err, 50000));
	mitogen_router_close(router);
	for (at = seen.text; at && *at; at = strchr(at, '\n') + 1) {
		if (strncmp(at, "2 local.1/local.1|line ", 23) == 0) {
			lines++;
		} else {
			EXPECT(sscanf(at, "2 local.1/local.1|%lu log lines were dropped", &count) ==
			       1);
			dropped += count;
		}
	}
	fprintf(stderr, "%lu lines, %lu dropped\n", lines, dropped);
	EXPECT(lines >= 1000 && dropped > 0);
}

/* ---- Callbacks ---- */

static mitogen_context callback_context;
static mitogen_receiver callback_receiver;
static int waited, called_async, started, got, deferred;

static int nothing_more(mitogen_router unused, void *user, mitogen_error *error)
{
	(void)unused;
	(void)user;
	(void)error;
	return 0;
}

static void use_library(mitogen_log_level level, const char *context, const char *line, void *user)
{
	MITOGEN_AUTO(message, m);
	char name[64];

	if (strcmp(line, "call now") == 0) {
		mitogen_log(MITOGEN_LOG_ERROR, "cut off");
		printf("%s", ""); /* goes where the program prints */
		waited = mitogen_call(callback_context, nothing, NULL, NULL);
		called_async = mitogen_call_async(callback_context, nothing, callback_receiver,
						  NULL, NULL);
		started = mitogen_local(router, NULL).ref != 0;
		got = mitogen_receiver_get(callback_receiver, &m, 0, NULL);
		deferred = mitogen_defer(router, nothing_more, NULL, NULL);
		mitogen_context_name(callback_context, name, sizeof(name));
		EXPECT(strcmp(name, context) == 0);
		mitogen_router_close(router);
	}
	see(level, context, line, user);
}

static void callbacks(void)
{
	MITOGEN_AUTO(message, m);

	router = mitogen_router_new(&err, .log = use_library, .log_level = MITOGEN_LOG_DEBUG);
	callback_receiver = mitogen_receiver_new(router, &err);
	callback_context = start_at_depth(2);
	EXPECT_OK(mitogen_call(callback_context, say, NULL, &err, MITOGEN_LOG_INFO, "call now"));
	expect_line("3 local.1/local.1|call now\n");
	EXPECT(waited == MITOGEN_ERR_DEADLOCK && got == 0 && started);
	EXPECT_OK(called_async);
	EXPECT_OK(deferred);
	EXPECT(mitogen_receiver_get(callback_receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err));
	mitogen_router_close(router);
	EXPECT(!has_seen("cut off"));
}

/* Each line makes another one: that is not for ever. */
static void log_again(mitogen_log_level level, const char *context, const char *line, void *user)
{
	see(level, context, line, user);
	mitogen_log(level, "again: %s", line);
	fprintf(stderr, "handled: %s\n", line);
}

static void callback_that_logs(void)
{
	mitogen_context context;

	router = mitogen_router_new(&err, .log = log_again);
	context = start_at_depth(1);
	for (int i = 0; i < 100; i++) {
		EXPECT_OK(mitogen_call(context, say, NULL, &err, MITOGEN_LOG_ERROR, "line"));
		EXPECT_OK(mitogen_call(context, print, NULL, &err, 1, mitogen_path("printed\n")));
		mitogen_log(MITOGEN_LOG_ERROR, "our line");
	}
	mitogen_router_close(router);
	EXPECT(!has_seen("again"));
}

/* It takes a lock that the program holds while it logs and while it calls the library. */
static pthread_mutex_t programs_lock = PTHREAD_MUTEX_INITIALIZER;

static void lock_and_see(mitogen_log_level level, const char *context, const char *line, void *user)
{
	pthread_mutex_lock(&programs_lock);
	see(level, context, line, user);
	pthread_mutex_unlock(&programs_lock);
}

static void callback_with_a_lock(void)
{
	mitogen_receiver receiver;
	MITOGEN_AUTO(message, m);

	router = mitogen_router_new(&err, .log = lock_and_see, .log_level = MITOGEN_LOG_DEBUG);
	receiver = mitogen_receiver_new(router, &err);
	pthread_mutex_lock(&programs_lock);
	for (int i = 0; i < 10; i++) {
		mitogen_context context = mitogen_local(router, &err);

		EXPECT_OK(mitogen_call_async(context, nothing, receiver, NULL, &err));
		mitogen_log(MITOGEN_LOG_INFO, "%d", i);
	}
	pthread_mutex_unlock(&programs_lock);
	for (int i = 0; i < 10; i++)
		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	mitogen_router_close(router);
	EXPECT(has_seen("3 |9\n"));
}

/* Afterwards it is not called any more, and what belongs to it may go. */
static void callback_of_a_closed_router(void)
{
	size_t size;

	start_seeing(MITOGEN_LOG_WARNING);
	start_at_depth(1);
	mitogen_log(MITOGEN_LOG_WARNING, "before");
	mitogen_router_close(router);
	EXPECT(has_seen("2 |before\n"));
	size = seen.size;
	mitogen_log(MITOGEN_LOG_WARNING, "after");
	EXPECT(seen.size == size);
}

/* All threads log, and two routers hand over. */
static void *log_much(void *unused)
{
	for (int i = 0; i < 1000; i++)
		mitogen_log(MITOGEN_LOG_WARNING, "%d", i);
	return unused;
}

static void many_threads(void)
{
	mitogen_router others[3];
	pthread_t threads[4];
	size_t lines = 0;

	start_seeing(MITOGEN_LOG_WARNING);
	for (int i = 0; i < 3; i++)
		others[i] = mitogen_router_new(&err, .log = see);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, log_much, NULL);
	for (int i = 0; i < 100; i++)
		mitogen_local(others[i % 3], &err);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	mitogen_router_close(router);
	for (int i = 2; i >= 0; i--)
		mitogen_router_close(others[i]);
	for (const char *at = seen.text; at && *at; at = strchr(at, '\n') + 1)
		lines++;
	EXPECT(lines == 4000);
}

/* ---- Quiet ---- */

/* Trees come and go; nothing of it is worth a warning. */
static void quiet_trees(void)
{
	for (int round = 0; round < 20; round++) {
		mitogen_receiver receiver;
		MITOGEN_AUTO(message, m);
		int calls = 0;

		start_seeing(round % 2 ? MITOGEN_LOG_DEBUG : MITOGEN_LOG_INFO);
		receiver = mitogen_receiver_new(router, &err);
		for (int i = 0; i < 4; i++) {
			mitogen_context context = mitogen_local(router, &err);

			for (int depth = 0; depth < i; depth++)
				context = mitogen_local(context, &err);
			EXPECT_OK(mitogen_call_async(context, nothing, receiver, NULL, &err));
			calls++;
			EXPECT_OK(mitogen_call_no_reply(context, nothing, &err));
			if (round % 3 == 0)
				EXPECT_OK(mitogen_call(context, start_below, NULL, &err, "x"));
			if (round % 4 == 0 && i == 3)
				EXPECT_OK(mitogen_context_shutdown(context, &err));
		}
		for (; round % 5 != 0 && calls > 0; calls--)
			EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		mitogen_router_close(router); /* with calls under way, in every fifth round */
	}
	for (const char *at = seen.text; at && *at; at = strchr(at, '\n') + 1)
		if (*at <= '2' && !strstr(at, "far below\n")) {
			fprintf(stderr, "%.*s\n", (int)strcspn(at, "\n"), at);
			EXPECT(!"a warning");
		}
}

static void run_lines(void)
{
	char image[PATH_MAX] = "";

	EXPECT(readlink("/proc/self/exe", image, sizeof(image) - 1) > 0);
	EXPECT(symlink(image, path_of("it's a copy")) == 0);
	start_seeing(MITOGEN_LOG_DEBUG);
	EXPECT_OK(mitogen_context_wait(mitogen_local(router, &err), &err));
	EXPECT_OK(mitogen_context_wait(mitogen_local(router, &err, .image = path_of("it's a copy")),
				       &err));
	mitogen_router_close(router);
	for (const char *at = seen.text; at && *at; at = strchr(at, '\n') + 1)
		if (strstr(at, " runs ") && strstr(at, " runs ") < strchr(at, '\n'))
			fprintf(stderr, "%.*s\n", (int)strcspn(at, "\n"), at);
}

/* ---- stderr ---- */

/* The signal of a pipe that nobody reads ends no thread, and nothing waits. */
static void nobody_reads(void)
{
	mitogen_context context;

	router = mitogen_router_new(&err, .log_level = MITOGEN_LOG_DEBUG);
	context = start_at_depth(2);
	for (int i = 0; i < 1000; i++)
		mitogen_log(MITOGEN_LOG_ERROR, "our own");
	EXPECT_OK(mitogen_call(context, say_often, NULL, &err, 1000));
	shell(context, "yes | head -n 10000");
	mitogen_router_close(router);
	mitogen_log(MITOGEN_LOG_ERROR, "without a router");
	printf("done\n");
}

static void stderr_closed(void)
{
	close(STDERR_FILENO);
	nobody_reads();
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"names", names},
		{"chatty", chatty},
		{"chatty_and_unread", chatty_and_unread},
		{"rubbish", rubbish},
		{"subprocesses", subprocesses},
		{"closed_and_reopened", closed_and_reopened},
		{"said_before_a_crash", said_before_a_crash},
		{"too_much", too_much},
		{"callbacks", callbacks},
		{"callback_that_logs", callback_that_logs},
		{"callback_with_a_lock", callback_with_a_lock},
		{"callback_of_a_closed_router", callback_of_a_closed_router},
		{"many_threads", many_threads},
		{"quiet_trees", quiet_trees},
		{"run_lines", run_lines},
		{"nobody_reads", nobody_reads},
		{"stderr_closed", stderr_closed},
		{NULL, NULL},
	};
	int status;

	mitogen_init(argc, argv);
	argument = argc > 3 ? argv[3] : NULL;
	status = scenario_run(scenarios, argc, argv);
	free(seen.text);
	return status;
}
