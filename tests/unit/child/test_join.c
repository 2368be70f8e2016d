/* SPDX-License-Identifier: BSD-3-Clause */
#include "child/join.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../core/fixture.h"
#include "base/cleanup.h"
#include "base/unix_socket.h"
#include "core/dispatch.h"
#include "core/forward_log.h"
#include "wire/handles.h"
#include "wire/join.h"

static char directory[] = "/tmp/join-XXXXXX";
static char path[64];
static struct join_answer answer;
static mitogen_error err;

/* ---- Asking ---- */

static struct { /* what listens at path, in another thread */
	int fd;
	pthread_t thread;
	const void *says;
	size_t size;
	bool is_deaf; /* says it before it has heard anything, and closes */
	bool hangs;   /* until it is asked to end */
	struct join_request heard;
} server;

static void *serve(void *unused)
{
	uint8_t bytes[JOIN_REQUEST_MAX];
	ssize_t n;
	int fd;

	(void)unused;
	fd = accept(server.fd, NULL, NULL);
	n = server.is_deaf ? 0 : recv(fd, bytes, sizeof(bytes), 0);
	if (n > 0)
		join_read_request(bytes, (size_t)n, &server.heard);
	if (server.size > 0 && send(fd, server.says, server.size, MSG_NOSIGNAL) < 0)
		abort();
	if (server.hangs)
		recv(fd, bytes, sizeof(bytes), 0); /* its end */
	close(fd);
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	err = (mitogen_error){0};
	answer = (struct join_answer){.fd = -1};
	memset(&server, 0, sizeof(server));
	snprintf(path, sizeof(path), "%s/socket", directory);
	server.fd = unix_socket_bind(path);
	fcntl(server.fd, F_SETFL, 0); /* blocks */
	return listen(server.fd, 10);
}

static int teardown(void **state)
{
	(void)state;
	join_answer_clear(&answer);
	fd_close(server.fd);
	return unlink(path);
}

/* Joins one that says this, and closes. */
static int ask(const void *says, size_t size)
{
	int r;

	server.says = says;
	server.size = size;
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
	r = join_ask(path, "worker", 10000, &answer, &err);
	pthread_join(server.thread, NULL);
	return r;
}

static size_t make_frame(uint8_t *out, uint8_t kind, uint32_t handle, const void *payload,
			 size_t size)
{
	struct frame_header header = {.kind = kind, .handle = handle, .length = (uint32_t)size};

	frame_encode(out, &header);
	memcpy(out + FRAME_HEADER_SIZE, payload, size);
	return FRAME_HEADER_SIZE + size;
}

/* A configuration: ID 7, of which the parent is the master. */
static const uint8_t config[] = "\xa4"
				"\x62id\x07"
				"\x63ids\x01"
				"\x64path\x66unix.7"
				"\x67parents\x81\x00";

static void it_is_told_who_it_is(void **state)
{
	uint8_t frame[200];

	(void)state;
	assert_int_equal(ask(frame, make_frame(frame, FRAME_CBOR, HANDLE_CONFIG, config,
					       sizeof(config) - 1)),
			 0);
	assert_string_equal(server.heard.name, "worker");
	assert_true(answer.fd >= 3);
	assert_int_equal(answer.config.id, 7);
	assert_int_equal(answer.config.parent_count, 1);
	assert_string_equal(answer.config.path, "unix.7");
}

static void it_is_told_why_not(void **state)
{
	struct mitogen_message *m = message_new_dead(MITOGEN_ERR_REFUSED, "there is no room\033");
	uint8_t frame[200];
	size_t size = make_frame(frame, FRAME_DEAD, HANDLE_JOIN, m->payload, m->size);

	(void)state;
	assert_int_equal(ask(frame, size), MITOGEN_ERR_REFUSED);
	assert_non_null(strstr(err.text, "cannot join the router at /tmp/join-"));
	assert_non_null(strstr(err.text, "there is no room\\x1b"));
	server.is_deaf = true;
	for (int i = 0; i < 100; i++) /* whoever comes first */
		assert_int_equal(ask(frame, size), MITOGEN_ERR_REFUSED);
	message_unref(m);
}

/* Whatever it says: an error, and nothing is left. */
static void what_is_no_answer(void **state)
{
	uint8_t frame[200], whole[200];
	size_t size = make_frame(whole, FRAME_CBOR, HANDLE_CONFIG, config, sizeof(config) - 1);

	(void)state;
	for (size_t part = 0; part < size; part++) {
		assert_int_equal(ask(whole, part), MITOGEN_ERR_CONNECT);
		assert_non_null(strstr(err.text, "it has closed the connection"));
	}
	assert_int_equal(ask("HTTP/1.1 400 Bad Request\r\n\r\n", 28), MITOGEN_ERR_CONNECT);
	assert_non_null(strstr(err.text, "what listens there is no router"));
	size = make_frame(frame, FRAME_CBOR, HANDLE_CONFIG, "\xa0", 1);
	assert_int_equal(ask(frame, size), MITOGEN_ERR_CONNECT);
	assert_non_null(strstr(err.text, "its answer is not understood"));
	size = make_frame(frame, FRAME_DEAD, HANDLE_JOIN, "\x82\x01", 2);
	assert_int_equal(ask(frame, size), MITOGEN_ERR_CONNECT);
	assert_non_null(strstr(err.text, "its answer is not understood"));
	size = make_frame(frame, FRAME_CBOR, HANDLE_SHUTDOWN, config, sizeof(config) - 1);
	assert_int_equal(ask(frame, size), MITOGEN_ERR_CONNECT);
	assert_int_equal(answer.fd, -1);
}

