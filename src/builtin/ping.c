/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers, for who wants to know whether we are there, and how far away. */
#include "builtin/builtin.h"
#include "core/dispatch.h"

void builtin_ping(struct router *router, struct mitogen_message *m)
{
	dispatch_answer_nil(router, m);
	message_unref(m);
}
