/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process says that joins a router by its unix socket, before it is told who it is: one frame,
 * [version, name]. Pure, but for memory.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

#define JOIN_VERSION     1
#define JOIN_NAME_MAX    200 /* bytes of one part of a path */
#define JOIN_REQUEST_MAX (FRAME_HEADER_SIZE + 256u)

struct join_request {
	uint32_t version;             /* of a newer one the rest is left out */
	char name[JOIN_NAME_MAX + 1]; /* UTF-8; "": none */
};

/* name may be NULL. Returns the number of bytes, or 0: the name is no such name, or no memory. */
size_t join_write_request(uint8_t out[JOIN_REQUEST_MAX], const char *name);
/* 1 and *ret: it is there; 0: incomplete; -1: this is none, or something comes behind it. */
int join_read_request(const uint8_t *data, size_t size, struct join_request *ret);
