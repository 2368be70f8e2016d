/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/inbox.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "core/context.h"
#include "core/flow.h"
#include "core/router.h"

struct account { /* what the contexts behind one neighbour have us keep */
	struct map_node by_id;
	bool is_of_child;
	size_t bytes;
	size_t ahead; /* that they may send, all together */
	unsigned sources;
	bool is_full; /* has been said */
};

struct inbox_source {
	struct map_node by_id, by_ref;
	struct router *router;
	struct inbox *inbox;     /* NULL: it has ended, or the port is closed */
	struct handle loss;      /* no port: it only hears of the loss of the context */
	struct account *account; /* NULL: we ourselves */
	struct window window;
	size_t held;                   /* messages that are not released */
	uint32_t reply_to;             /* where it hears that the port is closed */
	bool is_closed;                /* no more values count, until its end */
	int refused;                   /* code: why something that it sent was not taken, or 0 */
	struct mitogen_message *spare; /* tells of its end, even without memory */
	size_t end_weight;             /* of that, until it is freed */
};

/* ---- Accounts ---- */

/* 0 and *ret, which is NULL for ourselves, or a code. */
static int take_account(struct router *router, const struct neighbour *from, struct account **ret)
{
	struct map_node *node;
	struct account *account;

	*ret = NULL;
	if (!from)
		return 0;
	node = map_get(&router->inboxes.accounts, from->id);
	if (!node) {
		account = sys.calloc(1, sizeof(*account));
		if (!account || map_add(&router->inboxes.accounts, &account->by_id, from->id) < 0) {
			sys.free(account);
			return MITOGEN_ERR_MEMORY;
		}
		account->is_of_child = !from->is_parent;
		node = &account->by_id;
	}
	account = MAP_OWNER(node, struct account, by_id);
	if (account->sources == INBOX_SOURCES_MAX) {
		if (!account->is_full)
			log_write(LOG_WARNING, "%s: too many contexts there send at the same time",
				  from->name);
		account->is_full = true;
		return MITOGEN_ERR_REFUSED;
	}
	account->sources++;
	*ret = account;
	return 0;
}

static void drop_account(struct router *router, struct account *account)
{
	if (!account)
		return;
	account->is_full = false;
	if (--account->sources > 0)
		return;
	map_remove(&router->inboxes.accounts, &account->by_id);
	sys.free(account);
}

/* The memory that a message takes. */
static size_t weight_of(size_t size)
{
	return sizeof(struct mitogen_message) + size;
}

static bool has_room(const struct account *account, size_t size)
{
	return !account || !account->is_of_child ||
	       account->bytes + weight_of(size) <= INBOX_BYTES_MAX;
}

/* Until it is released. */
static void hold(struct inbox_source *source, struct mitogen_message *m)
{
	if (source->account)
		source->account->bytes += weight_of(m->size);
	source->held++;
	m->source_ref = source->by_ref.key;
}

/* ---- Sources ---- */

static void source_lost(struct router *router, struct handle *handle, const mitogen_error *why);

static const struct handle_ops loss_ops = {.lost = source_lost};

static struct inbox_source *find_source(const struct inbox *inbox, uint32_t id)
{
	struct map_node *node = map_get(&inbox->sources, id);

	return node ? MAP_OWNER(node, struct inbox_source, by_id) : NULL;
}

/* 0 and *ret, or a code. */
static int open_source(struct inbox *inbox, uint32_t id, struct inbox_source **ret)
{
	struct router *router = inbox->router;
	const struct neighbour *from = routes_neighbour(router, id);
	struct context *context = context_of_id(router, id);
	struct inbox_source *source = sys.calloc(1, sizeof(*source));
	int r = MITOGEN_ERR_MEMORY;

	if (!source || !context)
		goto no_account;
	r = MITOGEN_ERR_LOST;
	if (context->state >= CONTEXT_LOST)
		goto no_account; /* nobody would hear of its loss again */
	r = take_account(router, from, &source->account);
	if (r < 0)
		goto no_account;
	r = MITOGEN_ERR_MEMORY;
	source->spare = message_new(0);
	if (!source->spare)
		goto no_spare;
	if (map_add(&router->inboxes.sources, &source->by_ref, ++router->inboxes.last_ref) < 0)
		goto no_spare;
	if (map_add(&inbox->sources, &source->by_id, id) < 0)
		goto no_id;
	source->router = router;
	source->inbox = inbox;
	window_init(&source->window);
	if (source->account)
		source->account->ahead += source->window.size;
	handles_bind(&source->loss, &loss_ops, context);
	*ret = source;
	return 0;
no_id:
	map_remove(&router->inboxes.sources, &source->by_ref);
no_spare:
	message_unref(source->spare);
	drop_account(router, source->account);
no_account:
	sys.free(source);
	return r;
}

