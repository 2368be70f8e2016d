/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes that join a router by its listener: copies of this one, as the workers of a server are. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "counting.h"

#define WORKERS 50
#define PORT    2000

static mitogen_listener listener;
static char path[200]; /* of its socket */
static uint32_t child_id;
static mitogen_context child; /* of the router */

/* ---- Functions of children ---- */

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

/* Has another context add. */
static int call_add(mitogen_message *m, mitogen_error *error)
{
	mitogen_context other;
	int64_t sum;
	int r = mitogen_read(m, error, &other);

	if (r == 0)
		r = mitogen_call(other, add, &sum, error, 20, 22);
	return r < 0 ? r : mitogen_reply(m, error, sum);
}
MITOGEN_EXPORT(call_add, MITOGEN_CONTEXT);

/* Says so to the sender, and hangs. */
static int hang(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	int r = mitogen_read(m, error, &to);

	if (r == 0 && to.handle)
		r = mitogen_send(to, error, "hangs");
	while (r >= 0)
		pause();
	return r;
}
MITOGEN_EXPORT(hang, MITOGEN_SENDER | MITOGEN_NIL);

/* Receives until its caller is gone; then it tells the first who has sent. */
static int outlast(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel channel = mitogen_message_channel(m);
	MITOGEN_AUTO(message, got);
	mitogen_sender to;
	int r = mitogen_receiver_get(channel.rx, &got, MITOGEN_FOREVER, error);

	if (r == 1)
		r = mitogen_read(got, error, &to);
	if (r < 0)
		return r;
	while (mitogen_receiver_get(channel.rx, &got, MITOGEN_FOREVER, error) == 1)
		if (mitogen_read(got, error) < 0)
			break;
	return mitogen_send(to, error, error->text);
}
MITOGEN_EXPORT(outlast);

/* Has this context listen, too. */
static int listen_here(mitogen_message *m, mitogen_error *error)
{
	const char *where;
	int r = mitogen_read(m, error, &where);

	if (r == 0 && mitogen_listen(mitogen_message_router(m), error, .path = where).ref == 0)
		r = error->code;
	return r;
}
MITOGEN_EXPORT(listen_here, MITOGEN_BYTES);

static int start_below(mitogen_message *m, mitogen_error *error)
{
	mitogen_context below = mitogen_local(mitogen_message_router(m), error);

	return below.ref ? mitogen_reply(m, error, below) : error->code;
}
MITOGEN_EXPORT(start_below);

/* ---- Workers ---- */

static void start_listener(void)
{
	listener = mitogen_listen(router, &err, .path = path_of("sockets/mux"));
	EXPECT(listener.ref != 0);
	mitogen_listener_path(listener, path, sizeof(path));
	EXPECT(strcmp(path, path_of("sockets/mux")) == 0);
}

/* What most scenarios begin with. */
static void start(void)
{
	start_listener();
	child = mitogen_local(router, &err);
	EXPECT_OK(mitogen_context_wait(child, &err));
	child_id = mitogen_context_id(child);
}

/* A copy of this process, which joins the router; the router is its own then. */
static pid_t start_worker(void (*work)(void))
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid > 0)
		return pid;
	mitogen_after_fork();
	router = mitogen_join(path, &err);
	EXPECT(router.ref != 0);
	child = mitogen_context_by_id(router, child_id);
	work();
	mitogen_router_close(router);
	_exit(0);
}

static void await_worker(pid_t pid)
{
	int status;

	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
}

static void expect_works(mitogen_context context)
{
	int64_t sum;

	EXPECT_OK(mitogen_call(context, add, &sum, &err, 20, 22));
	EXPECT(sum == 42);
}

