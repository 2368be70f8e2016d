/* SPDX-License-Identifier: BSD-3-Clause */
#include "builtin/builtin.h"

const struct builtin builtin_table[] = {
	{"exec", builtin_exec},
	{NULL, NULL},
};
