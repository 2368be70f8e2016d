/* SPDX-License-Identifier: BSD-3-Clause */
/* The first message from the parent: who we are. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/dumper.h"
#include "wire/bootstrap.h"

#define CONFIG_SIZE_MAX 20480 /* bytes of the message */
#define CONFIG_PATH_MAX 16384 /* bytes: DEPTH_MAX parts of a path */

struct config {
	uint32_t id;
	uint32_t parents[DEPTH_MAX]; /* the parent, its parent, ... the master */
	size_t parent_count;
	uint32_t ids;               /* how many, ours being the first */
	uint32_t is_unidirectional; /* 0 or 1 */
	uint32_t log_level;
	uint32_t max_message;
	uint32_t forks;       /* not 0: we get a fork server */
	uint32_t patience_ms; /* that a function has to end when we are asked to */
	struct diagnosis diagnosis;
	char *path; /* our name, as the parent has it; sys.free */
};

/* Reads it from the payload of that message. 0, or -1: it is something else, or there is no memory. */
int config_parse(const void *payload, size_t size, struct config *ret);
/* Reads it from fd, waiting. 0, or -1: the parent is gone or sent something else, or there is no memory. */
int config_read(int fd, struct config *ret);
