/* SPDX-License-Identifier: BSD-3-Clause */
/* What is wrong with an executable that should become a child. */
#pragma once

#include <stddef.h>

/* Why the kernel or the loader may refuse this executable here, and what to do: text that continues
 * a sentence, or "". Returns out. */
const char *executable_explain(const char *path, char *out, size_t size);
