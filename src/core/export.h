/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of this program that may be called from elsewhere. Any thread. */
#pragma once

#include <mitogen/types.h>
#include <stddef.h>

void export_register(mitogen_export *entry);
/* name need not end with a NUL. NULL: there is none. */
const mitogen_export *export_find(const char *name, size_t size);
const mitogen_export *export_of(mitogen_function *function);
/* Around a fork: nobody else holds the lock inside. */
void export_before_fork(void);
void export_after_fork(void);
