/* SPDX-License-Identifier: BSD-3-Clause */
#include "connect/methods.h"

#include <string.h>

#include "parent/method_options.h"

METHOD_OPTIONS_CHECK(mitogen_fork_options);
METHOD_OPTIONS_CHECK(mitogen_ssh_options);

const struct connect_method *const connect_methods[] = {
	&connect_local, &connect_fork, &connect_ssh, &connect_sudo,
	&connect_su,    &connect_doas, NULL,
};

const struct connect_method *connect_find(const char *name, size_t size)
{
	for (const struct connect_method *const *method = connect_methods; *method; method++)
		if (strlen((*method)->name) == size && memcmp((*method)->name, name, size) == 0)
			return *method;
	return NULL;
}
