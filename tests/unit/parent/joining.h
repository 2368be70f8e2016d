/* SPDX-License-Identifier: BSD-3-Clause */
/* A master that listens, and processes that join it: sockets of the test, which speaks by hand. */
#pragma once

#include <errno.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/unix_socket.h"
#include "parent/listener.h"
#include "parent/socket_place.h"
#include "tree.h"
#include "wire/cursor.h"
#include "wire/handles.h"
#include "wire/join.h"

#define TIMEOUT_MS  10000
#define SHUTDOWN_MS 5000
#define JOINED_MAX  3

SHARED struct listener *listener;
SHARED char path[128];
SHARED int64_t now_ms = 1000000;

SHARED int stopped_clock(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = (struct timespec){now_ms / 1000, now_ms % 1000 * 1000000};
	return 0;
}

SHARED int joining_setup(void **state)
{
	const struct listener_options options = {
		.joined_max = JOINED_MAX, .timeout_ms = TIMEOUT_MS, .shutdown_ms = SHUTDOWN_MS};
	struct socket_place place;
	mitogen_error err;
	int fd;

	tree_setup(state);
	sys.clock_gettime = stopped_clock;
	fd = socket_place_make(NULL, &place, &err);
	assert_true(fd >= 0);
	listener = listener_open(&master->router, &place, fd, &options, &err);
	assert_non_null(listener);
	snprintf(path, sizeof(path), "%s", listener_path(listener));
	tree_pump();
	return 0;
}

/* Nothing may be left of anybody. */
SHARED int joining_teardown(void **state)
{
	router_close(&master->router, true);
	tree_pump();
	assert_true(list_is_empty(&master->router.residents));
	assert_int_equal(access(path, F_OK), -1);
	sys.clock_gettime = clock_gettime;
	return tree_teardown(state);
}

SHARED void pass_ms(int ms)
{
	now_ms += ms;
	tree_pump();
}

/* How many there are: the listener, if it is open, and those that join or have joined. */
SHARED size_t count_residents(void)
{
	size_t count = 0;

	LIST_FOR_EACH (node, &master->router.residents)
		count++;
	return count;
}

SHARED int connect_to_it(void)
{
	int fd = unix_socket_connect(path, 10000);

	assert_true(fd >= 0);
	assert_int_equal(fd_set_nonblocking(fd), 0);
	return fd;
}

SHARED void say(int fd, const void *data, size_t size)
{
	assert_int_equal(unix_socket_send(fd, data, size), size);
	tree_pump();
}

/* The next frame that has come; header.kind 0: none, and the connection has ended if *ret_end. */
SHARED struct frame_header hear(int fd, uint8_t payload[FRAME_PAYLOAD_MAX], bool *ret_end)
{
	uint8_t bytes[FRAME_HEADER_SIZE];
	struct frame_header header = {0};
	ssize_t n;

	tree_pump();
	n = recv(fd, bytes, sizeof(bytes), 0);
	*ret_end = n == 0 || (n < 0 && errno == ECONNRESET);
	if (n <= 0)
		return header;
	assert_int_equal(n, sizeof(bytes));
	assert_int_equal(frame_decode(bytes, sizeof(bytes), &header), FRAME_OK);
	assert_int_equal(recv(fd, payload, header.length, 0), header.length);
	return header;
}

SHARED void assert_hears_nothing(int fd)
{
	uint8_t payload[FRAME_PAYLOAD_MAX];
	bool is_end;

	assert_int_equal(hear(fd, payload, &is_end).kind, 0);
	assert_false(is_end);
}

SHARED void assert_hears_end(int fd)
{
	uint8_t payload[FRAME_PAYLOAD_MAX];
	bool is_end;

	assert_int_equal(hear(fd, payload, &is_end).kind, 0);
	assert_true(is_end);
	fd_close(fd);
}

/* It is told why it may not join, and that is all. */
SHARED void assert_refused(int fd, int code, const char *text)
{
	uint8_t payload[FRAME_PAYLOAD_MAX + 1];
	bool is_end;
	struct frame_header header = hear(fd, payload, &is_end);
	struct cursor c = {payload, payload + header.length};
	uint64_t count;
	int64_t number;

	assert_int_equal(header.kind, FRAME_DEAD);
	assert_int_equal(header.handle, HANDLE_JOIN);
	assert_int_equal(cbor_check(payload, header.length), 0);
	assert_int_equal(cursor_list(&c, &count), 0);
	assert_int_equal(cursor_i64(&c, &number), 0);
	assert_int_equal(number, code);
	payload[header.length] = '\0';
	assert_non_null(strstr((const char *)c.at, text));
	assert_hears_end(fd);
}

/* One that has joined; its ID. */
SHARED uint32_t join_as(int fd, const char *name)
{
	uint8_t request[JOIN_REQUEST_MAX], payload[FRAME_PAYLOAD_MAX];
	struct frame_header header;
	bool is_end;

	say(fd, request, join_write_request(request, name));
	header = hear(fd, payload, &is_end);
	assert_int_equal(header.kind, FRAME_CBOR);
	assert_int_equal(header.handle, HANDLE_CONFIG);
	return header.dst_id;
}
