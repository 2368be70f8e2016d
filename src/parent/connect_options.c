/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/connect_options.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/environment.h"
#include "base/random.h"
#include "base/sys.h"
#include "module/platform.h"
#include "parent/connection.h"
#include "parent/method_options.h"

int connect_options_copy(const struct connect_method *method, const struct connect_options *options,
			 struct connect_options *ret)
{
	*ret = *options;
	ret->name = NULL;
	ret->marker[0] = random_u32();
	ret->marker[1] = random_u32();
	ret->image = options->image ? sys_strdup(options->image) : NULL;
	ret->platform = options->platform
				? platform_named(options->platform, strlen(options->platform))
				: NULL;
	ret->own = options->own ? method_options_copy(method->options, method->options_size,
						      options->own)
				: NULL;
	ret->environment = options->environment ? environment_copy_of(options->environment)
						: environment_copy();
	if (!ret->environment || (options->image && !ret->image) || (options->own && !ret->own))
		return MITOGEN_ERR_MEMORY;
	return 0;
}

void connect_options_drop_environment(struct connect_options *copy)
{
	sys.free((void *)(uintptr_t)TAKE_PTR(copy->environment));
}

void connect_options_forget_secrets(const struct connect_method *method,
				    struct connect_options *copy)
{
	method_options_forget(method->options, (void *)(uintptr_t)copy->own);
}

void connect_options_clear(const struct connect_method *method, struct connect_options *copy)
{
	connect_options_drop_environment(copy);
	sys.free((char *)(uintptr_t)TAKE_PTR(copy->image));
	method_options_free(method->options, (void *)(uintptr_t)TAKE_PTR(copy->own));
}
