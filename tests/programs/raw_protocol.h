/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The protocol by hand, for programs that play a context and keep to no rule. Numbers and messages
 * are those of docs/PROTOCOL.md; nothing of src/ is used. What goes wrong ends the program.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RAW_READY       "MITO001 1\n"
#define RAW_HEADER_SIZE 28
#define RAW_PAYLOAD_MAX 65536

enum raw_kind {
	RAW_CBOR = 1,
	RAW_BYTES = 2,
	RAW_DEAD = 3,
};

enum raw_flag {
	RAW_BULK = 1,
	RAW_MORE = 2,
};

enum raw_handle {
	RAW_CALL_FUNCTION = 101,
	RAW_ADD_ROUTE = 103,
	RAW_DEL_ROUTE = 104,
	RAW_ALLOCATE_ID = 105,
	RAW_SHUTDOWN = 106,
	RAW_DETACHING = 109,
	RAW_FORWARD_LOG = 102,
	RAW_CREDIT = 111,
	RAW_CONFIG = 112,
	RAW_GRANT_ID = 113,
};

enum raw_note { /* of exec */
	RAW_STARTED = 1,
};

enum raw_major {
	RAW_UINT,
	RAW_NEGATIVE,
	RAW_OCTETS,
	RAW_TEXT,
	RAW_LIST,
	RAW_MAP,
	RAW_TAG,
	RAW_SIMPLE,
};

#define RAW_TAG_CONTEXT 0x4d490001u
#define RAW_TAG_SENDER  0x4d490002u

struct raw_frame {
	uint8_t kind, flags;
	uint32_t dst, src, auth, handle, reply_to, size;
	uint8_t payload[RAW_PAYLOAD_MAX];
};

__attribute__((noreturn)) static inline void raw_give_up(const char *what)
{
	fprintf(stderr, "by hand: %s: %s\n", what, strerror(errno));
	exit(3);
}

