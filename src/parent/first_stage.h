/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a tool runs on the other side before there is an image: a short command that reads a script,
 * and the script, which reads images until one of them runs. docs/PROTOCOL.md has the conversation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* For a login shell, whichever: it has no "!", no newline, and nothing that a pair of ' does not hold. */
extern const char first_stage_command[];
extern const char *const first_stage_argv[]; /* the same, as arguments; ends with NULL */
/* For tools that take "$" for something of their own: they have none. */
extern const char first_stage_command_plain[];
extern const char *const first_stage_argv_plain[];

/* What goes first into the command's standard input. name: behind "mitogen:", in the process list. *ret is
 * for sys.free. 0, or -1: no memory. */
int first_stage_script(const char *name, char **ret, size_t *ret_size);

#define FIRST_STAGE_HEADER_SIZE 160

/* Goes in front of each image, which is of image_size bytes as they are sent. platform: that it is for;
 * one that is none of ours is believed to be that of the other side. Returns out's length. */
int first_stage_header(char *out, size_t size, size_t image_size, bool is_gzip,
		       const char *platform);

enum first_stage_kind {
	FIRST_STAGE_OTHER,  /* of something else */
	FIRST_STAGE_HELLO,  /* it runs, and says where */
	FIRST_STAGE_NEXT,   /* it did not take the image, and waits for a header and an image */
	FIRST_STAGE_FAILED, /* it gives up */
	FIRST_STAGE_READY,  /* the image runs, and speaks our protocol */
};

struct first_stage_line {
	enum first_stage_kind kind;
	char system[32], machine[32]; /* HELLO: uname -s and -m; "" if it could not say */
	bool wants_raw;               /* NEXT: it has nothing that unpacks */
	char reason[1024];            /* NEXT, FAILED: of each attempt; escaped */
};

/* line: with or without the newline. Pure. */
void first_stage_parse(const char *line, size_t size, struct first_stage_line *ret);
