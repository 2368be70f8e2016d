/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes in bytes of what there is one of for each child, call or message. */
#include <stdio.h>

#include "core/context.h"
#include "core/message.h"
#include "core/stream.h"
#include "parent/connection.c" /* NOLINT(bugprone-suspicious-include): it hides its struct */

int main(void)
{
	printf("size.connection %zu\n", sizeof(struct connection));
	printf("size.stream %zu\n", sizeof(struct stream));
	printf("size.context %zu\n", sizeof(struct context));
	printf("size.message %zu\n", sizeof(struct mitogen_message));
	return 0;
}
