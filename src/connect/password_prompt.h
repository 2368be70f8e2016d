/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Is this, all of it, how PAM asks for the password of an account? In all languages that it knows, and in
 * those words of other systems. Pure. */
bool password_prompt(const char *text, size_t size);
