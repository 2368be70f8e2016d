/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/chains.h"

#include "base/error.h"
#include "base/sys.h"
#include "core/dispatch.h"
#include "core/router.h"

struct caller { /* a context that calls in chains */
	struct map_node by_id;
	struct map chains;
	struct list idle; /* of which no call is here; used last is last */
	unsigned idle_count;
};

struct chain {
	struct map_node by_number;
	struct list idle;
	struct caller *caller;
	uint32_t next;      /* the position of the call that comes next */
	unsigned functions; /* of it in the queue of the main thread, one may run */
	bool is_alone;      /* something else of it has begun, which nothing passes */
	bool is_advancing;  /* whoever does it goes on until nothing can begin */
	bool has_ended;
	struct list waiting; /* calls that may not begin yet */
	struct task advance; /* builtins begin on the broker thread alone */
	struct router *router;
	bool has_failed;
	struct mitogen_message *failure; /* NULL: there was no memory for it */
};

static void advance_task(struct task *task);

/* ---- Memory ---- */

static struct caller *find_caller(const struct router *router, uint32_t id)
{
	struct map_node *node = map_get(&router->chain_sources, id);

	return node ? MAP_OWNER(node, struct caller, by_id) : NULL;
}

static struct chain *find(const struct router *router, uint32_t id, uint32_t number)
{
	struct caller *caller = find_caller(router, id);
	struct map_node *node = caller ? map_get(&caller->chains, number) : NULL;

	return node ? MAP_OWNER(node, struct chain, by_number) : NULL;
}

static void take_from_idle(struct chain *chain)
{
	if (!list_is_linked(&chain->idle))
		return;
	list_remove(&chain->idle);
	chain->caller->idle_count--;
}

static void destroy(struct chain *chain)
{
	take_from_idle(chain);
	list_remove(&chain->advance.link);
	map_remove(&chain->caller->chains, &chain->by_number);
	message_unref_all(&chain->waiting);
	message_unref(chain->failure);
	sys.free(chain);
}

static struct caller *get_caller(struct router *router, uint32_t id)
{
	struct caller *caller = find_caller(router, id);

	if (caller)
		return caller;
	caller = sys.calloc(1, sizeof(*caller));
	if (caller && map_add(&router->chain_sources, &caller->by_id, id) == 0) {
		list_init(&caller->idle);
		return caller;
	}
	sys.free(caller);
	return NULL;
}

/* The chain, made if it is not known. NULL: no memory. */
static struct chain *get(struct router *router, uint32_t id, uint32_t number)
{
	struct chain *chain = find(router, id, number);
	struct caller *caller;

	if (chain)
		return chain;
	caller = get_caller(router, id);
	chain = sys.calloc(1, sizeof(*chain));
	if (caller && chain && map_add(&caller->chains, &chain->by_number, number) == 0) {
		chain->caller = caller;
		chain->router = router;
		chain->next = 1;
		chain->advance.run = advance_task;
		list_init(&chain->waiting);
		return chain;
	}
	sys.free(chain);
	return NULL;
}

static void forget(struct router *router, struct caller *caller)
{
	struct map_node *node;

	while ((node = map_first(&caller->chains)) != NULL)
		destroy(MAP_OWNER(node, struct chain, by_number));
	map_clear(&caller->chains);
	map_remove(&router->chain_sources, &caller->by_id);
	sys.free(caller);
}

void chains_forget(struct router *router, uint32_t id)
{
	struct caller *caller = find_caller(router, id);

	if (caller)
		forget(router, caller);
}

size_t chains_count(const struct router *router)
{
	struct map_node *node = NULL;
	size_t count = 0;

	while ((node = map_next(&router->chain_sources, node)) != NULL)
		count += MAP_OWNER(node, struct caller, by_id)->chains.count;
	return count;
}

static void dump_chain(const struct chain *chain, FILE *out)
{
	unsigned waiting = 0;

	if (list_is_linked(&chain->idle))
		return;
	LIST_FOR_EACH (node, &chain->waiting)
		waiting++;
	fprintf(out, " chain %u of context %u: %u functions queued, %u calls wait behind %s\n",
		chain->by_number.key, chain->caller->by_id.key, chain->functions, waiting,
		chain->is_alone ? "a builtin that runs" : "them");
}