static void work_all(void)
{
	mitogen_context own = mitogen_local(router, &err), here = mitogen_self(router);
	char name[100], expected_name[100];

	snprintf(expected_name, sizeof(expected_name), "unix.%d", (int)getpid());
	EXPECT(strcmp(mitogen_context_name(here, name, sizeof(name)), expected_name) == 0);
	EXPECT(mitogen_context_id(here) > 0);
	EXPECT(mitogen_context_id(mitogen_parent(router)) == 0);
	expect_works(child); /* of the other router */
	expect_works(own);
	EXPECT_OK(mitogen_call(mitogen_parent(router), "mitogen.ping", NULL, &err));
	EXPECT_FAILURE(mitogen_call(mitogen_parent(router), add, NULL, &err, 1, 2),
		       MITOGEN_ERR_REFUSED, "the master runs no calls");
	EXPECT_OK(mitogen_context_shutdown(own, &err));
}

static void joins_and_calls(void)
{
	start();
	await_worker(start_worker(work_all));
	expect_works(child);
}

static void work_twice(void)
{
	expect_works(child);
	mitogen_router_close(router);
	router = mitogen_join(path, &err, .name = "again");
	EXPECT(router.ref != 0);
	expect_works(mitogen_context_by_id(router, child_id));
}

static void have_a_child_call(void)
{
	mitogen_context own = mitogen_local(router, &err);
	int64_t sum;

	EXPECT_FAILURE(mitogen_call(own, call_add, &sum, &err, child), MITOGEN_ERR_CALL,
		       "refused by policy");
}

/* What is behind one that has joined has no more authority than any child. */
static void children_have_their_own_authority(void)
{
	start();
	await_worker(start_worker(have_a_child_call));
}

static void many_at_once(void)
{
	pid_t pids[WORKERS];
	int descriptors;

	start();
	await_worker(start_worker(work_twice));
	descriptors = count_descriptors();
	for (int i = 0; i < WORKERS; i++)
		pids[i] = start_worker(work_twice);
	for (int i = 0; i < WORKERS; i++)
		await_worker(pids[i]);
	expect_works(child);
	EXPECT_OK(mitogen_call(mitogen_self(router), "mitogen.ping", NULL, &err));
	EXPECT(count_descriptors() == descriptors);
}

/* Routers of one process may join one another, and so on. */
static void joins_itself(void)
{
	mitogen_router others[10];
	mitogen_listener second;
	char second_path[200];

	start();
	for (int i = 0; i < 10; i++) {
		others[i] = mitogen_join(path, &err);
		expect_works(mitogen_context_by_id(others[i], child_id));
	}
	second = mitogen_listen(others[9], &err);
	EXPECT(second.ref != 0);
	mitogen_listener_path(second, second_path, sizeof(second_path));
	for (int i = 0; i < 10; i++)
		mitogen_router_close(others[i]);
	EXPECT(access(second_path, F_OK) < 0 && errno == ENOENT);
	*strrchr(second_path, '/') = '\0';
	EXPECT(access(second_path, F_OK) < 0 && errno == ENOENT);
}

static void *join_and_leave(void *unused)
{
	mitogen_error error = {0};
	int64_t sum;

	for (int i = 0; i < 10; i++) {
		mitogen_router one = mitogen_join(path, &error);
		mitogen_context here = mitogen_context_by_id(one, child_id);

		EXPECT(mitogen_call(here, add, &sum, &error, i, 1) == 0 && sum == i + 1);
		mitogen_router_close(one);
	}
	return unused;
}

