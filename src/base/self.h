/* SPDX-License-Identifier: BSD-3-Clause */
/* The file that this process executes. */
#pragma once

/* A path that executes this very program, even if its file was replaced. */
const char *self_path(void);
