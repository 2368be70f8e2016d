/* SPDX-License-Identifier: BSD-3-Clause */
/* Executables that become children. */
#pragma once

#include <stddef.h>

/* A path that executes this very program, even if its file was replaced. */
const char *image_self(void);
/* Why the kernel or the loader may refuse this executable here, and what to do: text that continues
 * a sentence, or "". Returns out. */
const char *image_explain(const char *path, char *out, size_t size);
