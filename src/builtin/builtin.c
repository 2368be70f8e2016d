/* SPDX-License-Identifier: BSD-3-Clause */
#include "builtin/builtin.h"

const struct builtin builtin_table[] = {
	{"exec", builtin_exec},
	{NULL, NULL},
};

const struct builtin builtin_query_table[] = {
	{"facts", builtin_facts},
	{"ping", builtin_ping},
	{"stats", builtin_stats},
	{NULL, NULL},
};
