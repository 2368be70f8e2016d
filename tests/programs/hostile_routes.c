/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The image of children that lie about who there is. A call does what the function's name says. The
 * scenarios against it are in attacked_routes.c.
 */
#include "raw_protocol.h"

#define LOST 6 /* the code, but for its sign */

struct request {
	char name[64];
	uint32_t reply_to;
	struct raw_cursor arguments;
};

static uint32_t self; /* our ID; as many more as 999 are ours, too */
static struct raw_frame frame;

static void begin(enum raw_kind kind, uint32_t handle)
{
	raw_begin(&frame, kind, self, 0, handle);
}

static void send_frame(void)
{
	raw_send(STDOUT_FILENO, &frame);
}

static void reply_uint(const struct request *request, uint64_t number)
{
	begin(RAW_CBOR, request->reply_to);
	raw_uint(&frame, number);
	send_frame();
}

static uint32_t next_number(struct request *request)
{
	return (uint32_t)raw_next_head(&request->arguments);
}

/* ---- Functions ---- */

static void ping(struct request *request)
{
	reply_uint(request, 0);
}

/* (ID): it is behind us. */
static void announce(struct request *request)
{
	raw_announce(&frame, self, next_number(request), "mine");
	send_frame();
	reply_uint(request, 0);
}

/* (ID, name) */
static void announce_as(struct request *request)
{
	uint32_t id = next_number(request);
	char name[256];

	raw_next_string(&request->arguments, name, sizeof(name));
	raw_announce(&frame, self, id, name);
	send_frame();
	reply_uint(request, 0);
}

static void send_loss(uint32_t id)
{
	begin(RAW_CBOR, RAW_DEL_ROUTE);
	raw_list(&frame, 3);
	raw_list(&frame, 1);
	raw_uint(&frame, id);
	raw_head(&frame, RAW_NEGATIVE, LOST - 1);
	raw_string(&frame, RAW_TEXT, "it has \033[31mgone\n");
	send_frame();
}

/* (ID): it is lost. */
static void report_loss(struct request *request)
{
	send_loss(next_number(request));
	reply_uint(request, 0);
}

static void request_ids(uint32_t id, uint32_t count)
{
	begin(RAW_CBOR, RAW_ALLOCATE_ID);
	raw_list(&frame, 2);
	raw_uint(&frame, id);
	raw_uint(&frame, count);
	send_frame();
}

/* (ID, count): asks for so many IDs for it. */
static void ask_for_ids(struct request *request)
{
	uint32_t id = next_number(request), count = next_number(request);

	request_ids(id, count);
	reply_uint(request, 0);
}

/* As many as there are; replies with how many that is. */
static void take_all_ids(struct request *request)
{
	static struct raw_frame received;
	uint64_t total = 0, count = 1;

	while (count > 0) {
		struct raw_cursor c = {received.payload};

		request_ids(self, 1000);
		do
			if (!raw_receive(STDIN_FILENO, &received))
				exit(0);
		while (received.handle != RAW_GRANT_ID);
		raw_next_head(&c); /* list */
		raw_skip(&c);
		raw_skip(&c);
		count = raw_next_head(&c);
		total += count;
	}
	reply_uint(request, total);
}

__attribute__((noreturn)) static void flood_requests(struct request *request)
{
	reply_uint(request, 0);
	for (;;)
		request_ids(self, 1);
}

/* (ID, ID): grants the first one's IDs to whoever listens there. */
static void grant_ids(struct request *request)
{
	uint32_t to = next_number(request), first = next_number(request);

	for (int is_context = 0; is_context < 2; is_context++) {
		raw_begin(&frame, RAW_CBOR, self, to, RAW_GRANT_ID);
		raw_list(&frame, 4);
		raw_uint(&frame, to);
		raw_uint(&frame, first);
		raw_uint(&frame, 1000);
		raw_uint(&frame, (uint64_t)is_context);
		send_frame();
	}
	reply_uint(request, 0);
}

/* (Sender, count): one context after the other, all with the same ID, sends something and is lost. */
static void use_id_again(struct request *request)
{
	uint32_t handle = raw_next_sender(&request->arguments), count = next_number(request);

	for (uint32_t i = 0; i < count; i++) {
		raw_announce(&frame, self, self + 1, "again");
		send_frame();
		raw_begin(&frame, RAW_CBOR, self + 1, 0, handle);
		frame.flags = RAW_BULK;
		frame.reply_to = 4711;
		raw_uint(&frame, i);
		send_frame();
		send_loss(self + 1);
	}
	reply_uint(request, 0);
}

/* (Sender): somebody whom nobody has announced sends something. */
static void speak_unannounced(struct request *request)
{
	uint32_t handle = raw_next_sender(&request->arguments);

	raw_begin(&frame, RAW_CBOR, self + 1, 0, handle);
	frame.flags = RAW_BULK;
	raw_uint(&frame, 4711);
	send_frame();
	reply_uint(request, 0);
}

/* ---- What is asked for ---- */

static const struct behaviour {
	const char *name;
	void (*act)(struct request *request);
} behaviours[] = {
	{"ping", ping},
	{"announce", announce},
	{"announce_as", announce_as},
	{"report_loss", report_loss},
	{"ask_for_ids", ask_for_ids},
	{"take_all_ids", take_all_ids},
	{"flood_requests", flood_requests},
	{"grant_ids", grant_ids},
	{"use_id_again", use_id_again},
	{"speak_unannounced", speak_unannounced},
	{NULL, NULL},
};

static void serve(const struct raw_frame *call)
{
	struct request request = {.reply_to = call->reply_to};
	const struct behaviour *behaviour = behaviours;
	struct raw_cursor c = {call->payload};
	char module[64];

	raw_next_head(&c); /* list */
	raw_skip(&c);      /* chain */
	raw_next_string(&c, module, sizeof(module));
	raw_skip(&c); /* class */
	raw_next_string(&c, request.name, sizeof(request.name));
	if (strcmp(module, "mitogen") == 0)
		return; /* whatever it is, it is never answered */
	raw_next_head(&c);
	request.arguments = c;
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
	while (raw_receive(STDIN_FILENO, &received)) {
		if (received.dst != self)
			continue; /* a context that it was asked to start, and has not */
		if (received.handle == RAW_SHUTDOWN)
			break;
		if (received.handle == RAW_CALL_FUNCTION)
			serve(&received);
	}
	return 0;
}
