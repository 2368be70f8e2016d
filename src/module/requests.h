/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this process asks its parent for. However many here want the same, the parent is asked once, and
 * not again while it is in the store. Broker thread, router lock held.
 */
#pragma once

#include <mitogen/types.h>

#include "base/list.h"
#include "core/handles.h"
#include "module/store.h"

struct router;

struct module_request { /* sits in who asks; zeroed */
	struct list link;
	/* A reference, or NULL and why. */
	void (*done)(struct module_request *request, struct blob *blob, const mitogen_error *error);
};

struct requests {
	struct router *router;
	struct handle load; /* LOAD_MODULE */
	struct list wanted; /* names, of which the parent has not answered */
	struct store store;
};

/* 0, or MITOGEN_ERR_MEMORY. */
int requests_open(struct requests *requests, struct router *router);
void requests_close(struct requests *requests); /* nobody is told */
/* Calls done once, maybe at once. */
void requests_get(struct requests *requests, const struct module_name *name,
		  struct module_request *request);
void requests_cancel(struct module_request *request);
/* There is no parent any more. */
void requests_fail_all(struct requests *requests, const mitogen_error *error);
