/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which part of the program or of a library an address lies in, from /proc/self/maps: what is needed to
 * find the function afterwards. Async-signal-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct safe_text;

/* Reads the list anew; without one, no address is code. */
void modules_load(void);
bool modules_is_code(uintptr_t address);
/* Copies memory of this process. How much there was: an address that is none does no harm. */
size_t modules_read(uintptr_t address, void *to, size_t size);
/* " agent+0x1234": the file's name, and the address as addr2line(1) wants it for the file; or nothing. */
void modules_write(struct safe_text *text, uintptr_t address);
