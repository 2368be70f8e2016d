/* SPDX-License-Identifier: BSD-3-Clause */
/* What a parent and the image that it starts agree on before the first frame. */
#pragma once

#define BOOTSTRAP_CHILD_MODE "--mitogen-child" /* argv[1] of a child */
/* argv[2] of a child whose program is in a temporary file, which it deletes, and that was started with
 * most signals ignored; else there is no argv[2]. How the name of such a file begins. */
#define BOOTSTRAP_UNLINK "unlink"
#define BOOTSTRAP_FILE   ".mitogen-"
/* What the image prints when it runs, and a newline; the 1 is the protocol's version. */
#define BOOTSTRAP_READY "MITO001 1"

#define DEPTH_MAX 64 /* of contexts below one another */