static void nobody_is_there(void **state)
{
	(void)state;
	fd_close(server.fd);
	server.fd = -1;
	assert_int_equal(join_ask(path, NULL, 1000, &answer, &err), MITOGEN_ERR_CONNECT);
	assert_int_equal(err.sys, ECONNREFUSED);
	assert_non_null(strstr(err.text, "no router listens there"));
	assert_int_equal(join_ask("/tmp/join-none/socket", NULL, 1000, &answer, &err),
			 MITOGEN_ERR_CONNECT);
	assert_int_equal(err.sys, ENOENT);
}

static void it_is_not_answered(void **state)
{
	(void)state;
	/* it is not even accepted */
	assert_int_equal(join_ask(path, NULL, 1, &answer, &err), MITOGEN_ERR_TIMEOUT);
	server.hangs = true;
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
	assert_int_equal(join_ask(path, NULL, 1, &answer, &err), MITOGEN_ERR_TIMEOUT);
	pthread_join(server.thread, NULL);
}

/* ---- Being joined ---- */

static struct router router;
static int above; /* the other end of its stream */
static int told;  /* by which code all that is above was lost */

static void lose_above(struct router *unused, const mitogen_error *why)
{
	(void)unused;
	told = why->code;
}

static int setup_joined(void **state)
{
	const uint32_t master_id = 0;
	int fds[2];

	(void)state;
	log_set(LOG_WARNING, keep_log, NULL);
	told = 0;
	assert_int_equal(fd_socketpair(fds), 0);
	above = fds[0];
	answer = (struct join_answer){.fd = fds[1]};
	answer.config.max_message = MESSAGE_SIZE_MAX;
	assert_int_equal(router_init(&router, 7, &master_id, 1, "unix.7"), 0);
	assert_int_equal(dispatch_open(&router), 0);
	assert_int_equal(join_open(&router, &answer, 5000, lose_above), 0);
	assert_int_equal(answer.fd, -1);
	pump(&router.broker);
	return 0;
}

static int teardown_joined(void **state)
{
	(void)state;
	fd_close(above);
	dispatch_close(&router);
	forward_log_close(&router);
	join_close(&router);
	router_clear(&router);
	log_set(LOG_WARNING, NULL, NULL);
	return 0;
}

static void the_end_of_the_stream(void **state)
{
	(void)state;
	fd_close(TAKE_FD(above));
	pump(&router.broker);
	assert_int_equal(told, MITOGEN_ERR_LOST);
	assert_null(router.parent);
	assert_false(router.closing); /* we go on */
}

static void sent_away(uint32_t auth_id)
{
	struct frame_header header = {
		.kind = FRAME_DEAD, .dst_id = 7, .auth_id = auth_id, .handle = HANDLE_SHUTDOWN};
	uint8_t frame[FRAME_HEADER_SIZE];

	frame_encode(frame, &header);
	assert_int_equal(send(above, frame, sizeof(frame), 0), sizeof(frame));
	pump(&router.broker);
}

static void it_is_shut_down(void **state)
{
	(void)state;
	sent_away(9); /* by one who may not */
	assert_int_equal(told, 0);
	sent_away(0);
	assert_int_equal(told, MITOGEN_ERR_CLOSED);
	assert_null(router.parent);
	assert_false(router.closing);
}

/* What it had to say goes out first; then its router has ended. */
static void leaving(void **state)
{
	struct mitogen_message *m = message_of_text("the last word");
	uint8_t frame[100];

	(void)state;
	m->header.dst_id = 0;
	m->header.handle = 4711;
	router_send(&router, m, false);
	router_close(&router, false);
	pump(&router.broker);
	assert_true(router.broker.stopping);
	assert_null(router.parent);
	assert_int_equal(recv(above, frame, sizeof(frame), 0), FRAME_HEADER_SIZE + 14);
	assert_int_equal(recv(above, frame, sizeof(frame), 0), 0);
}

static int64_t now_ms = 1000000;

static int stopped_clock(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = (struct timespec){now_ms / 1000, now_ms % 1000 * 1000000};
	return 0;
}

/* The other one does not read; nobody waits for that for ever. */
static void leaving_one_that_hangs(void **state)
{
	static char much[1u << 20];
	struct mitogen_message *m = message_of_bytes(much, sizeof(much));

	(void)state;
	sys.clock_gettime = stopped_clock;
	m->header.handle = 4711;
	router_send(&router, m, false);
	router_close(&router, false);
	pump(&router.broker);
	now_ms += 4999;
	pump(&router.broker);
	assert_false(router.broker.stopping);
	now_ms += 1;
	pump(&router.broker);
	assert_true(router.broker.stopping);
	sys.clock_gettime = clock_gettime;
}

static int group_setup(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int group_teardown(void **state)
{
	(void)state;
	return rmdir(directory);
}

#define TEST(name)   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define JOINED(name) cmocka_unit_test_setup_teardown(name, setup_joined, teardown_joined)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_told_who_it_is),     TEST(it_is_told_why_not),
		TEST(what_is_no_answer),        TEST(nobody_is_there),
		TEST(it_is_not_answered),       JOINED(the_end_of_the_stream),
		JOINED(it_is_shut_down),        JOINED(leaving),
		JOINED(leaving_one_that_hangs),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
