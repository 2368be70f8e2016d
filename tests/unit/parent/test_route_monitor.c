/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/route_monitor.h"

#include "base/sys.h"
#include "core/call.h"
#include "tree.h"
#include "wire/handles.h"

/* The master has two children: a, which has b, which has c; and other, which has far. */
static struct node *a, *b, *c, *other, *far;

#define A_ID      1u
#define B_ID      2u
#define C_ID      3u
#define OTHER_ID  1001u
#define FAR_ID    1002u
#define JOINED_ID 2001u
#define PORT      4711u

static struct handle ports[NODES_MAX];
static struct mitogen_message *got;
static int got_count;

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	message_unref(got);
	got = m;
	got_count++;
}

static const struct handle_ops ops = {.receive = receive};

static int setup(void **state)
{
	got = NULL;
	got_count = 0;
	tree_setup(state);
	a = tree_add(master, A_ID, 1000, "a");
	b = tree_add(a, B_ID, 500, "b");
	c = tree_add(b, C_ID, 1, "c");
	other = tree_add(master, OTHER_ID, 1000, "other");
	far = tree_add(other, FAR_ID, 1, "far");
	for (size_t i = 0; i < node_count; i++)
		assert_int_equal(handles_add(&nodes[i].router, &ports[i], PORT, &ops, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	message_unref(got);
	sys.realloc = realloc;
	return tree_teardown(state);
}

/* Something goes from one to the other. */
static void talk(struct node *from, struct node *to)
{
	struct mitogen_message *m = message_of_text("hello");

	m->header.dst_id = to->router.id;
	m->header.handle = PORT;
	router_send(&from->router, m, false);
	tree_pump();
	assert_non_null(got);
	assert_int_equal(got->header.src_id, from->router.id);
	message_unref(got);
	got = NULL;
}

/* Why it is lost, as node knows; NULL: it does not know of a loss. */
static const char *loss_at(struct node *node, uint32_t id)
{
	static mitogen_error why;
	const struct context *context = context_known(&node->router, id);

	if (!context || context->state < CONTEXT_LOST)
		return NULL;
	context_loss(context, &why);
	return why.text;
}

/* Knows of it, so that a loss would be noted. */
static void knows(struct node *node, uint32_t id)
{
	assert_non_null(context_of_id(&node->router, id));
	assert_null(loss_at(node, id));
}

/* ---- Announcements ---- */

static void all_above_know_the_way(void **state)
{
	(void)state;
	assert_ptr_equal(routes_neighbour(&b->router, C_ID), &c->below);
	assert_ptr_equal(routes_neighbour(&a->router, C_ID), &b->below);
	assert_ptr_equal(routes_neighbour(&master->router, C_ID), &a->below);
	assert_null(routes_find(&other->router, C_ID));
}

static void names_are_paths(void **state)
{
	(void)state;
	assert_string_equal(context_of_id(&master->router, C_ID)->path, "a/b/c");
	assert_string_equal(context_of_id(&a->router, C_ID)->path, "a/b/c");
	assert_string_equal(context_of_id(&c->router, 0)->path, "master");
	assert_string_equal(context_of_id(&c->router, C_ID)->path, "a/b/c");
	assert_string_equal(context_of_id(&c->router, OTHER_ID)->path, "context 1001");
}

/* By which who has contexts started via one knows how long that may take. */
static void names_tell_the_depth(void **state)
{
	(void)state;
	assert_int_equal(context_of_id(&master->router, B_ID)->depth, 2);
	assert_int_equal(context_of_id(&master->router, C_ID)->depth, 3);
	assert_int_equal(context_of_id(&a->router, C_ID)->depth, 2);
	assert_int_equal(context_of_id(&a->router, FAR_ID)->depth, 0);
}

static void names_are_escaped_once(void **state)
{
	struct node *odd = tree_add(b, C_ID + 1, 1, "x\033[2J\xe2\x80\xae\\n");

	(void)state;
	assert_string_equal(context_of_id(&a->router, C_ID + 1)->path,
			    "a/b/x\\x1b[2J\\xe2\\x80\\xae\\n");
	assert_string_equal(context_of_id(&master->router, C_ID + 1)->path,
			    "a/b/x\\x1b[2J\\xe2\\x80\\xae\\n");
	assert_null(odd->ended);
}

static struct mitogen_message *route(uint32_t id, const char *name)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	writer_list_head(&w, 2);
	writer_uint(&w, id);
	writer_string(&w, name);
	m = message_from_writer(&w, &error);
	assert_non_null(m);
	return m;
}

static void a_name_is_cut(void **state)
{
	char name[3000];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	send_up(a, A_ID, 0, HANDLE_ADD_ROUTE, route(700, name));
	assert_true(strlen(context_of_id(&master->router, 700)->path) < 1100);
	assert_null(a->ended);
}

/* Its own is what it was given and what it is not itself. */
static void foreign_announcements_drop_the_stream(void **state)
{
	static const uint32_t ids[] = {0, A_ID, OTHER_ID, FAR_ID, 1000 + 5000, UINT32_MAX};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct neighbour *before = routes_neighbour(&master->router, ids[i]);

		send_up(a, A_ID, 0, HANDLE_ADD_ROUTE, route(ids[i], "mine"));
		assert_string_equal(a->ended, "it announced a context that is not its own");
		if (before != &a->below)
			assert_ptr_equal(routes_neighbour(&master->router, ids[i]), before);
		assert_null(other->ended);
		teardown(state);
		setup(state);
	}
}

