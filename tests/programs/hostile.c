/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The image of children that keep to no rule. A call does what the function's name says, a program
 * what its name says. The scenarios against it are in attacked.c.
 */
#include "raw_protocol.h"

#include <signal.h>

struct request {
	char name[64]; /* of the function, or of the program */
	uint32_t reply_to;
	struct raw_cursor arguments; /* of a function; of a program without its name */
	uint64_t argument_count;
	uint32_t out, err; /* of a program: where its output goes */
};

static uint32_t self; /* our ID */
static struct raw_frame frame;
static struct request kept; /* of the program that only finish ends */

/* ---- What is sent ---- */

static void begin(enum raw_kind kind, uint32_t handle)
{
	raw_begin(&frame, kind, self, 0, handle);
}

static void send_frame(void)
{
	raw_send(STDOUT_FILENO, &frame);
}

static void reply_nil(const struct request *request)
{
	begin(RAW_CBOR, request->reply_to);
	raw_nil(&frame);
	send_frame();
}

static void send_started(const struct request *request, uint32_t stdin_handle, uint32_t control)
{
	begin(RAW_CBOR, request->out);
	frame.flags = RAW_BULK;
	raw_list(&frame, 4);
	raw_uint(&frame, RAW_STARTED);
	raw_uint(&frame, 77);
	raw_uint(&frame, stdin_handle);
	raw_uint(&frame, control);
	send_frame();
}

static void send_output(uint32_t handle, const char *text)
{
	begin(RAW_BYTES, handle);
	frame.flags = RAW_BULK;
	raw_add(&frame, text, strlen(text));
	send_frame();
}

static void end_output(uint32_t handle)
{
	begin(RAW_DEAD, handle);
	frame.flags = RAW_BULK;
	send_frame();
}

static void end_outputs(const struct request *request)
{
	end_output(request->out);
	end_output(request->err);
}

static void send_exit(const struct request *request, uint64_t out_bytes)
{
	begin(RAW_CBOR, request->reply_to);
	raw_list(&frame, 4);
	raw_uint(&frame, 0);
	raw_uint(&frame, out_bytes);
	raw_uint(&frame, 0);
	raw_bool(&frame, false);
	send_frame();
}

static uint64_t next_number(struct request *request)
{
	return raw_next_head(&request->arguments);
}

static void next_text(struct request *request, char *ret, size_t size)
{
	raw_next_string(&request->arguments, ret, size);
}

/* ---- Programs ---- */

/* Ports 0 of something that starts again and again, and credit for it when it has ended. */
static void start_twice(struct request *request)
{
	send_started(request, 5555, 0);
	send_started(request, 5555, 0);
	end_outputs(request);
	send_exit(request, 0);
	begin(RAW_CBOR, RAW_CREDIT);
	raw_list(&frame, 2);
	raw_uint(&frame, 5555);
	raw_uint(&frame, 99999999);
	send_frame();
}

/* Ends well, with 1000 bytes of output, of which five arrive. */
static void die_before_output(struct request *request)
{
	send_started(request, 5555, 5556);
	send_output(request->out, "some\n");
	send_exit(request, 1000);
	raise(SIGKILL);
}

static void send_less_than_promised(struct request *request)
{
	send_started(request, 5555, 5556);
	send_output(request->out, "some\n");
	end_outputs(request);
	send_exit(request, 1000);
}

static void send_more_than_promised(struct request *request)
{
	send_started(request, 5555, 5556);
	send_output(request->out, "some\n");
	end_outputs(request);
	send_exit(request, 1);
}

static void write_after_the_end(struct request *request)
{
	send_started(request, 5555, 5556);
	end_outputs(request);
	send_output(request->out, "some\n");
	send_exit(request, 5);
}

/* No crime: output may wait behind that of others, which answers overtake. */
static void answer_first(struct request *request)
{
	send_exit(request, 0);
	send_started(request, 5555, 5556);
	end_outputs(request);
}

static void answer_before_output(struct request *request)
{
	send_exit(request, 5);
	end_output(request->err);
	send_started(request, 5555, 5556);
	send_output(request->out, "some\n");
	end_output(request->out);
}

