/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that run in contexts, as their caller sees them. */
#pragma once

struct api_router;
struct mitogen_message;

/* A message has left its receiver: if it was output, there is room for as much again. No lock held. */
void process_taken(struct api_router *api, const struct mitogen_message *m);
/* Frees all of a router's, when nobody can use them any more. */
void processes_clear(struct api_router *api);
