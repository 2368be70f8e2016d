/* SPDX-License-Identifier: BSD-3-Clause */
#include "connect/methods.h"

#include <stddef.h>

const struct connect_method *const connect_methods[] = {
	&connect_local,
	&connect_fork,
	NULL,
};