/* Runs until finish is called. */
static void keep_running(struct request *request)
{
	send_started(request, 5555, 5556);
	kept = *request;
}

/* ---- Functions ---- */

static void ping(struct request *request)
{
	reply_nil(request);
}

/* Replies with the ports to which keep-running sends. */
static void get_ports(struct request *request)
{
	begin(RAW_CBOR, request->reply_to);
	raw_list(&frame, 3);
	raw_uint(&frame, kept.out);
	raw_uint(&frame, kept.err);
	raw_uint(&frame, kept.reply_to);
	send_frame();
}

static void finish(struct request *request)
{
	send_output(kept.out, "mine\n");
	end_outputs(&kept);
	send_exit(&kept, 5);
	reply_nil(request);
}

/* (port, ...): sends to ports of others what they would like best. */
static void send_to_ports(struct request *request)
{
	for (uint64_t i = 0; i < request->argument_count; i++) {
		uint32_t handle = (uint32_t)next_number(request);

		send_output(handle, "INJECTED\n");
		begin(RAW_DEAD, handle);
		send_frame();
		begin(RAW_CBOR, handle);
		raw_list(&frame, 4);
		for (int item = 0; item < 3; item++)
			raw_uint(&frame, 0);
		raw_bool(&frame, false);
		send_frame();
	}
	reply_nil(request);
}

/* (ID): replies with that context. */
static void name_context(struct request *request)
{
	uint32_t id = (uint32_t)next_number(request);

	begin(RAW_CBOR, request->reply_to);
	raw_context(&frame, id);
	send_frame();
}

/* (ID, handle): replies with the address of that port. */
static void name_port(struct request *request)
{
	uint32_t id = (uint32_t)next_number(request), handle = (uint32_t)next_number(request);

	begin(RAW_CBOR, request->reply_to);
	raw_sender(&frame, id, handle);
	send_frame();
}

static void stop_reading(struct request *request)
{
	if (close(STDIN_FILENO) < 0)
		raw_give_up("close");
	reply_nil(request);
	for (;;)
		pause();
}

/* Messages that want an answer, which nobody reads; until nobody takes them, which is the end. */
__attribute__((noreturn)) static void flood(void)
{
	static uint8_t bytes[1000 * (RAW_HEADER_SIZE + 1)];
	size_t size = 0;

	begin(RAW_CBOR, 4242);
	frame.reply_to = 7;
	raw_nil(&frame);
	while (size < sizeof(bytes))
		size += raw_encode(bytes + size, &frame);
	for (;;)
		if (write(STDOUT_FILENO, bytes, size) < (ssize_t)size)
			_exit(0);
}

static void flood_for_ever(struct request *request)
{
	reply_nil(request);
	flood();
}

/* Says that it is let go, which nobody has asked it to. */
static void detach_itself(struct request *request)
{
	begin(RAW_DEAD, RAW_DETACHING);
	send_frame();
	reply_nil(request);
}

static void begin_log(uint32_t id)
{
	begin(RAW_CBOR, RAW_FORWARD_LOG);
	frame.flags = RAW_BULK;
	raw_list(&frame, 3);
	raw_uint(&frame, 2);
	raw_uint(&frame, id);
}

/* Log lines, for ever; without a look at what credit there is. */
static void log_for_ever(struct request *request)
{
	reply_nil(request);
	begin_log(self);
	raw_string(&frame, RAW_OCTETS, "a line of the flood");
	for (;;)
		send_frame();
}

/* (ID, ...): log lines about them, and what is no log line at all. */
static void log_lies(struct request *request)
{
	for (uint64_t i = 0; i < request->argument_count; i++) {
		begin_log((uint32_t)next_number(request));
		raw_string(&frame, RAW_OCTETS, "lies");
		send_frame();
	}
	begin_log(self);
	raw_nil(&frame);
	send_frame();
	begin(RAW_BYTES, RAW_FORWARD_LOG);
	raw_add(&frame, "lies", 4);
	send_frame();
	begin(RAW_DEAD, RAW_FORWARD_LOG);
	send_frame();
	reply_nil(request);
}

/* Ends itself; others keep the stream, enough of them to write whenever it takes something. */
static void leave_flooders(struct request *request)
{
	reply_nil(request);
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			flood();
	_exit(0);
}