static void joins_in_threads(void)
{
	pthread_t threads[8];

	start();
	for (int i = 0; i < 8; i++)
		EXPECT(pthread_create(&threads[i], NULL, join_and_leave, NULL) == 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	expect_works(child);
}

/* ---- Authority ---- */

static void send_to_port(void)
{
	mitogen_sender to = mitogen_sender_to(mitogen_parent(router), PORT);
	MITOGEN_AUTO(message, m);
	mitogen_receiver mine = mitogen_receiver_new(router, &err);
	const char *text;

	/* the context is none of ours, and only the other router's own may send there */
	EXPECT_OK(mitogen_send(to, &err, child, mitogen_receiver_sender(mine, &err)));
	EXPECT(mitogen_receiver_get(mine, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err, &text));
	EXPECT(strcmp(text, "welcome") == 0);
}

static void acts_with_authority(void)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	mitogen_context named;
	mitogen_sender back;
	MITOGEN_AUTO(message, m);
	char name[100];
	pid_t pid;

	start();
	EXPECT(mitogen_receiver_listen(receiver, &err, .handle = PORT,
				       .policy = mitogen_has_parent_authority)
		       .handle != 0);
	pid = start_worker(send_to_port);
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err, &named, &back));
	EXPECT(mitogen_context_id(named) == child_id);
	mitogen_context_name(mitogen_message_from(m), name, sizeof(name));
	EXPECT(strncmp(name, "unix.", 5) == 0 && atoi(name + 5) == pid);
	EXPECT_OK(mitogen_send(back, &err, "welcome"));
	await_worker(pid);
}

static void work_in_a_line(void)
{
	mitogen_context own = mitogen_local(router, &err);
	mitogen_channel channel;
	MITOGEN_AUTO(message, m);
	int64_t sum;

	expect_works(child); /* and is answered */
	expect_works(own);
	/* what is below us reaches nobody but us and those above us; so does the other router's child */
	EXPECT_FAILURE(mitogen_call(own, call_add, &sum, &err, child), MITOGEN_ERR_CALL,
		       "routing is unidirectional");
	channel = mitogen_channel_open(child, call_add, &err, own);
	EXPECT(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_FAILURE(mitogen_read(m, &err, &sum), MITOGEN_ERR_CALL, "routing is unidirectional");
}

static void unidirectional(void)
{
	mitogen_router_close(router);
	router = mitogen_router_new(&err, .unidirectional = true);
	start();
	await_worker(start_worker(work_in_a_line));
}

static mitogen_context lower, lowest; /* contexts below child */
static uint32_t lower_id, lowest_id;

static void work_below(void)
{
	mitogen_context own = mitogen_local(router, &err);
	MITOGEN_AUTO(message, m);
	char name[100];

	lower = mitogen_context_by_id(router, lower_id);
	lowest = mitogen_context_by_id(router, lowest_id);
	EXPECT(mitogen_context_id(mitogen_parent(router)) == lower_id);
	expect_works(lower);
	expect_works(lowest);
	expect_works(own);
	mitogen_context_name(mitogen_self(router), name, sizeof(name));
	EXPECT(strncmp(name, "local.1/local.1/unix.", 21) == 0);
	/* who is above it has more authority */
	EXPECT_FAILURE(mitogen_call(child, add, NULL, &err, 1, 2), MITOGEN_ERR_REFUSED,
		       "refused by policy");
	EXPECT_FAILURE(mitogen_call(mitogen_context_by_id(router, 0), "mitogen.ping", NULL, &err),
		       MITOGEN_ERR_REFUSED, "refused by policy");
	EXPECT_OK(mitogen_call(lower, "mitogen.ping", NULL, &err));
}

/* A context that has one ID gets others for those that join it. */
static void joins_a_child(void)
{
	start();
	EXPECT_OK(mitogen_call(child, start_below, &lower, &err));
	lowest = mitogen_local(lower, &err);
	EXPECT_OK(mitogen_context_wait(lowest, &err));
	lower_id = mitogen_context_id(lower);
	lowest_id = mitogen_context_id(lowest);
	EXPECT_OK(mitogen_call(lower, listen_here, NULL, &err,
			       mitogen_path(path_of("sockets/lower"))));
	snprintf(path, sizeof(path), "%s", path_of("sockets/lower"));
	await_worker(start_worker(work_below));
	await_worker(start_worker(work_below));
	expect_works(mitogen_local(lower, &err));
	EXPECT_OK(mitogen_context_shutdown(lower, &err));
	EXPECT(access(path, F_OK) < 0 && errno == ENOENT);
}

static void work_with_a_program(void)
{
	static const char *const argv[] = {"sh", "-c", "cat; exit 3", NULL};
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	mitogen_process process = mitogen_exec(child, argv, receiver, NULL, &err);
	MITOGEN_AUTO(message, m);
	mitogen_event event;
	mitogen_bytes out;
	int status;

	EXPECT(mitogen_process_write(process, "hello", 5, &err) == 5);
	EXPECT_OK(mitogen_process_close_stdin(process, &err));
	do {
		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		event = mitogen_message_event(m);
		if (event == MITOGEN_EVENT_STDOUT) {
			EXPECT_OK(mitogen_read(m, &err, &out));
			EXPECT(out.size == 5 && memcmp(out.data, "hello", 5) == 0);
		}
	} while (event != MITOGEN_EVENT_EXIT);
	EXPECT_OK(mitogen_read(m, &err, &status));
	EXPECT(status == 3);
	EXPECT_OK(mitogen_context_shutdown(child, &err)); /* which the other router has started */
}

static void runs_programs_and_ends_contexts(void)
{
	start();
	await_worker(start_worker(work_with_a_program));
	EXPECT_FAILURE(mitogen_call(child, add, NULL, &err, 1, 2), MITOGEN_ERR_LOST, "exited");
}

/* ---- Ends ---- */

static void be_killed(void)
{
	raise(SIGKILL);
}

static void leave_a_channel(void)
{
	mitogen_channel channel = mitogen_channel_open(child, outlast, &err);

	EXPECT_OK(mitogen_send(channel.tx, &err, mitogen_sender_to(mitogen_parent(router), PORT)));
	EXPECT_OK(mitogen_call(child, "mitogen.ping", NULL, &err)); /* it has arrived */
	be_killed();
}

/* Whoever waits for one that has joined is told of its end, be it here or elsewhere. */
static void one_is_killed(void)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);
	const char *text;
	int status;
	pid_t pid;

	start();
	EXPECT(mitogen_receiver_listen(receiver, &err, .handle = PORT).handle != 0);
	pid = start_worker(leave_a_channel);
	EXPECT(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL);
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err, &text));
	EXPECT(strstr(text, "the context is gone: it has closed its connection"));
	expect_works(child);
}

