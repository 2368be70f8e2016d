/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers what children ask for by GET_MODULE. Broker thread, router lock held. */
#pragma once

#include "base/list.h"
#include "core/handles.h"

struct router;

struct responder {
	struct handle get;   /* GET_MODULE */
	struct list pending; /* what is being looked up for children */
};

/* 0, or MITOGEN_ERR_MEMORY. */
int responder_open(struct responder *responder, struct router *router);
void responder_close(struct responder *responder, struct router *router);
