/* SPDX-License-Identifier: BSD-3-Clause */
/* Two siblings talk directly: listener opens a receiver, their parent gives its address to talker. */
#include <mitogen/mitogen.h>
#include <stdio.h>

static mitogen_receiver inbox; /* of listener, from one call to the next */

static int open_inbox(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender sender;

	inbox = mitogen_receiver_new(mitogen_message_router(m), error);
	sender = mitogen_receiver_sender(inbox, error);
	return sender.handle ? mitogen_reply(m, error, sender) : error->code;
}
MITOGEN_EXPORT(open_inbox);

static int greet(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	const char *text;
	int r = mitogen_read(m, error, &to, &text);

	return r < 0 ? r : mitogen_send(to, error, text);
}
MITOGEN_EXPORT(greet, MITOGEN_SENDER, MITOGEN_TEXT);

static int hear(mitogen_message *m, mitogen_error *error)
{
	MITOGEN_AUTO(message, heard);
	const char *text;

	if (mitogen_receiver_get(inbox, &heard, MITOGEN_FOREVER, error) < 0 ||
	    mitogen_read(heard, error, &text) < 0)
		return error->code;
	return mitogen_reply(m, error, text);
}
MITOGEN_EXPORT(hear);

int main(int argc, char **argv)
{
	mitogen_error err = {0};
	mitogen_router router = mitogen_start(argc, argv, &err);
	mitogen_context listener = mitogen_local(router, &err, .name = "listener");
	mitogen_context talker = mitogen_local(router, &err, .name = "talker");
	MITOGEN_AUTO(text, heard);
	mitogen_sender to_listener;

	if (mitogen_call(listener, open_inbox, &to_listener, &err) == 0 &&
	    mitogen_call(talker, greet, NULL, &err, to_listener, "hello, sibling") == 0 &&
	    mitogen_call(listener, hear, &heard, &err) == 0)
		printf("listener heard: %s\n", heard);
	return mitogen_finish(router, &err);
}
