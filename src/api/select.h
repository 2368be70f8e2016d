/* SPDX-License-Identifier: BSD-3-Clause */
/* Selects: latches that stand in for those of several receivers. */
#pragma once

struct api_router;
struct receiver;

/* It is in none any more; what came from it is its own again. Router lock, as for all of these. */
void select_forget(struct receiver *receiver);
void selects_close(struct api_router *api);
/* When no receiver is left. */
void selects_clear(struct api_router *api);