static int ready[2]; /* a pipe: a worker has got that far */

static void await_ready(void)
{
	char byte;

	EXPECT(read(ready[0], &byte, 1) == 1);
}

static void say_ready(void)
{
	EXPECT(write(ready[1], "", 1) == 1);
}

/* A call that is not answered before the other router ends. */
static int call_in_vain(void)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	mitogen_receiver watch = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, hangs);
	MITOGEN_AUTO(message, m);
	mitogen_context own = mitogen_local(router, &err);
	int r, tag;

	expect_works(own);
	EXPECT_OK(mitogen_context_watch(mitogen_parent(router), watch, &tag, &err));
	EXPECT_OK(mitogen_call_async(child, hang, receiver, NULL, &err,
				     mitogen_receiver_sender(receiver, &err)));
	EXPECT(mitogen_receiver_get(receiver, &hangs, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(hangs, &err));
	say_ready();
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	r = mitogen_read(m, &err);
	EXPECT(mitogen_receiver_get(watch, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT(mitogen_message_tag(m) == &tag && mitogen_read(m, &err) == r);
	expect_works(own); /* we go on */
	EXPECT(mitogen_parent(router).ref == 0);
	return r;
}

static void be_told_of_the_close(void)
{
	EXPECT_FAILURE(call_in_vain(), MITOGEN_ERR_CLOSED,
		       "the router that this process had joined was closed");
	EXPECT_FAILURE(mitogen_call(child, add, NULL, &err, 1, 2), MITOGEN_ERR_CLOSED,
		       "the router that this process had joined was closed");
	mitogen_router_close(router);
	EXPECT_FAILURE((mitogen_join(path, &err), err.code), MITOGEN_ERR_CONNECT,
		       "no router listens there");
}

static void be_told_of_the_loss(void)
{
	EXPECT_FAILURE(call_in_vain(), MITOGEN_ERR_LOST,
		       "the router that this process had joined has gone");
	mitogen_router_close(router);
	EXPECT_FAILURE((mitogen_join(path, &err), err.code), MITOGEN_ERR_CONNECT,
		       "no router listens there");
	meet_as_writer(path_of("told"));
}

static void router_closes(void)
{
	pid_t pid;

	EXPECT(pipe(ready) == 0);
	mitogen_router_close(router);
	router = mitogen_router_new(&err, .shutdown_ms = 100); /* the child hangs */
	start();
	pid = start_worker(be_told_of_the_close);
	await_ready();
	mitogen_router_close(router);
	await_worker(pid);
	EXPECT(access(path, F_OK) < 0 && errno == ENOENT);
	*strrchr(path, '/') = '\0';
	EXPECT(access(path, F_OK) < 0 && errno == ENOENT);
}

/* The router is that of a worker, which is killed; its socket is left, and another takes its place. */
static void router_dies(void)
{
	int status;
	pid_t server, worker;

	EXPECT(pipe(ready) == 0);
	make_fifo("told");
	server = fork();
	if (server == 0) {
		mitogen_after_fork();
		router = mitogen_router_new(&err);
		start();
		worker = start_worker(be_told_of_the_loss);
		EXPECT(write(ready[1], &worker, sizeof(worker)) == sizeof(worker));
		pause();
	}
	EXPECT(read(ready[0], &worker, sizeof(worker)) == sizeof(worker));
	await_ready();
	kill(server, SIGKILL);
	EXPECT(waitpid(server, &status, 0) == server);
	meet_as_reader(path_of("told"));
	start();
	await_worker(start_worker(work_twice));
}

static void be_sent_away(void)
{
	mitogen_context other = child;
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);

	EXPECT_OK(mitogen_call_async(other, hang, receiver, NULL, &err, mitogen_nil()));
	say_ready();
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_CLOSED, "had it leave");
}

