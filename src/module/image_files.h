/* SPDX-License-Identifier: BSD-3-Clause */
/* Images in directories, where they are named like their platforms; or beside that, with ".gz", what gzip
 * made of them. */
#pragma once

struct image_source;

/* What the master sends: for its own platform the program, or this one if it is NULL; for others, what is in
 * the directories of path, or $MITOGEN_IMAGE_PATH if that is NULL, separated by ':', and in that of the
 * program. NULL: no memory. */
struct image_source *image_files_new(const char *program, const char *path);
