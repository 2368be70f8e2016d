/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/joiner.h"

#include "joining.h"

static uint8_t request[JOIN_REQUEST_MAX];
static size_t size;

static int setup(void **state)
{
	joining_setup(state);
	size = join_write_request(request, "worker");
	return 0;
}

static void it_is_a_context(void **state)
{
	int fd = connect_to_it();
	uint32_t id = join_as(fd, "worker");
	const struct context *context = context_known(&master->router, id);
	char name[32];

	(void)state;
	assert_non_null(context);
	assert_string_equal(context->path, "worker");
	assert_int_equal(context->state, CONTEXT_READY);
	assert_non_null(routes_find(&master->router, id));
	fd_close(fd);
	tree_pump();
	assert_int_equal(context->state, CONTEXT_GONE);
	assert_non_null(strstr(context->why->text, "it has closed its connection"));
	assert_null(routes_find(&master->router, id));
	assert_int_equal(count_residents(), 1);
	/* IDs are not used again */
	fd = connect_to_it();
	assert_int_equal(join_as(fd, NULL), id + 1);
	snprintf(name, sizeof(name), "unix.%d", (int)getpid());
	assert_string_equal(context_known(&master->router, id + 1)->path, name);
	fd_close(fd);
}

static void it_may_come_in_pieces(void **state)
{
	int fd = connect_to_it();

	(void)state;
	for (size_t i = 0; i + 1 < size; i++) {
		say(fd, request + i, 1);
		assert_hears_nothing(fd);
	}
	say(fd, request + size - 1, 1);
	assert_non_null(context_known(&master->router, 1));
	fd_close(fd);
}

static void it_may_vanish_at_any_byte(void **state)
{
	(void)state;
	for (size_t part = 0; part <= size; part++) {
		int fd = connect_to_it();

		if (part > 0)
			assert_int_equal(unix_socket_send(fd, request, part), part);
		if (part % 2)
			tree_pump(); /* or all of it comes at once */
		fd_close(fd);
		tree_pump();
		assert_int_equal(count_residents(), 1);
	}
}

static void it_may_hang(void **state)
{
	int fd = connect_to_it();

	(void)state;
	say(fd, request, size - 1);
	pass_ms(TIMEOUT_MS - 1);
	assert_hears_nothing(fd);
	pass_ms(1);
	assert_refused(fd, MITOGEN_ERR_TIMEOUT, "it has not said in time who it is");
	assert_int_equal(count_residents(), 1);
	/* afterwards there is no hurry */
	fd = connect_to_it();
	join_as(fd, "worker");
	pass_ms(10 * TIMEOUT_MS);
	assert_hears_nothing(fd);
	fd_close(fd);
}

static void what_is_no_request_is_refused(void **state)
{
	int fd = connect_to_it();

	(void)state;
	say(fd, "GET / HTTP/1.1\r\n", 16);
	assert_refused(fd, MITOGEN_ERR_CONNECT, "this is no request");
	fd = connect_to_it();
	request[size] = 0; /* one byte too much */
	say(fd, request, size + 1);
	assert_refused(fd, MITOGEN_ERR_CONNECT, "this is no request");
	fd = connect_to_it();
	say(fd, request, join_write_request(request, "a/b"));
	assert_refused(fd, MITOGEN_ERR_USAGE, "a context's name");
	assert_int_equal(count_residents(), 1);
}

static void as_many_as_may(void **state)
{
	int fds[JOINED_MAX], more = connect_to_it();

	(void)state;
	for (int i = 0; i < JOINED_MAX; i++)
		join_as(fds[i] = connect_to_it(), "worker");
	say(more, request, size);
	assert_refused(more, MITOGEN_ERR_REFUSED, "3 processes have joined already");
	fd_close(fds[0]);
	tree_pump();
	join_as(fds[0] = connect_to_it(), "worker");
	for (int i = 0; i < JOINED_MAX; i++)
		fd_close(fds[i]);
}

static void ids_that_have_run_out(void **state)
{
	int fd = connect_to_it();

	(void)state;
	say(fd, request, size);
	assert_refused(fd, MITOGEN_ERR_NO_IDS, "no context IDs are left");
}

/* ---- Authority ---- */

static struct mitogen_message *got;

static void receive(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	(void)router;
	(void)handle;
	message_unref(got);
	got = m;
}

static const struct handle_ops port_ops = {.receive = receive, .policy = handles_allow_parents};

static void send_frame(int fd, uint32_t src_id, uint32_t auth_id, uint32_t handle)
{
	struct frame_header header = {.kind = FRAME_CBOR,
				      .src_id = src_id,
				      .auth_id = auth_id,
				      .handle = handle,
				      .length = 1};
	uint8_t frame[FRAME_HEADER_SIZE + 1];

	frame_encode(frame, &header);
	frame[FRAME_HEADER_SIZE] = 0xf6;
	say(fd, frame, sizeof(frame));
}

