/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * raw_parent SCENARIO DIRECTORY IMAGE: the parent of an honest child, by hand, so that it can pass on what a
 * sibling of the child would send, and read when it wants. As an image it is that child, too.
 */
#include "raw_protocol.h"

#include <linux/sockios.h>
#include <mitogen/mitogen.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#define CHILD      1u
#define SIBLING    1001u
#define CALLEE     2001u /* whom the child calls */
#define REPLY_SIZE (4u << 20)

enum { /* our ports */
	ANSWER = 4001,
	OUT,
	ERRORS,
};

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,          \
				#condition);                                                       \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static int child; /* its stream */
static pid_t child_pid;
static struct raw_frame frame, received;

/* ---- Functions of the child ---- */

static int call_other(mitogen_message *m, mitogen_error *error)
{
	mitogen_context context;
	int64_t answer;
	int r = mitogen_read(m, error, &context);

	if (r == 0)
		r = mitogen_call(context, "some_function", &answer, error);
	return r < 0 ? r : mitogen_reply(m, error, answer);
}
MITOGEN_EXPORT(call_other, MITOGEN_CONTEXT);

static int reply_much(mitogen_message *m, mitogen_error *error)
{
	char *data = calloc(1, REPLY_SIZE);
	int r = mitogen_reply(m, error, mitogen_bytes_of(data, REPLY_SIZE));

	free(data);
	return r;
}
MITOGEN_EXPORT(reply_much);

static int log_two(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	mitogen_log(MITOGEN_LOG_WARNING, "not for this parent");
	mitogen_log(MITOGEN_LOG_ERROR, "for this parent");
	return 0;
}
MITOGEN_EXPORT(log_two);

static int start_below(mitogen_message *m, mitogen_error *error)
{
	mitogen_context below = mitogen_local(mitogen_message_router(m), error);

	return below.ref ? 0 : error->code;
}
MITOGEN_EXPORT(start_below);

/* ---- The parent ---- */

static void send_frame(void)
{
	raw_send(child, &frame);
}

/* The next frame for one of our ports. */
static void receive(uint32_t handle)
{
	EXPECT(raw_receive(child, &received));
	EXPECT(received.handle == handle);
}

static void begin_call(const char *module, const char *function, uint64_t arguments)
{
	raw_begin(&frame, RAW_CBOR, 0, CHILD, RAW_CALL_FUNCTION);
	frame.reply_to = ANSWER;
	raw_call_begin(&frame, module, function, arguments);
}

static void end_call(void)
{
	raw_call_end(&frame);
	send_frame();
}

static void send_data(uint32_t src, uint32_t handle, const char *text)
{
	raw_begin(&frame, RAW_BYTES, src, CHILD, handle);
	frame.flags = RAW_BULK;
	raw_add(&frame, text, strlen(text));
	send_frame();
}

static void send_dead(uint32_t src, uint32_t handle)
{
	raw_begin(&frame, RAW_DEAD, src, CHILD, handle);
	send_frame();
}

static void send_number(uint32_t src, uint32_t handle, uint64_t number)
{
	raw_begin(&frame, RAW_CBOR, src, CHILD, handle);
	raw_uint(&frame, number);
	send_frame();
}

/* Runs cat there; its ports for input and signals. */
static void start_cat(uint32_t *ret_stdin, uint32_t *ret_control)
{
	struct raw_cursor c = {received.payload};

	begin_call("mitogen", "exec", 7);
	raw_list(&frame, 1);
	raw_string(&frame, RAW_OCTETS, "cat");
	raw_list(&frame, 0);
	raw_nil(&frame);
	raw_uint(&frame, 0);
	raw_uint(&frame, 0);
	raw_sender(&frame, 0, OUT);
	raw_sender(&frame, 0, ERRORS);
	end_call();
	receive(OUT);
	EXPECT(received.kind == RAW_CBOR && raw_next_head(&c) == 4);
	EXPECT(raw_next_head(&c) == RAW_STARTED);
	raw_skip(&c);
	*ret_stdin = (uint32_t)raw_next_head(&c);
	*ret_control = (uint32_t)raw_next_head(&c);
	EXPECT(*ret_stdin >= 1000 && *ret_control >= 1000);
}

/* Gives it input and an end; that, and nothing else, is what it prints before it ends well. */
static void finish_cat(uint32_t stdin_handle)
{
	struct raw_cursor c = {received.payload};
	char out[64] = "";
	size_t size = 0;

	send_data(0, stdin_handle, "mine\n");
	send_dead(0, stdin_handle);
	do {
		EXPECT(raw_receive(child, &received));
		if (received.handle != OUT || received.kind != RAW_BYTES)
			continue;
		EXPECT(size + received.size < sizeof(out));
		memcpy(out + size, received.payload, received.size);
		size += received.size;
	} while (received.handle != ANSWER);
	EXPECT(strcmp(out, "mine\n") == 0);
	EXPECT(received.kind == RAW_CBOR && raw_next_head(&c) == 4);
	EXPECT(raw_next_head(&c) == 0);
	EXPECT(raw_next_head(&c) == 5);
}

/* Lets it call somebody; the port of its reply. */
static uint32_t let_call(void)
{
	begin_call(NULL, "call_other", 1);
	raw_context(&frame, CALLEE);
	end_call();
	receive(RAW_CALL_FUNCTION);
	EXPECT(received.dst == CALLEE && received.src == CHILD && received.reply_to >= 1000);
	return received.reply_to;
}

static void expect_answer(uint64_t number)
{
	struct raw_cursor c = {received.payload};

	receive(ANSWER);
	EXPECT(received.kind == RAW_CBOR && received.src == CHILD);
	EXPECT(raw_next_head(&c) == number);
}

