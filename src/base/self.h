/* SPDX-License-Identifier: BSD-3-Clause */
/* The file that this process executes. */
#pragma once

/* A path that executes this very program, even if its file was replaced. */
const char *self_path(void);
/* Its file was deleted: somebody else may have made another one of that name. */
void self_set_gone(void);