/* Of 900 messages, each from another ID of ours, the first pieces. */
static void begin_messages(struct request *request)
{
	for (uint32_t i = 0; i < 900; i++) {
		if (i > 0) {
			raw_announce(&frame, self, self + i, "x");
			send_frame();
		}
		begin(RAW_BYTES, RAW_CREDIT);
		frame.src = frame.auth = self + i;
		frame.flags = RAW_MORE;
		memset(frame.payload, 'x', RAW_PAYLOAD_MAX);
		frame.size = RAW_PAYLOAD_MAX;
		send_frame();
	}
	reply_nil(request);
}

/* So much of a reply that goes on. */
static void send_pieces(const struct request *request, int count)
{
	for (int i = 0; i < count; i++) {
		begin(RAW_CBOR, request->reply_to);
		frame.flags = RAW_MORE;
		memset(frame.payload, 0, RAW_PAYLOAD_MAX);
		frame.size = RAW_PAYLOAD_MAX;
		send_frame();
	}
}

/* Replies with 64 MiB. */
static void reply_too_much(struct request *request)
{
	send_pieces(request, 1024);
	reply_nil(request);
}

/* Of a reply, 768 KiB. */
static void begin_reply(struct request *request)
{
	send_pieces(request, 12);
}

/* A list of 768 KiB and its head. */
static void reply_large_list(struct request *request)
{
	uint32_t size = 12 * RAW_PAYLOAD_MAX;

	begin(RAW_CBOR, request->reply_to);
	frame.flags = RAW_MORE;
	raw_list(&frame, size);
	send_frame();
	send_pieces(request, 11);
	frame.flags = 0;
	send_frame();
}

/* ---- Values for receivers ---- */

static void send_value(uint32_t handle, uint32_t src, size_t size)
{
	begin(RAW_BYTES, handle);
	frame.src = frame.auth = src;
	frame.flags = RAW_BULK;
	frame.reply_to = 7;
	memset(frame.payload, 'x', size);
	frame.size = (uint32_t)size;
	send_frame();
}

/* (port): 32 MiB, whatever it has credit for. */
static void overfill(struct request *request)
{
	uint32_t handle = (uint32_t)next_number(request);

	for (int i = 0; i < 1024; i++)
		send_value(handle, self, 32768);
	reply_nil(request);
}

static void announce(uint32_t id)
{
	begin(RAW_CBOR, RAW_ADD_ROUTE);
	raw_list(&frame, 2);
	raw_uint(&frame, id);
	raw_string(&frame, RAW_TEXT, "below");
	send_frame();
}

/* (port): as much from each of our IDs as that may send, 240 MB. */
static void send_from_all(struct request *request)
{
	uint32_t handle = (uint32_t)next_number(request);

	for (uint32_t id = self + 1; id < self + 1000; id++)
		announce(id);
	for (int i = 0; i < 4; i++)
		for (uint32_t id = self; id < self + 1000; id++)
			send_value(handle, id, 60000);
	reply_nil(request);
}

/* (port): what has not begun ends again and again. */
static void send_ends(struct request *request)
{
	uint32_t handle = (uint32_t)next_number(request);

	for (int i = 0; i < 100000; i++)
		end_output(handle);
	reply_nil(request);
}

static void send_long_end(uint32_t handle, uint8_t flags)
{
	begin(RAW_DEAD, handle);
	frame.flags = RAW_BULK | flags;
	memset(frame.payload, 'x', RAW_PAYLOAD_MAX);
	frame.size = RAW_PAYLOAD_MAX;
	send_frame();
}

/* (port): ends of 256 MiB, as many as fit into a frame and a few that need more. */
static void send_long_ends(struct request *request)
{
	uint32_t handle = (uint32_t)next_number(request);

	for (int i = 0; i < 4080; i++)
		send_long_end(handle, 0);
	for (int i = 0; i < 16; i++)
		for (int piece = 0; piece <= 64; piece++)
			send_long_end(handle, piece < 64 ? RAW_MORE : 0);
	reply_nil(request);
}

static void send_number(uint32_t handle, uint64_t number, uint32_t reply_to)
{
	begin(RAW_CBOR, handle);
	frame.flags = RAW_BULK;
	frame.reply_to = reply_to;
	raw_uint(&frame, number);
	send_frame();
}

