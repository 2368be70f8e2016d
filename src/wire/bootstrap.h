/* SPDX-License-Identifier: BSD-3-Clause */
/* What a parent and the image that it starts agree on before the first frame. */
#pragma once

#define BOOTSTRAP_CHILD_MODE "--mitogen-child" /* argv[1] of a child */
/* What the image prints when it runs, and a newline; the 1 is the protocol's version. */
#define BOOTSTRAP_READY "MITO001 1"

#define DEPTH_MAX 64 /* of contexts below one another */