/* Who is further away than a neighbour announces nothing; b's own parent has to. */
static void only_neighbours_announce(void **state)
{
	(void)state;
	send_up(b, B_ID, 0, HANDLE_ADD_ROUTE, route(300, "x"));
	assert_null(routes_find(&master->router, 300));
	assert_non_null(strstr(logged, "context 2 may not send to handle 103: refused"));
	assert_null(a->ended);
}

/* What is known already is not told again. */
static void announcing_again_changes_nothing(void **state)
{
	(void)state;
	send_up(b, B_ID, A_ID, HANDLE_ADD_ROUTE, route(C_ID, "renamed"));
	assert_string_equal(context_of_id(&master->router, C_ID)->path, "a/b/c");
	assert_null(b->ended);
}

static void too_many_announcements_drop_the_stream(void **state)
{
	static char name[1000];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(id_blocks_add(&other->below.blocks, 100000, 100000), 0);
	for (uint32_t i = 0; i < 100000 && !other->ended; i++) {
		struct mitogen_message *m = route(100000 + i, name);

		m->header = (struct frame_header){.kind = FRAME_CBOR,
						  .src_id = OTHER_ID,
						  .auth_id = OTHER_ID,
						  .handle = HANDLE_ADD_ROUTE};
		stream_send(&other->above.stream, m, true);
		pump(&master->router.broker);
	}
	assert_string_equal(other->ended, "it announced too many contexts");
	tree_pump();
	assert_int_equal(master->router.routes.count, 3); /* a, b, c */
	assert_null(a->ended);
}

/* ---- Losses ---- */

static void c11_all_above_hear_of_a_loss(void **state)
{
	(void)state;
	knows(master, C_ID);
	knows(a, C_ID);
	knows(other, C_ID);
	tree_kill(c);
	assert_string_equal(loss_at(b, C_ID), "was killed by SIGKILL");
	assert_string_equal(loss_at(a, C_ID), "was killed by SIGKILL");
	assert_string_equal(loss_at(master, C_ID), "was killed by SIGKILL");
	assert_null(loss_at(other, C_ID)); /* it has never talked to it */
	assert_null(routes_find(&master->router, C_ID));
	assert_null(routes_find(&a->router, C_ID));
}

/* However the talk went: one message, either way. */
static void c11_whoever_has_talked_to_the_lost_hears_of_it(void **state)
{
	(void)state;
	talk(far, c);
	knows(far, C_ID);
	knows(other, C_ID);
	tree_kill(c);
	assert_string_equal(loss_at(far, C_ID), "was killed by SIGKILL");
	assert_string_equal(loss_at(other, C_ID), "was killed by SIGKILL");
	assert_int_equal(other->below.talks.count, 0);
	assert_int_equal(a->below.talks_begun + other->below.talks_begun, 1); /* c's with far */
	assert_null(far->ended);
	talk(b, far);
	knows(b, FAR_ID);
	knows(a, FAR_ID);
	tree_kill(far);
	assert_string_equal(loss_at(b, FAR_ID), "was killed by SIGKILL");
	assert_string_equal(loss_at(a, FAR_ID), "was killed by SIGKILL");
}

static void c11_all_behind_a_lost_one_are_lost_with_it(void **state)
{
	(void)state;
	talk(far, c);
	talk(far, b);
	knows(far, C_ID);
	knows(far, B_ID);
	knows(master, C_ID);
	tree_kill(a);
	assert_string_equal(loss_at(far, C_ID), "the context was lost with a, through which it was "
						"reached: was killed by SIGKILL");
	assert_non_null(loss_at(far, B_ID));
	assert_non_null(loss_at(master, C_ID));
	assert_int_equal(master->router.routes.count, 2);
}