/* ---- Scenarios ---- */

static void nobody_interferes(void)
{
	uint32_t stdin_handle, control;

	start_cat(&stdin_handle, &control);
	finish_cat(stdin_handle);
}

static void callee_answers(void)
{
	send_number(CALLEE, let_call(), 42);
	expect_answer(42);
}

static void sibling_writes(void)
{
	uint32_t stdin_handle, control;

	start_cat(&stdin_handle, &control);
	send_data(SIBLING, stdin_handle, "INJECTED\n");
	finish_cat(stdin_handle);
}

static void sibling_ends_input(void)
{
	uint32_t stdin_handle, control;

	start_cat(&stdin_handle, &control);
	send_dead(SIBLING, stdin_handle);
	finish_cat(stdin_handle);
}

static void sibling_signals(void)
{
	uint32_t stdin_handle, control;

	start_cat(&stdin_handle, &control);
	send_number(SIBLING, control, 9);
	finish_cat(stdin_handle);
}

static void sibling_answers(void)
{
	uint32_t handle = let_call();

	send_number(SIBLING, handle, 666);
	send_number(CALLEE, handle, 42);
	expect_answer(42);
}

static void sibling_fails_call(void)
{
	uint32_t handle = let_call();

	send_dead(SIBLING, handle);
	send_number(CALLEE, handle, 42);
	expect_answer(42);
}

/* What is on the way may say that it goes no further. */
static void parent_fails_call(void)
{
	uint32_t handle = let_call();

	raw_begin(&frame, RAW_DEAD, 0, CHILD, handle);
	raw_list(&frame, 2);
	raw_head(&frame, RAW_NEGATIVE, 5); /* MITOGEN_ERR_LOST */
	raw_string(&frame, RAW_TEXT, "nobody is there");
	send_frame();
	receive(ANSWER);
	EXPECT(memmem(received.payload, received.size, "nobody is there", 15));
}

/* Until the child has read what we sent. Its stream says how much there is, but not that it changes. */
static void wait_until_read(void)
{
	int unread;

	do {
		poll(NULL, 0, 1);
		EXPECT(ioctl(child, SIOCOUTQ, &unread) == 0);
	} while (unread > 0);
}

/* It is asked to end while its reply waits for us to read: all of it comes, then the end. */
static void shutdown_behind_reply(void)
{
	struct pollfd reply = {.fd = child, .events = POLLIN};
	size_t size = 0;

	begin_call(NULL, "reply_much", 0);
	end_call();
	EXPECT(poll(&reply, 1, -1) == 1);
	send_dead(0, RAW_SHUTDOWN);
	wait_until_read();
	do {
		receive(ANSWER);
		size += received.size;
	} while (received.flags & RAW_MORE);
	EXPECT(size > REPLY_SIZE);
	EXPECT(!raw_receive(child, &received));
}

/* Its configuration has the level of errors: nothing below it is sent. */
static void logs_above_level(void)
{
	struct raw_cursor c = {received.payload};
	char text[64];

	begin_call(NULL, "log_two", 0);
	end_call();
	receive(RAW_FORWARD_LOG);
	EXPECT(received.kind == RAW_CBOR && received.dst == 0 && raw_next_head(&c) == 3);
	EXPECT(raw_next_head(&c) == 1);
	EXPECT(raw_next_head(&c) == CHILD);
	raw_next_string(&c, text, sizeof(text));
	EXPECT(strcmp(text, "for this parent") == 0);
	receive(ANSWER);
}

/* It has none itself and asks us. */
static void grant_when_asked(uint32_t first, uint32_t count)
{
	struct raw_cursor c = {received.payload};

	begin_call(NULL, "start_below", 0);
	end_call();
	receive(RAW_ALLOCATE_ID);
	raw_next_head(&c); /* list */
	EXPECT(raw_next_head(&c) == CHILD && raw_next_head(&c) == 1000);
	raw_begin(&frame, RAW_CBOR, 0, CHILD, RAW_GRANT_ID);
	raw_list(&frame, 4);
	raw_uint(&frame, CHILD);
	raw_uint(&frame, first);
	raw_uint(&frame, count);
	raw_uint(&frame, 0);
	send_frame();
}

static void ids_run_out(void)
{
	static const char text[] = "no context IDs are left for another child";

	grant_when_asked(0, 0);
	receive(ANSWER);
	EXPECT(received.kind == RAW_CBOR &&
	       memmem(received.payload, received.size, text, strlen(text)));
	grant_when_asked(9000, 1); /* the next time there is one */
	receive(RAW_ADD_ROUTE);
	receive(ANSWER);
	EXPECT(received.size == 1); /* nil */
}

struct scenario {
	const char *name;
	void (*run)(void);
};

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"nobody_interferes", nobody_interferes},
		{"callee_answers", callee_answers},
		{"sibling_writes", sibling_writes},
		{"sibling_ends_input", sibling_ends_input},
		{"sibling_signals", sibling_signals},
		{"sibling_answers", sibling_answers},
		{"sibling_fails_call", sibling_fails_call},
		{"parent_fails_call", parent_fails_call},
		{"shutdown_behind_reply", shutdown_behind_reply},
		{"ids_run_out", ids_run_out},
		{"logs_above_level", logs_above_level},
		{NULL, NULL},
	};
	const struct scenario *scenario = scenarios;

	mitogen_init(argc, argv);
	if (argc < 4)
		return 2;
	while (scenario->name && strcmp(scenario->name, argv[1]) != 0)
		scenario++;
	if (!scenario->name)
		return 2;
	child = raw_start_child(argv[3], CHILD, &child_pid);
	scenario->run();
	close(child);
	EXPECT(waitpid(child_pid, NULL, 0) == child_pid);
	return 0;
}
