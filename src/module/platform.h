/* SPDX-License-Identifier: BSD-3-Clause */
/* The platforms that images are built for, by name: "linux-x86_64". */
#pragma once

#include <stddef.h>

#define PLATFORM_LIST_SIZE 128

/* Of a machine about which uname(1) -s and -m print that. NULL: there is none for it. All names that
 * these functions return are those of a fixed table, and live for ever. */
const char *platform_find(const char *system, const char *machine);
/* The one with this name, or NULL. */
const char *platform_named(const char *name, size_t size);
/* What uname -sm prints on machines for which that platform is: "|Linux armv7l|Linux armv8l|"; "": it
 * has no name. Returns out. */
const char *platform_unames(const char *name, char *out, size_t size);
/* The first one is 0; NULL: there are no more. */
const char *platform_at(size_t index);
/* That this program was built for; "other": one that has no name. */
const char *platform_own(void);
/* Of the program that begins with these bytes; NULL: it is none for Linux, or for another machine. */
const char *platform_of_program(const void *data, size_t size);
/* "linux-x86_64, ...": all that have a name. Returns out. */
const char *platform_list(char *out, size_t size);
