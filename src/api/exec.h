/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that run in contexts, as their caller sees them. */
#pragma once

struct api_router;

/* Frees all of a router's, when nobody can use them any more. */
void processes_clear(struct api_router *api);