/* a is detached: what is above it is lost to it and all below it, whoever they have talked to. */
static void c11_all_below_hear_that_those_above_are_lost(void **state)
{
	const uint32_t above[] = {0, FAR_ID, OTHER_ID};
	mitogen_error why;

	(void)state;
	talk(c, far);
	talk(b, other);
	for (size_t i = 0; i < 3; i++) {
		knows(a, above[i]);
		knows(b, above[i]);
		knows(c, above[i]);
	}
	knows(c, B_ID);
	knows(b, C_ID);
	error_set(&why, MITOGEN_ERR_LOST, "nothing above it can be reached");
	route_monitor_lose_above(&a->router, &why);
	tree_pump();
	assert_string_equal(loss_at(a, 0), "nothing above it can be reached");
	assert_string_equal(loss_at(b, 0), "nothing above it can be reached");
	assert_string_equal(loss_at(c, 0), "nothing above it can be reached");
	assert_non_null(loss_at(c, FAR_ID));
	assert_non_null(loss_at(b, OTHER_ID));
	assert_non_null(loss_at(a, OTHER_ID));
	assert_null(loss_at(c, B_ID));
	assert_null(loss_at(c, A_ID));
	assert_null(loss_at(b, C_ID));
	assert_null(loss_at(master, A_ID)); /* the end of the stream is somebody else's to tell */
	talk(c, b);
	talk(a, c);
}

/* More than go into one message. */
static void many_behind_a_lost_one(void **state)
{
	(void)state;
	assert_int_equal(id_blocks_add(&a->below.blocks, 20000, 5000), 0);
	assert_int_equal(id_blocks_add(&b->below.blocks, 20000, 5000), 0);
	for (uint32_t i = 0; i < 5000; i++)
		send_up(b, B_ID, A_ID, HANDLE_ADD_ROUTE, route(20000 + i, "x"));
	knows(master, 20000);
	knows(master, 24999);
	assert_int_equal(master->router.routes.count, 5005);
	tree_kill(b);
	assert_int_equal(master->router.routes.count, 3);
	assert_non_null(loss_at(master, 20000));
	assert_non_null(loss_at(master, 24999));
	assert_null(a->ended);
}

static struct latch *latch;

/* A call that nobody answers. */
static void call(struct node *from, uint32_t id)
{
	struct call_target target = {.latch = latch, .deadline = CLOCK_NEVER};
	struct mitogen_writer w;
	int error;

	message_writer_init(&w);
	call_write_head(&w, false, NULL, "f", 0);
	call_write_tail(&w);
	assert_int_equal(call_start(&from->router, context_of_id(&from->router, id),
				    message_from_writer(&w, &error), "f", &target, false, NULL),
			 0);
	tree_pump();
}

static void keep(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	message_unref(m);
}

static const struct handle_ops silent_ops = {.receive = keep};

/* Each waits once and hears once, with the name and the reason, wherever it is. */
static void c11_every_wait_ends_with_one_error(void **state)
{
	struct node *const waiting[] = {b, a, master, other, far};
	const char *const names[] = {"a/b/c", "a/b/c", "a/b/c", "context 3", "context 3"};
	static struct handle port;

	(void)state;
	latch = latch_new();
	assert_int_equal(handles_add(&c->router, &port, HANDLE_CALL_FUNCTION, &silent_ops, NULL),
			 0);
	for (size_t i = 0; i < 5; i++)
		call(waiting[i], C_ID);
	assert_true(latch_is_empty(latch));
	tree_kill(c);
	for (size_t i = 0; i < 5; i++) {
		struct mitogen_message *m = take(latch);
		char expected[64];
		bool found = false;

		for (size_t j = 0; j < 5; j++) {
			snprintf(expected, sizeof(expected), "%s: f: was killed by SIGKILL",
				 names[j]);
			found |= strcmp(message_failure(m)->text, expected) == 0;
		}
		assert_true(found);
		assert_int_equal(message_failure(m)->code, MITOGEN_ERR_LOST);
		message_unref(m);
	}
	assert_true(latch_is_empty(latch));
	for (size_t i = 0; i < 5; i++) { /* and later ones end at once */
		call(waiting[i], C_ID);
		message_unref(take(latch));
	}
	latch_unref(latch);
}

