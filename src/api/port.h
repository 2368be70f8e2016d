/* SPDX-License-Identifier: BSD-3-Clause */
/* What receivers and handlers share: ports that a program opens. Router lock. */
#pragma once

#include <mitogen/mitogen.h>

struct api_router;
struct inbox;
struct inbox_ops;
struct router;

/* 0, or a code with err. */
int port_open(struct api_router *api, struct inbox *inbox, const struct inbox_ops *ops,
	      const mitogen_port_options *options, mitogen_error *err);
/* Says why a port could not be opened, with the code of inbox_open, which it returns. */
int port_fail(mitogen_error *err, int code);
/* .released of what comes to one. */
void port_value_released(struct router *router, const struct mitogen_message *m);
