/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/requests.h"

#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/router.h"
#include "module/exchange.h"
#include "wire/handles.h"

#define STORE_SIZE_MAX (64u << 20)

struct wanted {
	struct list link;
	struct module_name name;
	struct list requests;
};

static struct wanted *find(const struct requests *requests, const struct module_name *name)
{
	LIST_FOR_EACH (node, &requests->wanted) {
		struct wanted *wanted = LIST_OWNER(node, struct wanted, link);

		if (module_name_is(&wanted->name, name))
			return wanted;
	}
	return NULL;
}

/* Those who want it may ask for something else meanwhile. */
static void finish(struct wanted *wanted, struct blob *blob, const mitogen_error *error)
{
	list_remove(&wanted->link);
	for (struct list *node; (node = list_pop(&wanted->requests)) != NULL;) {
		struct module_request *request = LIST_OWNER(node, struct module_request, link);

		if (blob)
			blob->references++;
		request->done(request, blob, error);
	}
	blob_unref(blob);
	sys.free(wanted);
}

void requests_fail_all(struct requests *requests, const mitogen_error *error)
{
	struct list failed;

	list_init(&failed);
	list_splice(&failed, &requests->wanted);
	while (!list_is_empty(&failed))
		finish(LIST_OWNER(failed.next, struct wanted, link), NULL, error);
}

ERROR_PATH static void fail_answer(struct wanted *wanted, const struct module_answer *answer,
				   int code)
{
	mitogen_error error;

	if (answer->code < 0)
		error_set(&error, answer->code, "%.*s", (int)answer->text_size,
			  (const char *)answer->text);
	else if (code == MITOGEN_ERR_MEMORY)
		error_set_memory(&error);
	else
		error_set(&error, code, "%s %s was damaged on its way", answer->name.kind,
			  answer->name.name);
	finish(wanted, NULL, &error);
}

ERROR_PATH static void fail_spoiled(struct requests *requests, const struct mitogen_message *m)
{
	mitogen_error error;

	message_decode_failure(m, &error);
	requests_fail_all(requests, &error); /* of which this is one */
}

static void received(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct requests *requests = LIST_OWNER(handle, struct requests, load);
	struct module_answer answer;
	struct wanted *wanted;
	struct blob *blob = NULL;
	int code = 0;

	(void)router;
	if (m->failure || m->header.kind == FRAME_DEAD) {
		fail_spoiled(requests, m);
	} else if (m->header.kind != FRAME_CBOR ||
		   !exchange_read_answer(m->payload, m->size, &answer)) {
		log_write(LOG_WARNING, "the parent sent something else to LOAD_MODULE");
	} else if ((wanted = find(requests, &answer.name)) != NULL) {
		if (answer.code == 0)
			blob = store_add(&requests->store, &answer, m, &code);
		if (blob)
			finish(wanted, blob, NULL);
		else
			fail_answer(wanted, &answer, code);
	}
	message_unref(m);
}

static const struct handle_ops ops = {
	.receive = received,
	.takes_spoiled = true,
	.policy = handles_allow_parent,
};

int requests_open(struct requests *requests, struct router *router)
{
	requests->router = router;
	list_init(&requests->wanted);
	store_init(&requests->store, STORE_SIZE_MAX);
	return handles_add(router, &requests->load, HANDLE_LOAD_MODULE, &ops, NULL);
}

void requests_close(struct requests *requests)
{
	for (struct list *node; (node = list_pop(&requests->wanted)) != NULL;) {
		struct wanted *wanted = LIST_OWNER(node, struct wanted, link);

		while (list_pop(&wanted->requests))
			;
		sys.free(wanted);
	}
	handles_remove(requests->router, &requests->load);
	store_clear(&requests->store);
}

/* Asks the parent. NULL: no memory. */
static struct wanted *ask(struct requests *requests, const struct module_name *name)
{
	struct mitogen_message *m = exchange_make_request(name);
	struct wanted *wanted = m ? sys.malloc(sizeof(*wanted)) : NULL;

	if (!wanted) {
		message_unref(m);
		return NULL;
	}
	wanted->name = *name;
	list_init(&wanted->requests);
	list_append(&requests->wanted, &wanted->link);
	m->header.dst_id = requests->router->parent->id;
	router_send(requests->router, m, false);
	return wanted;
}

ERROR_PATH static void fail_ask(const struct requests *requests, const struct module_name *name,
				struct module_request *request)
{
	mitogen_error error;

	if (requests->router->parent)
		error_set_memory(&error);
	else
		error_set(&error, MITOGEN_ERR_UNKNOWN,
			  "%s %s is not here, and there is no parent to be asked for it",
			  name->kind, name->name);
	request->done(request, NULL, &error);
}

void requests_get(struct requests *requests, const struct module_name *name,
		  struct module_request *request)
{
	struct blob *blob = store_find(&requests->store, name);
	struct wanted *wanted = blob ? NULL : find(requests, name);

	list_init(&request->link);
	if (blob) {
		request->done(request, blob, NULL);
		return;
	}
	if (!wanted && requests->router->parent)
		wanted = ask(requests, name);
	if (wanted)
		list_append(&wanted->requests, &request->link);
	else
		fail_ask(requests, name, request);
}

void requests_cancel(struct module_request *request)
{
	list_remove(&request->link);
}