static void free_source(struct inbox_source *source)
{
	if (source->account) {
		source->account->ahead -= source->window.size;
		source->account->bytes -= source->end_weight;
	}
	map_remove(&source->router->inboxes.sources, &source->by_ref);
	message_unref(source->spare);
	drop_account(source->router, source->account);
	sys.free(source);
}

/* Nothing more comes from it; what did is still to be released. */
static void detach(struct inbox_source *source)
{
	map_remove(&source->inbox->sources, &source->by_id);
	handles_unbind(&source->loss);
	source->inbox = NULL;
}

/* Puts its last message, whatever is held already: there is one for each source, of one size. */
static void end_source(struct inbox_source *source, const mitogen_error *why)
{
	struct mitogen_message *m = TAKE_PTR(source->spare);
	const struct context *context = context_of_id(source->router, source->by_id.key);
	struct inbox *inbox = source->inbox;
	mitogen_error placed = *why;

	if (context)
		error_set_where(&placed, context->path, inbox->function);
	error_prefix(&placed, "%s: ", placed.where);
	m->header.src_id = m->header.auth_id = source->by_id.key;
	m->router_ref = source->router->api_ref;
	message_set_failure(m, &placed);
	detach(source);
	hold(source, m);
	source->end_weight = sizeof(placed);
	if (source->account)
		source->account->bytes += source->end_weight;
	inbox->ops->put(inbox, m);
}

static void source_lost(struct router *router, struct handle *handle, const mitogen_error *why)
{
	struct inbox_source *source = LIST_OWNER(handle, struct inbox_source, loss);

	(void)router;
	end_source(source, why);
}

static const mitogen_error *incomplete(const struct inbox_source *source, mitogen_error *ret)
{
	error_set(ret, source->refused, "a value that it sent was not taken");
	return ret;
}

/* It has closed, or says what has failed: of m no more is kept than that. */
static void source_ended(struct inbox_source *source, struct mitogen_message *m)
{
	bool is_orderly = m->size == 0 && !m->failure && m->header.kind == FRAME_DEAD;
	mitogen_error why;

	if (is_orderly && source->inbox->function) { /* it sends no more; its result is to come */
		source->is_closed = true;
		message_unref(m);
		return;
	}
	if (is_orderly && source->refused)
		incomplete(source, &why);
	else if (is_orderly)
		error_set(&why, MITOGEN_ERR_CLOSED, "the sender is closed");
	else
		message_decode_failure(m, &why);
	message_unref(m);
	end_source(source, &why);
}

/* ---- What comes ---- */

static void refuse(struct router *router, struct mitogen_message *m, int code, const char *why)
{
	router_reply_dead(router, m, code, why);
	message_unref(m);
}

/* Both ends learn it: who sends now, who receives with the end. */
static void refuse_value(struct inbox_source *source, struct mitogen_message *m, int code,
			 const char *why)
{
	source->is_closed = true;
	source->refused = code;
	log_write(LOG_WARNING, "context %u sent a value to handle %u that was refused: %s",
		  m->header.src_id, m->header.handle, why);
	refuse(source->router, m, code, why);
}

static void cheats(struct inbox_source *source)
{
	struct neighbour *from = routes_neighbour(source->router, source->by_id.key);

	log_write(LOG_ERROR, "context %u sent more than it was granted", source->by_id.key);
	if (from && !from->is_parent)
		neighbour_fail(from, "it sent more than it was granted");
	source->is_closed = true;
}

static void take_value(struct inbox_source *source, struct mitogen_message *m)
{
	struct inbox *inbox = source->inbox;

	/* the last value may reach beyond the credit, or a large one could never be sent */
	if (!source->is_closed && source->window.received >= source->window.granted)
		cheats(source);
	if (source->is_closed) {
		router_reply_dead(source->router, m, MITOGEN_ERR_CLOSED, "the sender is closed");
		message_unref(m);
	} else if (m->failure) {
		const mitogen_error why = *m->failure;

		refuse_value(source, m, why.code, why.text);
	} else if (!has_room(source->account, m->size)) {
		refuse_value(source, m, MITOGEN_ERR_TOO_BIG,
			     "too much that came from there is not read yet");
	} else {
		window_receive(&source->window, flow_cost(m->size), m->header.flags & FRAME_WAITED,
			       clock_ms());
		source->reply_to = m->header.reply_to;
		hold(source, m);
		inbox->ops->put(inbox, m);
	}
}

static void take_result(struct inbox_source *source, struct mitogen_message *m)
{
	mitogen_error why;

	if (source->refused) {
		message_unref(m);
		end_source(source, incomplete(source, &why));
	} else {
		source->inbox->ops->put(source->inbox, m);
	}
}