/* What is under way to it when it is lost comes back, from wherever it had got to. */
static void c7_messages_under_way_to_the_lost_are_answered(void **state)
{
	(void)state;
	latch = latch_new();
	neighbour_close(&c->above);
	pump(&b->router.broker); /* nobody else knows yet */
	call(far, C_ID);
	assert_failure(latch, MITOGEN_ERR_LOST, "context 3: f: was killed by SIGKILL");
	knows(master, B_ID);
	neighbour_close(&b->above);
	pump(&a->router.broker);
	call(far, B_ID); /* a has started it and knows why */
	assert_failure(latch, MITOGEN_ERR_LOST, "context 2: f: was killed by SIGKILL");
	assert_null(a->ended);
	latch_unref(latch);
}

static struct mitogen_message *loss(const uint32_t *ids, size_t count, int code, const char *text)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	writer_list_head(&w, 3);
	writer_list_head(&w, count);
	for (size_t i = 0; i < count; i++)
		writer_uint(&w, ids[i]);
	writer_int(&w, code);
	writer_string(&w, text);
	m = message_from_writer(&w, &error);
	assert_non_null(m);
	return m;
}

static void foreign_losses_drop_the_stream(void **state)
{
	static const uint32_t ids[] = {0, A_ID, OTHER_ID, FAR_ID, 6000, UINT32_MAX};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		const uint32_t list[] = {B_ID, ids[i]};

		knows(master, OTHER_ID);
		send_up(a, A_ID, 0, HANDLE_DEL_ROUTE, loss(list, 2, MITOGEN_ERR_LOST, "gone"));
		assert_string_equal(a->ended, "it reported the loss of a context that is not its "
					      "own");
		assert_null(loss_at(master, OTHER_ID));
		assert_ptr_equal(routes_neighbour(&master->router, FAR_ID), &other->below);
		teardown(state);
		setup(state);
	}
}

/* It may report what it has not announced, or has reported before: nobody cares. */
static void losses_that_nobody_knows_are_nothing(void **state)
{
	const uint32_t ids[] = {C_ID, C_ID, 777};

	(void)state;
	knows(master, C_ID);
	send_up(a, A_ID, 0, HANDLE_DEL_ROUTE, loss(ids, 3, MITOGEN_ERR_LOST, "gone"));
	send_up(a, A_ID, 0, HANDLE_DEL_ROUTE, loss(ids, 3, MITOGEN_ERR_LOST, "gone again"));
	assert_string_equal(loss_at(master, C_ID), "gone");
	assert_null(a->ended);
}

static void reasons_of_others_are_made_printable(void **state)
{
	const uint32_t id = C_ID;
	mitogen_error why;

	(void)state;
	knows(master, C_ID);
	send_up(a, A_ID, 0, HANDLE_DEL_ROUTE, loss(&id, 1, 5, "\033[31mred\n"));
	assert_string_equal(loss_at(master, C_ID), "\\x1b[31mred\\n");
	/* a success is no reason */
	assert_int_equal(context_loss(context_known(&master->router, C_ID), &why),
			 MITOGEN_ERR_LOST);
}

static void rubbish_drops_the_stream(void **state)
{
	(void)state;
	send_up(a, A_ID, 0, HANDLE_DEL_ROUTE, message_of_text("bye"));
	assert_string_equal(a->ended, "it reported a loss that is none");
	send_up(other, OTHER_ID, 0, HANDLE_ADD_ROUTE, message_of_text("hello"));
	assert_string_equal(other->ended, "it announced a context that is not its own");
}

/* Who is lost, and comes again, is another one. */
static void an_id_that_is_used_again_does_no_harm(void **state)
{
	const uint32_t id = C_ID;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		knows(master, FAR_ID);
		if (i == 0)
			knows(master, C_ID);
		send_up(a, A_ID, 0, HANDLE_DEL_ROUTE, loss(&id, 1, MITOGEN_ERR_LOST, "gone"));
		assert_null(routes_find(&master->router, C_ID));
		send_up(a, A_ID, 0, HANDLE_ADD_ROUTE, route(C_ID, "again"));
		assert_non_null(routes_find(&master->router, C_ID));
		assert_string_equal(loss_at(master, C_ID), "gone");
	}
	assert_null(a->ended);
}

