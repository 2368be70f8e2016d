/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/listener.h"

#include "joining.h"

#define ARRIVING_MAX 64 /* as in listener.c */
#define RETRY_MS     100

static int setup(void **state)
{
	joining_setup(state);
	return id_blocks_add(&master->router.supply, 1, 1000000);
}

static void it_is_found_by_its_number(void **state)
{
	uint32_t ref = listener_ref(listener);

	(void)state;
	assert_ptr_equal(listener_find(&master->router, ref), listener);
	assert_null(listener_find(&master->router, ref + 1));
	listener_close(listener);
	assert_null(listener_find(&master->router, ref));
}

/* More than may be in the middle of it wait, and cost nothing, until there is room. */
static void many_at_once(void **state)
{
	int fds[2 * ARRIVING_MAX];

	(void)state;
	for (int i = 0; i < 2 * ARRIVING_MAX; i++)
		fds[i] = connect_to_it();
	tree_pump();
	assert_int_equal(count_residents(), 1 + ARRIVING_MAX);
	join_as(fds[0], "worker"); /* makes room for one */
	assert_int_equal(count_residents(), 1 + ARRIVING_MAX + 1);
	pass_ms(TIMEOUT_MS);
	assert_refused(fds[1], MITOGEN_ERR_TIMEOUT, "in time");
	for (int i = 2; i < 2 * ARRIVING_MAX - 3; i++)
		fd_close(fds[i]);
	tree_pump();
	assert_int_equal(count_residents(), 1 + 1 + 3);
	fd_close(fds[0]);
	for (int i = 2 * ARRIVING_MAX - 3; i < 2 * ARRIVING_MAX; i++)
		fd_close(fds[i]);
}

static int accepts;

static int no_descriptors(int fd, struct sockaddr *ret, socklen_t *size, int flags)
{
	(void)fd;
	(void)ret;
	(void)size;
	(void)flags;
	accepts++;
	errno = EMFILE;
	return -1;
}

/* Who connects then would wake us again and again. */
static void without_descriptors_it_waits_a_moment(void **state)
{
	int fd = connect_to_it();

	(void)state;
	sys.accept4 = no_descriptors;
	accepts = 0;
	tree_pump();
	assert_int_equal(accepts, 1);
	assert_non_null(strstr(logged, "a process has to wait before it can join"));
	logged[0] = '\0';
	pass_ms(RETRY_MS);
	assert_int_equal(accepts, 2);
	assert_string_equal(logged, ""); /* it has been said */
	sys.accept4 = accept4;
	pass_ms(RETRY_MS);
	join_as(fd, "worker");
	fd_close(fd);
}

static void those_that_have_joined_stay(void **state)
{
	int fd = connect_to_it(), arriving = connect_to_it();
	uint32_t id = join_as(fd, "worker");

	(void)state;
	listener_close(listener);
	listener_close(listener);
	assert_int_equal(access(path, F_OK), -1);
	tree_pump();
	assert_int_equal(context_known(&master->router, id)->state, CONTEXT_READY);
	join_as(arriving, "late");
	fd_close(arriving);
	fd_close(fd);
	tree_pump();
	assert_int_equal(count_residents(), 0);
}

/* A task has closed the router, and this round of the broker still looks at what came to the socket. */
static void nobody_comes_in_while_the_router_closes(void **state)
{
	uint8_t request[JOIN_REQUEST_MAX];
	size_t size = join_write_request(request, "late");
	int fd = connect_to_it();
	struct poller_ready ready;

	(void)state;
	assert_int_equal(unix_socket_send(fd, request, size), size);
	router_close(&master->router, false);
	assert_int_equal(
		master->router.broker.ops->wait(master->router.broker.poller, &ready, 1, 0), 1);
	ready.source->ready(ready.source, ready.events);
	tree_pump();
	assert_int_equal(count_residents(), 0);
	fd_close(fd);
}

static void they_are_dumped(void **state)
{
	int fd = connect_to_it(), arriving = connect_to_it();
	char *text, expected[600];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	join_as(fd, "worker");
	LIST_FOR_EACH (node, &master->router.residents) {
		struct resident *resident = LIST_OWNER(node, struct resident, link);

		resident->dump(resident, out);
	}
	fclose(out);
	snprintf(expected, sizeof(expected),
		 " listener %s: 1 joined, 1 arriving\n"
		 " joined worker: joined, process %d\n"
		 " joined (not named yet): arriving, process %d\n",
		 path, (int)getpid(), (int)getpid());
	assert_string_equal(text, expected);
	free(text);
	fd_close(arriving);
	fd_close(fd);
}

static void not_at_a_router_that_closes(void **state)
{
	const struct listener_options options = {.joined_max = 1};
	struct socket_place place;
	char other[128];
	mitogen_error err;
	int fd = socket_place_make(NULL, &place, &err);

	(void)state;
	assert_true(fd >= 0);
	snprintf(other, sizeof(other), "%s", place.path);
	router_close(&master->router, false);
	assert_null(listener_open(&master->router, &place, fd, &options, &err));
	assert_int_equal(err.code, MITOGEN_ERR_CLOSED);
	assert_int_equal(access(other, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, joining_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_found_by_its_number),
		TEST(many_at_once),
		TEST(without_descriptors_it_waits_a_moment),
		TEST(those_that_have_joined_stay),
		TEST(nobody_comes_in_while_the_router_closes),
		TEST(they_are_dumped),
		TEST(not_at_a_router_that_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
