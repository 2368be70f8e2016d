/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of parent/platforms.h over runs: $XDG_CACHE_HOME/mitogen/platforms, where the directory is
 * ours alone. Whatever fails or is in the file, nothing worse happens than that it is not known.
 */
#pragma once

struct router;

/* Makes the router's table of it. */
void platforms_file_load(struct router *router);
/* If the router has learned something: adds that to what others have written meanwhile. */
void platforms_file_save(struct router *router);
