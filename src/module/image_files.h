/* SPDX-License-Identifier: BSD-3-Clause */
/* Images in directories, where they are named like their platforms. */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>

struct image;

/* The directories, separated by ':', to be freed: those of path, then that of the program, or of this one
 * if it is NULL. NULL: no memory. */
char *image_files_path(const char *path, const char *program);
/* From the first directory that has one. NULL with err set: where it was looked for, and what there is. */
struct image *image_files_load(const char *directories, const char *platform, bool is_raw,
			       mitogen_error *err);
