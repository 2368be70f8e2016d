/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies of the environment. Reading environ while another thread changes it is undefined, so it is
 * copied where the program's own thread calls us, for later use on the broker thread.
 */
#pragma once

/* An array that ends with NULL and its strings, all one allocation, for sys.free. NULL: no memory. */
char **environment_copy(void);
/* The same of another such array. */
char **environment_copy_of(char *const *environment);
/* The same, with this variable, "NAME=value", in place of what it has under that name. */
char **environment_copy_with(char *const *environment, const char *variable);
/* The value of that variable in such an array, which may be NULL: then, and if it has none, NULL. */
const char *environment_get(char *const *environment, const char *name);
