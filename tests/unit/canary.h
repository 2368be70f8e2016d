/* SPDX-License-Identifier: BSD-3-Clause */
/* Notices when memory is given back in which a secret still stands. */
#pragma once

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

#define CANARY "what nobody may find"

static bool canary_was_freed;

static void canary_look(const void *p)
{
	/* a secret has no NUL behind it */
	if (p && memmem(p, malloc_usable_size((void *)(uintptr_t)p), CANARY, strlen(CANARY)))
		canary_was_freed = true;
}

static void canary_free(void *p)
{
	canary_look(p);
	free(p);
}

/* It may move what is there, and leaves a copy then. */
static void *canary_realloc(void *p, size_t size)
{
	canary_look(p);
	return realloc(p, size);
}

static inline void canary_watch(void)
{
	canary_was_freed = false;
	sys.free = canary_free;
	sys.realloc = canary_realloc;
}

static inline void canary_end(void)
{
	sys.free = free;
	sys.realloc = realloc;
}