void chains_dump(const struct router *router, FILE *out)
{
	struct map_node *node = NULL;

	while ((node = map_next(&router->chain_sources, node)) != NULL) {
		struct map *chains = &MAP_OWNER(node, struct caller, by_id)->chains;
		struct map_node *chain = NULL;

		while ((chain = map_next(chains, chain)) != NULL)
			dump_chain(MAP_OWNER(chain, struct chain, by_number), out);
	}
}

void chains_clear(struct router *router)
{
	struct map_node *node;

	while ((node = map_first(&router->chain_sources)) != NULL)
		forget(router, MAP_OWNER(node, struct caller, by_id));
	map_clear(&router->chain_sources);
}

/* Nothing of it is here: remembers it for as long as there is room. */
static void settle(struct chain *chain)
{
	struct caller *caller = chain->caller;

	if (chain->functions > 0 || chain->is_alone || chain->is_advancing ||
	    !list_is_empty(&chain->waiting) || list_is_linked(&chain->idle))
		return;
	if (chain->has_ended) {
		destroy(chain);
		return;
	}
	list_append(&caller->idle, &chain->idle);
	if (++caller->idle_count > CHAINS_IDLE_MAX)
		destroy(LIST_OWNER(caller->idle.next, struct chain, idle));
}

/* ---- Order ---- */

static bool may_begin(const struct chain *chain, const struct mitogen_message *m)
{
	return !chain->is_alone && (chain->functions == 0 || m->function);
}

static void mark(struct chain *chain, const struct mitogen_message *m)
{
	if (m->function)
		chain->functions++;
	else
		chain->is_alone = true;
}

static void advance(struct chain *chain)
{
	if (chain->is_advancing)
		return;
	chain->is_advancing = true;
	while (!list_is_empty(&chain->waiting)) {
		struct mitogen_message *m =
			LIST_OWNER(chain->waiting.next, struct mitogen_message, link);

		if (!may_begin(chain, m))
			break;
		list_remove(&m->link);
		mark(chain, m);
		dispatch_begin(chain->router, m);
	}
	chain->is_advancing = false;
	settle(chain);
}

static void advance_task(struct task *task)
{
	advance(LIST_OWNER(task, struct chain, advance));
}

ERROR_PATH static void refuse(struct mitogen_message *m, int code, const char *text)
{
	mitogen_error error;

	error_set(&error, code, "%s", text);
	m->function = NULL;
	message_set_failure(m, &error);
}

bool chains_enter(struct router *router, struct mitogen_message *m, uint32_t position)
{
	struct chain *chain = get(router, m->header.src_id, m->chain);

	if (!chain) {
		refuse(m, MITOGEN_ERR_MEMORY, "out of memory");
		m->chain = 0; /* the next one misses it */
		return true;
	}
	if (position != chain->next) {
		refuse(m, MITOGEN_ERR_LOST,
		       "an earlier call of this chain did not arrive, or the chain was forgotten");
	}
	chain->next = position + 1;
	take_from_idle(chain);
	if (list_is_empty(&chain->waiting) && may_begin(chain, m)) {
		mark(chain, m);
		return true;
	}
	list_append(&chain->waiting, &m->link);
	return false;
}

bool chains_has_failed(const struct router *router, const struct mitogen_message *m,
		       struct mitogen_message **ret_answer)
{
	const struct chain *chain = find(router, m->header.src_id, m->chain);

	if (!chain || !chain->has_failed)
		return false;
	*ret_answer =
		chain->failure ? message_slice(chain->failure, 0, chain->failure->size) : NULL;
	return true;
}

void chains_leave(struct router *router, const struct mitogen_message *m,
		  const mitogen_error *error)
{
	struct chain *chain = find(router, m->header.src_id, m->chain);

	if (!chain)
		return; /* it was forgotten meanwhile */
	if (m->function)
		chain->functions--;
	else
		chain->is_alone = false;
	if (error && !chain->has_failed) {
		chain->has_failed = true;
		chain->failure = message_new_call_error(error);
	}
	if (list_is_empty(&chain->waiting))
		settle(chain);
	else if (broker_may_act(&router->broker))
		advance(chain);
	else
		broker_defer(&router->broker, &chain->advance);
}

void chains_end(struct router *router, uint32_t source, uint32_t number)
{
	struct chain *chain = find(router, source, number);

	if (!chain)
		return;
	chain->has_ended = true;
	take_from_idle(chain);
	settle(chain);
}
