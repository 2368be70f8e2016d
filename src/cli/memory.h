/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory for the command, which says so and exits where there is none. */
#pragma once

#include <stddef.h>

#include "cli/say.h"

/* memory, unless it is NULL. */
void *memory_check(void *memory);
/* Never NULL; free() them. memory_calloc fills with zeros. */
void *memory_calloc(size_t count, size_t size);
void *memory_realloc(void *old, size_t size);
char *memory_format(const char *format, ...) SAY_PRINTF(1, 2);