static inline void raw_put32(uint8_t *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static inline uint32_t raw_get32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* ---- Bytes ---- */

static inline void raw_write(int fd, const void *data, size_t size)
{
	const uint8_t *from = data;

	while (size > 0) {
		ssize_t n = write(fd, from, size);

		if (n < 0 && errno != EINTR)
			raw_give_up("write");
		from += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
}

/* False: the end. */
static inline bool raw_read(int fd, void *data, size_t size)
{
	uint8_t *to = data;

	while (size > 0) {
		ssize_t n = read(fd, to, size);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return false;
		if (n < 0 && errno != EINTR)
			raw_give_up("read");
		to += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* ---- Frames ---- */

static inline size_t raw_encode(uint8_t *to, const struct raw_frame *frame)
{
	to[0] = 'M';
	to[1] = 'I';
	to[2] = frame->kind;
	to[3] = frame->flags;
	raw_put32(to + 4, frame->dst);
	raw_put32(to + 8, frame->src);
	raw_put32(to + 12, frame->auth);
	raw_put32(to + 16, frame->handle);
	raw_put32(to + 20, frame->reply_to);
	raw_put32(to + 24, frame->size);
	memcpy(to + RAW_HEADER_SIZE, frame->payload, frame->size);
	return RAW_HEADER_SIZE + frame->size;
}

static inline void raw_send(int fd, const struct raw_frame *frame)
{
	static uint8_t bytes[RAW_HEADER_SIZE + RAW_PAYLOAD_MAX];

	raw_write(fd, bytes, raw_encode(bytes, frame));
}

/* False: the end. */
static inline bool raw_receive(int fd, struct raw_frame *ret)
{
	uint8_t header[RAW_HEADER_SIZE];

	if (!raw_read(fd, header, sizeof(header)))
		return false;
	ret->kind = header[2];
	ret->flags = header[3];
	ret->dst = raw_get32(header + 4);
	ret->src = raw_get32(header + 8);
	ret->auth = raw_get32(header + 12);
	ret->handle = raw_get32(header + 16);
	ret->reply_to = raw_get32(header + 20);
	ret->size = raw_get32(header + 24);
	return raw_read(fd, ret->payload, ret->size);
}

/* An empty one, to be filled. */
static inline void raw_begin(struct raw_frame *frame, enum raw_kind kind, uint32_t src,
			     uint32_t dst, uint32_t handle)
{
	frame->kind = (uint8_t)kind;
	frame->flags = 0;
	frame->src = frame->auth = src;
	frame->dst = dst;
	frame->handle = handle;
	frame->reply_to = 0;
	frame->size = 0;
}

/* ---- CBOR into a frame ---- */

static inline void raw_add(struct raw_frame *frame, const void *data, size_t size)
{
	memcpy(frame->payload + frame->size, data, size);
	frame->size += (uint32_t)size;
}

static inline void raw_head(struct raw_frame *frame, enum raw_major major, uint64_t value)
{
	unsigned length = value < 24            ? 0
			  : value <= UINT8_MAX  ? 1
			  : value <= UINT16_MAX ? 2
			  : value <= UINT32_MAX ? 4
						: 8;
	unsigned info = length == 0   ? (unsigned)value
			: length == 1 ? 24
			: length == 2 ? 25
			: length == 4 ? 26
				      : 27;
	uint8_t *to = frame->payload + frame->size;

	*to = (uint8_t)((unsigned)major << 5 | info);
	for (unsigned i = 0; i < length; i++)
		to[1 + i] = (uint8_t)(value >> (8 * (length - 1 - i)));
	frame->size += 1 + length;
}

static inline void raw_uint(struct raw_frame *frame, uint64_t value)
{
	raw_head(frame, RAW_UINT, value);
}

static inline void raw_bool(struct raw_frame *frame, bool value)
{
	raw_head(frame, RAW_SIMPLE, value ? 21 : 20);
}

static inline void raw_nil(struct raw_frame *frame)
{
	raw_head(frame, RAW_SIMPLE, 22);
}

static inline void raw_list(struct raw_frame *frame, uint64_t count)
{
	raw_head(frame, RAW_LIST, count);
}

static inline void raw_string(struct raw_frame *frame, enum raw_major major, const char *string)
{
	raw_head(frame, major, strlen(string));
	raw_add(frame, string, strlen(string));
}

static inline void raw_context(struct raw_frame *frame, uint32_t id)
{
	raw_head(frame, RAW_TAG, RAW_TAG_CONTEXT);
	raw_uint(frame, id);
}

static inline void raw_sender(struct raw_frame *frame, uint32_t id, uint32_t handle)
{
	raw_head(frame, RAW_TAG, RAW_TAG_SENDER);
	raw_list(frame, 2);
	raw_uint(frame, id);
	raw_uint(frame, handle);
}

/* [chain, module, class, function, and the head of so many arguments; raw_call_end comes behind. */
static inline void raw_call_begin(struct raw_frame *frame, const char *module, const char *function,
				  uint64_t arguments)
{
	raw_list(frame, 6);
	raw_nil(frame);
	if (module)
		raw_string(frame, RAW_TEXT, module);
	else
		raw_nil(frame);
	raw_nil(frame);
	raw_string(frame, RAW_TEXT, function);
	raw_list(frame, arguments);
}

static inline void raw_call_end(struct raw_frame *frame)
{
	raw_nil(frame);
}

/* ADD_ROUTE to a parent whose ID is 0. */
static inline void raw_announce(struct raw_frame *frame, uint32_t src, uint32_t id,
				const char *name)
{
	raw_begin(frame, RAW_CBOR, src, 0, RAW_ADD_ROUTE);
	raw_list(frame, 2);
	raw_uint(frame, id);
	raw_string(frame, RAW_TEXT, name);
}

/* ---- CBOR out of a frame, which is trusted to have it ---- */

struct raw_cursor {
	const uint8_t *at;
};

static inline uint64_t raw_next(struct raw_cursor *c, enum raw_major *ret_major)
{
	unsigned info = *c->at & 31, length = info < 24 ? 0 : 1u << (info - 24);
	uint64_t value = info < 24 ? info : 0;

	*ret_major = (enum raw_major)(*c->at++ >> 5);
	for (; length > 0; length--)
		value = value << 8 | *c->at++;
	return value;
}

static inline uint64_t raw_next_head(struct raw_cursor *c)
{
	enum raw_major ignored;

	return raw_next(c, &ignored);
}

static inline void raw_skip(struct raw_cursor *c)
{
	enum raw_major major;
	uint64_t value = raw_next(c, &major);

	if (major == RAW_OCTETS || major == RAW_TEXT)
		c->at += value;
	if (major == RAW_TAG)
		raw_skip(c);
	if (major == RAW_MAP)
		value *= 2;
	for (; (major == RAW_LIST || major == RAW_MAP) && value > 0; value--)
		raw_skip(c);
}

/* Text or bytes; nil is "". */
static inline void raw_next_string(struct raw_cursor *c, char *ret, size_t size)
{
	enum raw_major major;
	size_t length = (size_t)raw_next(c, &major);

	if (major != RAW_OCTETS && major != RAW_TEXT)
		length = 0;
	snprintf(ret, size, "%.*s", (int)length, (const char *)c->at);
	c->at += length;
}

/* The handle; who it belongs to is left out. */
static inline uint32_t raw_next_sender(struct raw_cursor *c)
{
	raw_next_head(c); /* tag */
	raw_next_head(c); /* list */
	raw_skip(c);
	return (uint32_t)raw_next_head(c);
}

/* ---- Playing a child ---- */

/* Says that we run, and takes the configuration. Returns our ID. */
static inline uint32_t raw_be_child(int argc, char **argv)
{
	static struct raw_frame config;

	if (argc != 2 || strcmp(argv[1], "--mitogen-child") != 0) {
		fprintf(stderr, "by hand: this is the image of a child\n");
		exit(2);
	}
	raw_write(STDOUT_FILENO, RAW_READY, strlen(RAW_READY));
	if (!raw_receive(STDIN_FILENO, &config) || config.handle != RAW_CONFIG)
		raw_give_up("no configuration");
	return config.dst;
}

/* ---- Playing a parent, whose ID is 0 ---- */

/* Starts an image and configures it. Returns its stream; *ret_pid is to be reaped. */
static inline int raw_start_child(const char *image, uint32_t id, pid_t *ret_pid)
{
	static struct raw_frame config;
	char ready[sizeof(RAW_READY)] = "";
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		raw_give_up("socketpair");
	*ret_pid = fork();
	if (*ret_pid == 0) {
		dup2(sockets[1], STDIN_FILENO);
		dup2(sockets[1], STDOUT_FILENO);
		execl(image, image, "--mitogen-child", (char *)NULL);
		raw_give_up(image);
	}
	close(sockets[1]);
	if (*ret_pid < 0 || !raw_read(sockets[0], ready, strlen(RAW_READY)) ||
	    strcmp(ready, RAW_READY) != 0)
		raw_give_up("the child did not come up");
	raw_begin(&config, RAW_CBOR, 0, id, RAW_CONFIG);
	raw_head(&config, RAW_MAP, 7);
	raw_string(&config, RAW_TEXT, "id");
	raw_uint(&config, id);
	raw_string(&config, RAW_TEXT, "ids");
	raw_uint(&config, 1);
	raw_string(&config, RAW_TEXT, "log");
	raw_uint(&config, 1);
	raw_string(&config, RAW_TEXT, "max");
	raw_uint(&config, 128u << 20);
	raw_string(&config, RAW_TEXT, "path");
	raw_string(&config, RAW_TEXT, "local.1");
	raw_string(&config, RAW_TEXT, "parents");
	raw_list(&config, 1);
	raw_uint(&config, 0);
	raw_string(&config, RAW_TEXT, "patience");
	raw_uint(&config, 60000);
	raw_send(sockets[0], &config);
	return sockets[0];
}