static void it_acts_on_our_authority(void **state)
{
	struct handle port;
	int fd = connect_to_it();
	uint32_t id = join_as(fd, "worker");

	(void)state;
	assert_int_equal(handles_add(&master->router, &port, 4711, &port_ops, NULL), 0);
	send_frame(fd, id, id, 4711);
	assert_non_null(got);
	assert_int_equal(got->header.src_id, id);
	assert_int_equal(got->header.auth_id, 0);
	message_unref(got);
	got = NULL;
	handles_remove(&master->router, &port);
	fd_close(fd);
}

static void but_may_not_claim_it(void **state)
{
	int fd = connect_to_it();
	uint32_t id = join_as(fd, "worker");

	(void)state;
	send_frame(fd, id, 0, 4711);
	assert_hears_end(fd);
	assert_int_equal(context_known(&master->router, id)->state, CONTEXT_GONE);
	assert_int_equal(master->router.stats.forged, 1);
}

/* ---- The end of the router ---- */

static void it_is_told(void **state)
{
	int fd = connect_to_it(), arriving = connect_to_it();
	uint32_t id = join_as(fd, "worker");
	uint8_t payload[FRAME_PAYLOAD_MAX];
	struct frame_header header;
	bool is_end;

	(void)state;
	router_close(&master->router, false);
	header = hear(fd, payload, &is_end);
	assert_int_equal(header.handle, HANDLE_SHUTDOWN);
	assert_int_equal(header.dst_id, id);
	assert_hears_end(fd);
	assert_refused(arriving, MITOGEN_ERR_CLOSED, "the router is closed");
	assert_int_equal(count_residents(), 0);
}

/* What waits for one that does not read is waited for, but not for ever. */
static void it_may_not_read(void **state)
{
	int fd = connect_to_it();
	uint32_t id = join_as(fd, "worker");
	static char much[1u << 20];
	struct mitogen_message *m = message_of_bytes(much, sizeof(much));

	(void)state;
	m->header.dst_id = id;
	m->header.handle = 4711;
	router_send(&master->router, m, false);
	tree_pump();
	router_close(&master->router, false);
	pass_ms(SHUTDOWN_MS - 1);
	assert_int_equal(count_residents(), 1);
	assert_int_equal(context_known(&master->router, id)->state, CONTEXT_READY);
	pass_ms(1);
	assert_int_equal(count_residents(), 0);
	assert_int_equal(context_known(&master->router, id)->state, CONTEXT_GONE);
	assert_int_equal(context_known(&master->router, id)->why->code, MITOGEN_ERR_CLOSED);
	fd_close(fd);
}

/* ---- Memory ---- */

static int fails_after;

static bool fails(void)
{
	return fails_after-- == 0;
}

static void *failing_malloc(size_t n)
{
	return fails() ? NULL : malloc(n);
}

static void *failing_calloc(size_t count, size_t n)
{
	return fails() ? NULL : calloc(count, n);
}

static void *failing_realloc(void *p, size_t n)
{
	return fails() ? NULL : realloc(p, n);
}

/* Each one on the way fails once: then this one does not join, or is lost, and the next one joins. */
static void each_allocation_fails_once(void **state)
{
	int number = -1;

	(void)state;
	do {
		int fd = connect_to_it();

		assert_int_equal(unix_socket_send(fd, request, size), size);
		fails_after = ++number;
		sys.malloc = failing_malloc;
		sys.calloc = failing_calloc;
		sys.realloc = failing_realloc;
		tree_pump();
		sys.malloc = malloc;
		sys.calloc = calloc;
		sys.realloc = realloc;
		fd_close(fd);
		tree_pump();
		assert_int_equal(count_residents(), 1);
		fd = connect_to_it();
		join_as(fd, "worker");
		fd_close(fd);
		tree_pump();
	} while (fails_after < 0);
	assert_in_range(number, 5, 100); /* the last one was not reached */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_with_ids, joining_teardown)

static int setup_with_ids(void **state)
{
	setup(state);
	return id_blocks_add(&master->router.supply, 1, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_a_context),
		TEST(it_may_come_in_pieces),
		TEST(it_may_vanish_at_any_byte),
		TEST(it_may_hang),
		TEST(what_is_no_request_is_refused),
		TEST(as_many_as_may),
		cmocka_unit_test_setup_teardown(ids_that_have_run_out, setup, joining_teardown),
		TEST(it_acts_on_our_authority),
		TEST(but_may_not_claim_it),
		TEST(it_is_told),
		TEST(it_may_not_read),
		TEST(each_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
