/* SPDX-License-Identifier: BSD-3-Clause */
/* The ways to start a child. */
#pragma once

#include <stddef.h>

#include "parent/connection.h"

extern const struct connect_method connect_local;
extern const struct connect_method connect_fork;
extern const struct connect_method connect_ssh;
extern const struct connect_method connect_sudo;
extern const struct connect_method connect_su;
extern const struct connect_method connect_doas;

/* All of them; ends with NULL. */
extern const struct connect_method *const connect_methods[];
/* The one of this name, or NULL. */
const struct connect_method *connect_find(const char *name, size_t size);