/* There is no source to remember that something of it was refused: all that it sends is. */
static void refuse_source(struct router *router, struct mitogen_message *m, int code)
{
	struct neighbour *from = routes_neighbour(router, m->header.src_id);

	refuse(router, m, code,
	       code == MITOGEN_ERR_MEMORY ? "out of memory"
	       : code == MITOGEN_ERR_LOST
		       ? "the context is lost"
		       : "too many contexts behind the same one send at the same time");
	if (code == MITOGEN_ERR_MEMORY && from)
		neighbour_fail(from, "out of memory");
}

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct inbox *inbox = LIST_OWNER(handle, struct inbox, handle);
	struct inbox_source *source = find_source(inbox, m->header.src_id);
	bool is_result = inbox->function && m->header.reply_to == 0;
	int r = 0;

	if (!source)
		r = open_source(inbox, m->header.src_id, &source);
	if (r < 0)
		refuse_source(router, m, r);
	else if (m->header.kind == FRAME_DEAD ||
		 (is_result && (m->failure || message_is_call_error(m))))
		source_ended(source, m);
	else if (is_result)
		take_result(source, m);
	else
		take_value(source, m);
}

static bool is_allowed(const struct router *router, const struct mitogen_message *m)
{
	const struct inbox *inbox = inbox_at(router, m->header.handle);

	return !inbox->policy || inbox->policy((mitogen_router){router->api_ref}, m->header.src_id,
					       m->header.auth_id, inbox->policy_user);
}

static const struct handle_ops inbox_handle_ops = {
	.receive = receive,
	.policy = is_allowed,
	.takes_spoiled = true,
};

struct inbox *inbox_at(const struct router *router, uint32_t number)
{
	struct handle *handle = handles_find(router, number);

	if (!handle || handle->ops != &inbox_handle_ops)
		return NULL;
	return LIST_OWNER(handle, struct inbox, handle);
}

/* ---- The interface ---- */

int inbox_open(struct router *router, struct inbox *inbox, uint32_t number,
	       const struct inbox_ops *ops, struct context *respondent)
{
	struct inbox_source *source;
	int r;

	*inbox = (struct inbox){.router = router, .ops = ops};
	r = handles_add(router, &inbox->handle, number, &inbox_handle_ops, respondent);
	if (r < 0 || !respondent)
		return r;
	r = open_source(inbox, respondent->id, &source);
	if (r < 0)
		inbox_close(inbox);
	return r;
}

/* Who sends learns it now rather than with its next value, for which it may have no credit. */
static void tell_closed(const struct inbox_source *source)
{
	const struct mitogen_message request = {.header = {
							.kind = FRAME_CBOR,
							.src_id = source->by_id.key,
							.reply_to = source->reply_to,
						}};

	router_reply_dead(source->router, &request, MITOGEN_ERR_CLOSED, "the receiver is closed");
}

void inbox_close(struct inbox *inbox)
{
	struct map_node *node;

	handles_remove(inbox->router, &inbox->handle);
	while ((node = map_first(&inbox->sources)) != NULL) {
		struct inbox_source *source = MAP_OWNER(node, struct inbox_source, by_id);

		tell_closed(source);
		detach(source);
		if (source->held == 0)
			free_source(source);
	}
	map_clear(&inbox->sources);
}

static void consumed(struct inbox_source *source, size_t size)
{
	struct account *account = source->account;
	struct window *window = &source->window;
	uint32_t before = window->size;

	/* what all may send at the same time is to be less than what is refused */
	if (account)
		window->limit =
			account->ahead + before <= INBOX_BYTES_MAX / 2 ? WINDOW_LAST : before;
	flow_consumed(source->router, window, source->by_id.key,
		      source->inbox->handle.by_number.key, size);
	if (account)
		account->ahead = account->ahead - before + window->size;
}

void inbox_released(struct router *router, uint32_t source_ref, size_t size)
{
	struct map_node *node = map_get(&router->inboxes.sources, source_ref);
	struct inbox_source *source;

	if (!node)
		return;
	source = MAP_OWNER(node, struct inbox_source, by_ref);
	if (source->account)
		source->account->bytes -= weight_of(size);
	source->held--;
	if (source->inbox)
		consumed(source, flow_cost(size));
	else if (source->held == 0)
		free_source(source);
}

void inboxes_dump(const struct router *router, FILE *out)
{
	struct map_node *node = NULL;

	while ((node = map_next(&router->inboxes.sources, node)) != NULL) {
		const struct inbox_source *source = MAP_OWNER(node, struct inbox_source, by_ref);
		const struct window *window = &source->window;

		fprintf(out,
			" from context %u to port %u: %llu bytes received, %llu of them read, "
			"credit "
			"for %llu more; %zu messages held\n",
			source->by_id.key, source->inbox ? source->inbox->handle.by_number.key : 0,
			(unsigned long long)window->received, (unsigned long long)window->consumed,
			(unsigned long long)(window->granted - window->received), source->held);
	}
}

void inboxes_clear(struct inboxes *inboxes)
{
	struct map_node *node;

	while ((node = map_first(&inboxes->sources)) != NULL)
		free_source(MAP_OWNER(node, struct inbox_source, by_ref));
	map_clear(&inboxes->sources);
	map_clear(&inboxes->accounts);
}