/* As a child is shut down, but that its process goes on. */
static void one_is_sent_away(void)
{
	mitogen_context worker;
	pid_t pid;

	EXPECT(pipe(ready) == 0);
	start();
	pid = start_worker(be_sent_away);
	await_ready();
	/* the child's ID is the first of its 1000; the next one that is free went to the worker */
	worker = mitogen_context_by_id(router, child_id + 1000);
	EXPECT_OK(mitogen_call(worker, "mitogen.ping", NULL, &err));
	EXPECT_FAILURE(mitogen_call(worker, add, NULL, &err, 1, 2), MITOGEN_ERR_REFUSED,
		       "a process that has joined a router runs no calls");
	EXPECT_OK(mitogen_context_shutdown(worker, &err));
	await_worker(pid);
}

/* ---- Refusals ---- */

static void too_many(void)
{
	mitogen_router others[3];

	listener = mitogen_listen(router, &err, .path = path_of("sockets/mux"), .joined_max = 2);
	mitogen_listener_path(listener, path, sizeof(path));
	others[0] = mitogen_join(path, &err);
	others[1] = mitogen_join(path, &err);
	EXPECT(others[0].ref != 0 && others[1].ref != 0);
	EXPECT_FAILURE((mitogen_join(path, &err), err.code), MITOGEN_ERR_REFUSED,
		       "2 processes have joined already");
	mitogen_router_close(others[0]);
	do
		others[2] = mitogen_join(path, &err);
	while (others[2].ref == 0 &&
	       err.code == MITOGEN_ERR_REFUSED); /* until the end was noticed */
	EXPECT(others[2].ref != 0);
	mitogen_router_close(others[1]);
	mitogen_router_close(others[2]);
}