/* Through a channel: a value, its result, and what cannot come any more. */
static void answer_twice(struct request *request)
{
	send_number(request->reply_to, 1, 7);
	send_number(request->reply_to, 2, 0);
	send_number(request->reply_to, 3, 0);
	send_number(request->reply_to, 4, 7);
	end_output(request->reply_to);
}

/* Says that there is no more, goes on, and answers. */
static void go_on_behind_the_end(struct request *request)
{
	send_number(request->reply_to, 1, 7);
	end_output(request->reply_to);
	send_number(request->reply_to, 2, 7);
	send_number(request->reply_to, 3, 0);
}

/* Answers when answer_kept is called. */
static void keep_channel(struct request *request)
{
	kept = *request;
}

static void answer_kept(struct request *request)
{
	send_number(kept.reply_to, 1, 0);
	reply_nil(request);
}

/* ---- What is asked for ---- */

struct behaviour {
	const char *name;
	void (*act)(struct request *request);
};

static const struct behaviour programs[] = {
	{"start-twice", start_twice},
	{"die-before-output", die_before_output},
	{"send-less-than-promised", send_less_than_promised},
	{"send-more-than-promised", send_more_than_promised},
	{"write-after-the-end", write_after_the_end},
	{"answer-first", answer_first},
	{"answer-before-output", answer_before_output},
	{"keep-running", keep_running},
	{NULL, NULL},
};

static const struct behaviour functions[] = {
	{"ping", ping},
	{"get_ports", get_ports},
	{"finish", finish},
	{"send_to_ports", send_to_ports},
	{"name_context", name_context},
	{"name_port", name_port},
	{"stop_reading", stop_reading},
	{"flood_for_ever", flood_for_ever},
	{"detach_itself", detach_itself},
	{"log_for_ever", log_for_ever},
	{"log_lies", log_lies},
	{"leave_flooders", leave_flooders},
	{"begin_messages", begin_messages},
	{"reply_too_much", reply_too_much},
	{"begin_reply", begin_reply},
	{"reply_large_list", reply_large_list},
	{"overfill", overfill},
	{"send_from_all", send_from_all},
	{"send_ends", send_ends},
	{"send_long_ends", send_long_ends},
	{"answer_twice", answer_twice},
	{"go_on_behind_the_end", go_on_behind_the_end},
	{"keep_channel", keep_channel},
	{"answer_kept", answer_kept},
	{NULL, NULL},
};

/* From [argv, env, cwd, flags, timeout, stdout, stderr]. */
static void read_program(struct request *request)
{
	struct raw_cursor c = request->arguments;

	raw_skip(&c);
	raw_skip(&c);
	raw_skip(&c);
	raw_skip(&c);
	raw_skip(&c);
	request->out = raw_next_sender(&c);
	request->err = raw_next_sender(&c);
	request->argument_count = raw_next_head(&request->arguments) - 1;
	next_text(request, request->name, sizeof(request->name));
}

static void serve(const struct raw_frame *call)
{
	struct request request = {.reply_to = call->reply_to};
	const struct behaviour *behaviour = functions;
	struct raw_cursor c = {call->payload};
	char module[64];

	raw_next_head(&c); /* list */
	raw_skip(&c);      /* chain */
	raw_next_string(&c, module, sizeof(module));
	raw_skip(&c); /* class */
	raw_next_string(&c, request.name, sizeof(request.name));
	request.argument_count = raw_next_head(&c);
	request.arguments = c;
	if (strcmp(module, "mitogen") == 0) {
		read_program(&request);
		behaviour = programs;
	}
	while (behaviour->name && strcmp(behaviour->name, request.name) != 0)
		behaviour++;
	if (!behaviour->name)
		raw_give_up(request.name);
	behaviour->act(&request);
}

int main(int argc, char **argv)
{
	static struct raw_frame received;

	self = raw_be_child(argc, argv);
	while (raw_receive(STDIN_FILENO, &received) && received.handle != RAW_SHUTDOWN)
		if (received.handle == RAW_CALL_FUNCTION)
			serve(&received);
	return 0;
}