/* Named by those who have it, though it is lost already. */
static void a_lost_context_that_is_named_is_gone(void **state)
{
	(void)state;
	tree_kill(c);
	assert_int_equal(context_of_id(&master->router, C_ID)->state, CONTEXT_GONE);
	assert_string_equal(context_of_id(&master->router, C_ID)->path, "a/b/c");
	assert_string_equal(loss_at(master, C_ID), "was killed by SIGKILL");
	assert_int_equal(context_of_id(&a->router, C_ID)->state, CONTEXT_GONE);
	assert_int_equal(context_of_id(&master->router, 999999)->state, CONTEXT_GONE);
	assert_int_equal(context_of_id(&far->router, C_ID)->state, CONTEXT_READY); /* who knows */
	assert_int_equal(context_of_id(&a->router, 999999)->state, CONTEXT_READY);
}

static void a_context_may_be_asked_for_before_it_is_there(void **state)
{
	struct context *early = context_of_id(&master->router, 1500);

	(void)state;
	assert_int_equal(early->state, CONTEXT_GONE);
	tree_add(other, 1500, 1, "late");
	assert_ptr_equal(context_of_id(&master->router, 1500), early);
	assert_int_equal(early->state, CONTEXT_READY);
	tree_kill(&nodes[node_count - 1]);
	assert_string_equal(loss_at(master, 1500), "was killed by SIGKILL");
}

/* Half a message of somebody who is lost is not kept, nor counted against those that stay. */
static void incomplete_messages_of_the_lost_are_dropped(void **state)
{
	struct node *const receivers[] = {master, far};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct mitogen_message *m = message_of_text("the first part");

		m->header = (struct frame_header){.kind = FRAME_RAW,
						  .flags = FRAME_MORE,
						  .dst_id = receivers[i]->router.id,
						  .src_id = C_ID,
						  .auth_id = C_ID,
						  .handle = PORT};
		stream_send(&c->above.stream, m, false);
	}
	tree_pump();
	assert_int_equal(a->below.partial_count, 1);
	assert_int_equal(far->above.partial_count, 1);
	tree_kill(c);
	assert_int_equal(a->below.partial_count, 0);
	assert_int_equal(a->below.partial_bytes, 0);
	assert_int_equal(far->above.partial_count, 0);
	for (size_t i = 0; i < node_count; i++)
		assert_true(list_is_empty(&ports[i].partial));
}

/* The last words come before the end. */
static void a_loss_comes_behind_bulk(void **state)
{
	static const uint8_t some[FRAME_PAYLOAD_MAX];

	(void)state;
	knows(master, C_ID);
	for (int i = 0; i < 3; i++) {
		struct mitogen_message *m = message_of_bytes(some, sizeof(some));

		m->header.flags = FRAME_BULK;
		m->header.handle = PORT;
		router_send(&c->router, m, false);
		pump(&c->router.broker);
		pump(&b->router.broker);
	}
	neighbour_close(&c->above);
	pump(&b->router.broker);
	assert_int_equal(got_count, 0);
	while (!loss_at(master, C_ID)) {
		pump_once(&b->router.broker, 0);
		pump_once(&a->router.broker, 0);
		pump_once(&master->router.broker, 0);
	}
	assert_int_equal(got_count, 3);
}

static void *no_memory(void *p, size_t size)
{
	(void)p;
	(void)size;
	return NULL;
}

/* If a loss cannot be told, who would have been told is lost as well. */
static void without_memory_nobody_waits(void **state)
{
	(void)state;
	talk(far, c);
	knows(far, C_ID);
	neighbour_close(&c->above);
	pump(&b->router.broker);
	pump(&a->router.broker);
	sys.realloc = no_memory;
	pump_once(&master->router.broker, -1);
	sys.realloc = realloc;
	tree_pump();
	assert_string_equal(other->ended, "out of memory");
	assert_null(a->ended);
}

/* ---- Unidirectional ---- */

static void set_unidirectional(void)
{
	for (size_t i = 0; i < node_count; i++)
		nodes[i].router.is_unidirectional = true;
}

/* Siblings, cousins, uncles: all are refused, by the parent of who asks. */
static void unidirectional_routing_refuses_all_but_lines(void **state)
{
	struct node *const from[] = {c, far, other, a, b}, *const to[] = {far, c, c, other, other};
	struct node *const parents[] = {b, other, master, master, a};

	(void)state;
	set_unidirectional();
	latch = latch_new();
	for (size_t i = 0; i < 5; i++) {
		uint64_t refused = parents[i]->router.stats.refused;

		call(from[i], to[i]->router.id);
		assert_failure(latch, MITOGEN_ERR_REFUSED, "routing is unidirectional");
		assert_int_equal(parents[i]->router.stats.refused, refused + 1);
	}
	assert_int_equal(a->below.talks.count + other->below.talks.count, 0);
	latch_unref(latch);
}