static int try_to_listen(const char *where)
{
	mitogen_listener made = mitogen_listen(router, &err, .path = where);

	EXPECT(made.ref == 0);
	return err.code;
}

static void bad_places(void)
{
	char too_long[300];

	EXPECT_FAILURE(try_to_listen("relative"), MITOGEN_ERR_USAGE, "begins with \"/\"");
	EXPECT_FAILURE(try_to_listen(""), MITOGEN_ERR_USAGE, "begins with \"/\"");
	EXPECT_FAILURE(try_to_listen("/tmp/"), MITOGEN_ERR_USAGE, "ends with the name");
	EXPECT_FAILURE(try_to_listen("/mitogen-socket"), MITOGEN_ERR_USAGE, "is no place");
	EXPECT_FAILURE(try_to_listen("/tmp/mitogen-socket"), MITOGEN_ERR_USAGE, "is no place");
	EXPECT_FAILURE(try_to_listen(path_of("not/there/mux")), MITOGEN_ERR_SYSTEM,
		       "No such file or directory");
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	EXPECT_FAILURE(try_to_listen(path_of(too_long)), MITOGEN_ERR_SYSTEM, "File name too long");
	EXPECT(mkdir(path_of("open"), 0700) == 0 && chmod(path_of("open"), 0750) == 0);
	EXPECT_FAILURE(try_to_listen(path_of("open/mux")), MITOGEN_ERR_USAGE, "has mode 0700");
	EXPECT(mkdir(path_of("full"), 0700) == 0);
	close(open(path_of("full/file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	EXPECT_FAILURE(try_to_listen(path_of("full/file")), MITOGEN_ERR_SYSTEM,
		       "somebody does, or it is no socket");
	EXPECT(access(path_of("full/file"), F_OK) == 0);
	EXPECT(symlink("/nowhere", path_of("full/link")) == 0);
	EXPECT_FAILURE(try_to_listen(path_of("full/link")), MITOGEN_ERR_SYSTEM,
		       "somebody does, or it is no socket");
}

/* One that is alive stays; what a dead one has left is replaced, and only our own socket is removed. */
static void old_sockets(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *where;

	EXPECT(mkdir(path_of("sockets"), 0700) == 0);
	where = path_of("sockets/mux");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", where);
	EXPECT(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 5) == 0);
	EXPECT_FAILURE(try_to_listen(where), MITOGEN_ERR_SYSTEM,
		       "somebody does, or it is no socket");
	close(fd);
	start_listener();
	EXPECT_FAILURE(try_to_listen(path_of("sockets/mux")), MITOGEN_ERR_SYSTEM,
		       "somebody does, or it is no socket");
	router = (mitogen_router_close(router), mitogen_router_new(&err));
	EXPECT(access(path, F_OK) < 0);
	start_listener();
	EXPECT(unlink(path) == 0);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	mitogen_listener_close(listener);
	EXPECT(access(path, F_OK) == 0);
	EXPECT(*mitogen_listener_path(listener, path, sizeof(path)) == '\0');
}

static void default_places(void)
{
	char expected_part[PATH_MAX];

	listener = mitogen_listen(router, &err);
	mitogen_listener_path(listener, path, sizeof(path));
	EXPECT(strncmp(path, "/tmp/mitogen-", 13) == 0);
	mitogen_listener_close(listener);
	EXPECT(access(path, F_OK) < 0);
	EXPECT(mkdir(path_of("run"), 0700) == 0);
	setenv("XDG_RUNTIME_DIR", path_of("run"), 1);
	listener = mitogen_listen(router, &err);
	mitogen_listener_path(listener, path, sizeof(path));
	snprintf(expected_part, sizeof(expected_part), "%s/mitogen-", path_of("run"));
	EXPECT(strncmp(path, expected_part, strlen(expected_part)) == 0);
	EXPECT(chmod(path_of("run"), 0755) == 0); /* not to be trusted */
	mitogen_listener_path(mitogen_listen(router, &err), path, sizeof(path));
	EXPECT(strncmp(path, "/tmp/mitogen-", 13) == 0);
}

static void usage(void)
{
	mitogen_error none = {0};

	start_listener();
	EXPECT_FAILURE((mitogen_join(NULL, &err), err.code), MITOGEN_ERR_USAGE, "no path");
	EXPECT_FAILURE((mitogen_join(path, &err, .name = "a/b"), err.code), MITOGEN_ERR_USAGE,
		       "a context's name");
	EXPECT_FAILURE((mitogen_join(path_of("nothing"), &err), err.code), MITOGEN_ERR_CONNECT,
		       "no router listens there");
	EXPECT(mitogen_listen((mitogen_router){0}, &none).ref == 0);
	EXPECT(none.code == MITOGEN_ERR_USAGE);
	EXPECT(mitogen_listen(router, &err, .joined_max = -1).ref == 0);
	mitogen_listener_close((mitogen_listener){0});
	mitogen_listener_close((mitogen_listener){router.ref, 4711});
	mitogen_listener_close(listener);
	mitogen_listener_close(listener);
}

/* The router at $OTHER is that of another program, whose first child can add. */
static void joins_another_program(void)
{
	mitogen_router other = mitogen_join(getenv("OTHER"), &err);

	EXPECT(other.ref != 0);
	expect_works(mitogen_context_by_id(other, 1));
	expect_works(mitogen_local(other, &err));
	expect_works(mitogen_local(router, &err)); /* the one does not mind the other */
	mitogen_router_close(other);
}

/* The router at $OTHER is of another user. */
static void is_refused(void)
{
	EXPECT_FAILURE((mitogen_join(getenv("OTHER"), &err), err.code), MITOGEN_ERR_REFUSED,
		       "cannot join the router at");
	EXPECT(strstr(err.text, "it is of user 65534, and this process of user 0"));
}

/* ---- For tests that speak to it by hand ---- */

/* Answers each line of stdin: how many descriptors there are, when all is quiet that came before. */
static void serve(void)
{
	char line[10];
	int timeout_ms = getenv("TIMEOUT_MS") ? atoi(getenv("TIMEOUT_MS")) : 0;

	if (getenv("AS_USER"))
		EXPECT(setuid((uid_t)atoi(getenv("AS_USER"))) == 0);
	listener = mitogen_listen(router, &err,
				  .path = getenv("AS_USER") ? NULL : path_of("sockets/mux"),
				  .timeout_ms = timeout_ms);
	EXPECT(listener.ref != 0);
	child = mitogen_local(router, &err);
	expect_works(child);
	printf("%s\n", mitogen_listener_path(listener, path, sizeof(path)));
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		expect_works(child);
		printf("%d\n", count_descriptors());
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"joins_and_calls", joins_and_calls},
		{"children_have_their_own_authority", children_have_their_own_authority},
		{"many_at_once", many_at_once},
		{"joins_itself", joins_itself},
		{"joins_in_threads", joins_in_threads},
		{"acts_with_authority", acts_with_authority},
		{"unidirectional", unidirectional},
		{"joins_a_child", joins_a_child},
		{"runs_programs_and_ends_contexts", runs_programs_and_ends_contexts},
		{"one_is_killed", one_is_killed},
		{"router_closes", router_closes},
		{"router_dies", router_dies},
		{"one_is_sent_away", one_is_sent_away},
		{"too_many", too_many},
		{"bad_places", bad_places},
		{"old_sockets", old_sockets},
		{"default_places", default_places},
		{"usage", usage},
		{"joins_another_program", joins_another_program},
		{"is_refused", is_refused},
		{"serve", serve},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
