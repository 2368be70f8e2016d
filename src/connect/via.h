/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Children of other contexts, started from here: the other context connects them as if it did so by
 * itself. Nothing waits: IDs are chosen here, and what is sent to the new context follows the
 * request.
 */
#pragma once

#include "core/router.h"
#include "parent/connection.h"

struct call_target;

/* As connection_start, for a child of via, which is below this process. */
int via_start(struct router *router, struct context *via, const struct connect_method *method,
	      const struct connect_options *options, const struct id_block *ids,
	      struct context **ret, mitogen_error *err);
/* Has the context's parent end it, and answer target when it is reaped. context->via_id is set. 0, or a
 * code with err set. */
int via_shutdown(struct router *router, const struct context *context,
		 const struct call_target *target, mitogen_error *err);
/* Has the context's parent, who may be we ourselves, let it go, and answer target when it has let go.
 * The same. */
int via_detach(struct router *router, const struct context *context,
	       const struct call_target *target, mitogen_error *err);

/* What the other context does for it: "connect", "shutdown" and "detach". */
extern const struct builtin via_builtins[];