static void unidirectional_routing_lets_lines_pass(void **state)
{
	(void)state;
	set_unidirectional();
	talk(master, c);
	talk(c, master);
	talk(c, a);
	talk(a, c);
	talk(b, master);
}

/* One who does not keep to it is refused by those above. */
static void unidirectional_routing_does_not_trust_children(void **state)
{
	(void)state;
	latch = latch_new();
	set_unidirectional();
	far->router.is_unidirectional = false;
	call(far, C_ID);
	assert_failure(latch, MITOGEN_ERR_REFUSED, "routing is unidirectional");
	other->router.is_unidirectional = false;
	call(far, C_ID);
	assert_failure(latch, MITOGEN_ERR_REFUSED, "routing is unidirectional");
	call(far, 999999); /* nobody */
	assert_failure(latch, MITOGEN_ERR_REFUSED, "routing is unidirectional");
	talk(master, c);
	knows(master, C_ID);
	tree_kill(c);
	call(far, C_ID); /* of whose end nobody beside it is to hear */
	assert_failure(latch, MITOGEN_ERR_REFUSED, "routing is unidirectional");
	call(far, OTHER_ID); /* which has no such function port */
	assert_failure(latch, MITOGEN_ERR_UNKNOWN, "no such handle");
	latch_unref(latch);
}

/* Who has joined acts for the master: it may talk to all, and they, but nobody else, may answer. */
static void unidirectional_routing_lets_pass_who_has_joined(void **state)
{
	struct node *joined = tree_add(master, JOINED_ID, 2, "joined");
	struct node *behind = tree_add(joined, JOINED_ID + 1, 1, "behind");

	(void)state;
	assert_int_equal(handles_add(&joined->router, &ports[node_count - 2], PORT, &ops, NULL), 0);
	assert_int_equal(handles_add(&behind->router, &ports[node_count - 1], PORT, &ops, NULL), 0);
	joined->below.has_joined = true;
	set_unidirectional();
	latch = latch_new();
	call(c, JOINED_ID);
	assert_failure(latch, MITOGEN_ERR_REFUSED, "routing is unidirectional");
	talk(joined, c);
	talk(c, joined);
	talk(joined, master);
	call(far, JOINED_ID);
	assert_failure(latch, MITOGEN_ERR_REFUSED, "routing is unidirectional");
	call(behind, C_ID);
	assert_failure(latch, MITOGEN_ERR_REFUSED, "routing is unidirectional");
	call(c, JOINED_ID + 1);
	assert_failure(latch, MITOGEN_ERR_REFUSED, "routing is unidirectional");
	/* they are told of its end */
	knows(c, JOINED_ID);
	tree_kill(joined);
	assert_non_null(loss_at(c, JOINED_ID));
	latch_unref(latch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_above_know_the_way),
		TEST(names_are_paths),
		TEST(names_tell_the_depth),
		TEST(names_are_escaped_once),
		TEST(a_name_is_cut),
		TEST(foreign_announcements_drop_the_stream),
		TEST(only_neighbours_announce),
		TEST(announcing_again_changes_nothing),
		TEST(too_many_announcements_drop_the_stream),
		TEST(c11_all_above_hear_of_a_loss),
		TEST(c11_whoever_has_talked_to_the_lost_hears_of_it),
		TEST(c11_all_behind_a_lost_one_are_lost_with_it),
		TEST(c11_all_below_hear_that_those_above_are_lost),
		TEST(many_behind_a_lost_one),
		TEST(c11_every_wait_ends_with_one_error),
		TEST(c7_messages_under_way_to_the_lost_are_answered),
		TEST(foreign_losses_drop_the_stream),
		TEST(losses_that_nobody_knows_are_nothing),
		TEST(reasons_of_others_are_made_printable),
		TEST(rubbish_drops_the_stream),
		TEST(an_id_that_is_used_again_does_no_harm),
		TEST(a_lost_context_that_is_named_is_gone),
		TEST(a_context_may_be_asked_for_before_it_is_there),
		TEST(incomplete_messages_of_the_lost_are_dropped),
		TEST(a_loss_comes_behind_bulk),
		TEST(without_memory_nobody_waits),
		TEST(unidirectional_routing_refuses_all_but_lines),
		TEST(unidirectional_routing_lets_lines_pass),
		TEST(unidirectional_routing_lets_pass_who_has_joined),
		TEST(unidirectional_routing_does_not_trust_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
