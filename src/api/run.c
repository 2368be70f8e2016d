/* SPDX-License-Identifier: BSD-3-Clause */
#include <mitogen/mitogen.h>

#include "base/error.h"

int mitogen_run_with(int argc, char **argv, mitogen_work *work, void *user,
		     const mitogen_router_options *options)
{
	mitogen_error err = {0};
	mitogen_router router = mitogen_start_with(argc, argv, options, &err);
	int r;

	if (router.ref == 0)
		return mitogen_finish(router, &err);
	r = work(router, user, &err);
	if (r >= 0)
		err.code = MITOGEN_OK; /* what it has got over is not for the user */
	else if (err.code == MITOGEN_OK)
		error_set(&err, r, "it failed and does not say why: %s", error_code_name(r));
	return mitogen_finish(router, &err) ? 1 : r;
}
