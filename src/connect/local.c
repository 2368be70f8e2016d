/* SPDX-License-Identifier: BSD-3-Clause */
/* A child process of the same account: the image itself, without a first stage. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/self.h"
#include "base/sys.h"
#include "connect/methods.h"
#include "parent/launch.h"
#include "parent/method_options.h"

static const char *image(const struct connect_options *options)
{
	return options->image ? options->image : self_path();
}

static int command(const struct connect_options *options, const char *context_path,
		   struct launch_command *ret, mitogen_error *err)
{
	size_t size = strlen("mitogen:") + strlen(context_path) + 1;
	char *title = sys.malloc(size);

	ret->path = sys_strdup(image(options));
	ret->argv = sys.calloc(3, sizeof(*ret->argv));
	if (!title || !ret->path || !ret->argv) {
		sys.free(title);
		return error_set_memory(err);
	}
	snprintf(title, size, "mitogen:%s", context_path);
	ret->argv[0] = title;
	ret->argv[1] = sys_strdup(BOOTSTRAP_CHILD_MODE);
	return ret->argv[1] ? 0 : error_set_memory(err);
}

static const struct method_option options[] = {
	METHOD_OPTION_IMAGE(mitogen_local_options),
	{.name = NULL},
};

const struct connect_method connect_local = {
	.name = "local",
	.options = options,
	.options_size = sizeof(mitogen_local_options),
	.command = command,
	.image = image,
};
